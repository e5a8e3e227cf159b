"""What analysts read; docs/queries.md describes it. No view shows a picture."""

from alembic import op

revision = "0003"
down_revision = "0002"

_VIEWS = """
-- The original programs send no label: they knew nothing but the missing mask.
CREATE VIEW alert_overview AS
SELECT
    alert.id,
    alert.event_id,
    alert.event_time,
    alert.received_at,
    alert.device_id,
    device.type AS device_type,
    alert.camera,
    COALESCE(alert.label, 'no_mask') AS label,
    alert.probability,
    alert.longitude,
    alert.latitude,
    face_model.name AS face_model,
    mask_model.name AS mask_model,
    EXISTS (SELECT FROM image WHERE image.id = alert.image_id) AS has_picture,
    alert.notification_sent,
    alert.episode_id,
    alert.clock_quality
FROM alert
JOIN device ON device.id = alert.device_id
JOIN face_detection_model AS face_model ON face_model.id = alert.face_model_id
JOIN mask_classification_model AS mask_model ON mask_model.id = alert.mask_model_id;

CREATE VIEW alerts_per_day AS
SELECT
    (event_time AT TIME ZONE 'UTC')::date AS day,
    count(*) AS alerts,
    count(*) FILTER (WHERE COALESCE(label, 'no_mask') = 'no_mask') AS no_mask,
    count(*) FILTER (WHERE label = 'bad_mask') AS bad_mask,
    count(*) FILTER (WHERE label = 'unsure') AS unsure,
    count(DISTINCT device_id) AS devices,
    count(DISTINCT (device_id, camera)) AS cameras
FROM alert
GROUP BY day;

CREATE VIEW alerts_per_camera AS
SELECT
    (event_time AT TIME ZONE 'UTC')::date AS day,
    device_id,
    camera,
    count(*) AS alerts,
    count(*) FILTER (WHERE COALESCE(label, 'no_mask') = 'no_mask') AS no_mask,
    count(*) FILTER (WHERE label = 'bad_mask') AS bad_mask,
    count(*) FILTER (WHERE label = 'unsure') AS unsure,
    avg(probability) AS mean_probability,
    min(event_time) AS first_at,
    max(event_time) AS last_at
FROM alert
GROUP BY day, device_id, camera;

CREATE VIEW device_overview AS
SELECT
    id AS device_id,
    type AS device_type,
    COALESCE(enrolled_on::text, enrolled_on_text) AS enrolled_on,
    longitude,
    latitude,
    first_seen_at,
    last_seen_at
FROM device;

GRANT SELECT ON alert_overview, alerts_per_day, alerts_per_camera, device_overview TO analyst;
"""


def upgrade() -> None:
    op.execute(_VIEWS)
