"""What a device tells besides alerts: the events, the requests for mails on them, and four views.

docs/sql.md describes the views and asks them questions.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLES = """
CREATE TABLE device_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    event_time timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    device_id varchar NOT NULL REFERENCES device,
    camera text NOT NULL DEFAULT '',
    kind text NOT NULL
        CHECK (kind IN ('episode_ended', 'compliance', 'camera_changed', 'heartbeat')),
    boot_id text NOT NULL DEFAULT '',
    sequence bigint NOT NULL DEFAULT 0,
    clock_quality text CHECK (clock_quality IN ('synchronised', 'uncertain')),
    detail jsonb NOT NULL
);
COMMENT ON TABLE device_event IS
    'What devices tell besides alerts; ids of a device rise in the order in which it stored them';
COMMENT ON COLUMN device_event.camera IS 'Empty where the event is the device''s';
COMMENT ON COLUMN device_event.detail IS 'The fields of its kind, named as in device_event.proto';
-- The last of a kind, and a device's in order.
CREATE INDEX device_event_device_kind ON device_event (device_id, kind, id);
CREATE INDEX device_event_kind_time ON device_event (kind, event_time);

-- device_event_id is no foreign key: the row is written by its event's own statement.
CREATE TABLE event_notification_request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_event_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    refused_reason text
);
COMMENT ON TABLE event_notification_request IS
    'Outbox of ingress: events of which notifier is still to be told';
CREATE INDEX event_notification_request_unpublished ON event_notification_request (id)
    WHERE published_at IS NULL;

COMMENT ON COLUMN device.last_seen_at IS
    'When its last alert or device event was archived, to the minute';
"""

_VIEWS = """
CREATE VIEW compliance AS
SELECT
    device_id,
    camera,
    (detail ->> 'window_start')::timestamptz AS quarter,
    sum((detail ->> 'observed_s')::double precision) AS observed_s,
    sum((detail ->> 'people')::bigint)::bigint AS people,
    sum((detail ->> 'with_mask')::bigint)::bigint AS with_mask,
    sum((detail ->> 'without_mask')::bigint)::bigint AS without_mask,
    sum((detail ->> 'badly_worn')::bigint)::bigint AS badly_worn,
    sum((detail ->> 'unsure')::bigint)::bigint AS unsure,
    sum((detail ->> 'with_mask')::bigint)::double precision / NULLIF(sum(
        (detail ->> 'with_mask')::bigint + (detail ->> 'without_mask')::bigint
        + (detail ->> 'badly_worn')::bigint), 0)::double precision AS share_with_mask
FROM device_event
WHERE kind = 'compliance'
GROUP BY device_id, camera, quarter;

CREATE VIEW episode AS
SELECT
    ended.device_id,
    ended.camera,
    (ended.detail ->> 'episode_id')::uuid AS episode_id,
    (ended.detail ->> 'started_at')::timestamptz AS started_at,
    ended.event_time AS ended_at,
    (ended.detail ->> 'duration_s')::double precision AS duration_s,
    ended.detail ->> 'label' AS label,
    (ended.detail ->> 'violated')::boolean AS violated,
    (ended.detail ->> 'mask_put_on_after_s')::double precision AS mask_put_on_after_s,
    ended.clock_quality,
    alert.id AS alert_id,
    alert.event_time AS alert_at,
    alert.label AS alert_label,
    alert.probability AS alert_probability,
    alert.notification_sent
FROM device_event AS ended
LEFT JOIN alert ON alert.episode_id = (ended.detail ->> 'episode_id')::uuid
    AND alert.device_id = ended.device_id
WHERE ended.kind = 'episode_ended';

-- A device that starts anew while a camera is away says "down" once more: that is no new outage.
CREATE VIEW camera_outage AS
WITH told AS (
    SELECT
        device_id,
        camera,
        id,
        detail ->> 'state' AS state,
        detail ->> 'reason' AS reason,
        (detail ->> 'since')::timestamptz AS since,
        (detail ->> 'down_s')::double precision AS down_s,
        lag(detail ->> 'state') OVER (PARTITION BY device_id, camera ORDER BY id) AS before
    FROM device_event
    WHERE kind = 'camera_changed'
), turned AS (
    SELECT
        *,
        lead(since) OVER (PARTITION BY device_id, camera ORDER BY id) AS next_since,
        lead(down_s) OVER (PARTITION BY device_id, camera ORDER BY id) AS next_down_s
    FROM told
    WHERE state IS DISTINCT FROM before
)
SELECT
    device_id,
    camera,
    reason,
    since AS down_at,
    next_since AS up_at,
    next_since IS NULL AS is_open,
    COALESCE(NULLIF(next_down_s, 0), GREATEST(
        extract(epoch FROM COALESCE(next_since, now()) - since), 0)::double precision) AS down_s
FROM turned
WHERE state = 'down';

CREATE VIEW device_health AS
SELECT
    device.id AS device_id,
    device.type AS device_type,
    last.event_time AS heartbeat_at,
    last.received_at,
    now() - CASE WHEN last.clock_quality = 'uncertain' THEN last.received_at
        ELSE LEAST(last.event_time, last.received_at) END AS age,
    last.detail ->> 'version' AS version,
    last.detail -> 'models' AS models,
    last.detail ->> 'runtime' AS runtime,
    (last.detail ->> 'uptime_s')::double precision AS uptime_s,
    (last.detail ->> 'temperature_c')::double precision AS temperature_c,
    (last.detail ->> 'is_throttled')::boolean AS is_throttled,
    (last.detail ->> 'disk_free_bytes')::bigint AS disk_free_bytes,
    (last.detail ->> 'waiting')::bigint AS waiting,
    (last.detail ->> 'oldest_waiting_s')::double precision AS oldest_waiting_s,
    jsonb_array_length(last.detail -> 'cameras') AS cameras,
    jsonb_array_length(jsonb_path_query_array(
        last.detail, '$.cameras[*] ? (@.is_up == false)')) AS cameras_down,
    last.clock_quality
FROM device
LEFT JOIN LATERAL (
    SELECT event_time, received_at, clock_quality, detail
    FROM device_event
    WHERE device_event.device_id = device.id AND kind = 'heartbeat'
    ORDER BY id DESC
    LIMIT 1
) AS last ON true;
"""

_COMMENTS = {
    "compliance": {
        "": "How many people wore what, per device, camera and quarter of an hour",
        "quarter": "Begin of the quarter of an hour",
        "observed_s": "Seconds of it in which the camera was watched",
        "people": "Episodes that ended in it, one each time a person passes",
        "with_mask": "Of these, with a mask worn as required",
        "without_mask": "Of these, without a mask",
        "badly_worn": "Of these, with a mask that does not cover nose and mouth",
        "unsure": "Of these, never seen well enough to tell",
        "share_with_mask": "with_mask / (with_mask + without_mask + badly_worn), in [0, 1];"
        " NULL when nobody was judged",
    },
    "episode": {
        "": "One person from entering the picture to leaving it, with the alert if there was one",
        "started_at": "When the person came, by the device''s clock",
        "ended_at": "When the device held the person for gone",
        "duration_s": "Seconds in the picture, by a clock that never jumps",
        "label": "The verdict at the end: mask, no_mask, bad_mask, unsure",
        "violated": "Whether an alert was raised",
        "mask_put_on_after_s": "Seconds from the alert to the mask; NULL when it stayed off",
        "clock_quality": "uncertain: the device did not know whether its clock was right",
        "alert_id": "alert_overview.id; NULL without an alert, or before it is archived",
        "alert_at": "When the alert was raised",
        "alert_label": "What it was raised for",
        "alert_probability": "Probability of that, in [0, 1]",
        "notification_sent": "Whether somebody was told",
    },
    "camera_outage": {
        "": "From the moment a camera gave no believable picture to the one it did again",
        "reason": "What the device says of it",
        "down_at": "Since when, by the device''s clock",
        "up_at": "Until when; NULL while it lasts",
        "is_open": "Whether it lasts",
        "down_s": "Seconds that it lasted, or has lasted so far",
    },
    "device_health": {
        "": "Every device with its last heartbeat; NULLs for one that never sent any",
        "heartbeat_at": "When it was sent, by the device''s clock",
        "received_at": "When it was archived",
        "age": "How long ago that is; by the archive''s clock where the device doubts its own",
        "version": "Of the detector",
        "models": "Names of the models, a JSON list",
        "runtime": "What runs them",
        "uptime_s": "Seconds since the detector was started",
        "temperature_c": "Degrees Celsius of the processor; NULL where the device cannot tell",
        "is_throttled": "Whether it works slower because of heat",
        "disk_free_bytes": "Left for the outbox",
        "waiting": "Events in the outbox that waited for the broker",
        "oldest_waiting_s": "Age of the oldest of these",
        "cameras": "How many it has",
        "cameras_down": "How many of them gave no picture",
        "clock_quality": "uncertain: the device did not know whether its clock was right",
    },
}

_GRANTS = """
GRANT SELECT, INSERT ON device_event TO maskwatch_ingress;
GRANT SELECT, INSERT, UPDATE, DELETE ON event_notification_request TO maskwatch_ingress;
GRANT SELECT ON device_event TO maskwatch_notifier;
GRANT SELECT ON compliance, episode, camera_outage, device_health TO analyst;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_VIEWS)
    for view, columns in _COMMENTS.items():
        for column, meaning in columns.items():
            what = f"COLUMN {view}.{column}" if column else f"VIEW {view}"
            op.execute(f"COMMENT ON {what} IS '{meaning}'")
    op.execute(_GRANTS)
