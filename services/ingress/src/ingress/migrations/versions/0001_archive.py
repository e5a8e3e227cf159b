"""The archive's tables.

Names and types of the original alertIngress come first in each table, ours after them, nullable or
with a default, so that a program that knows only the original columns can still insert.
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
-- The originals write times without a zone and mean UTC.
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET timezone TO ''UTC''', current_database());
END $$;

CREATE TABLE device (
    id varchar PRIMARY KEY,
    type varchar NOT NULL DEFAULT '',
    enrolled_on timestamp,
    latitude real NOT NULL DEFAULT 0,
    longitude real NOT NULL DEFAULT 0,
    enrolled_on_text text,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN device.enrolled_on_text IS 'What the device says, when it is no timestamp';
COMMENT ON COLUMN device.last_seen_at IS 'When its last alert was archived, to the minute';

CREATE TABLE face_detection_model (
    id varchar PRIMARY KEY,
    created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    name varchar NOT NULL,
    threshold real NOT NULL
);

CREATE TABLE mask_classification_model (
    id varchar PRIMARY KEY,
    created_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    name varchar NOT NULL,
    threshold real NOT NULL
);

-- Alerts and pictures draw their numbers from one sequence: an alert's picture has its number.
CREATE SEQUENCE alert_id_seq;

CREATE TABLE image (
    id bigint PRIMARY KEY DEFAULT nextval('alert_id_seq'),
    format varchar,
    width integer,
    height integer,
    data bytea
);
-- JPEG does not compress: trying to costs half of the alerts a second.
ALTER TABLE image ALTER COLUMN data SET STORAGE EXTERNAL;

-- image_id is no foreign key: a picture may be deleted long before its alert.
CREATE TABLE alert (
    id bigint PRIMARY KEY DEFAULT nextval('alert_id_seq'),
    event_time timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    notification_sent boolean NOT NULL DEFAULT false,
    device_id varchar NOT NULL REFERENCES device,
    face_model_id varchar NOT NULL REFERENCES face_detection_model,
    mask_model_id varchar NOT NULL REFERENCES mask_classification_model,
    image_id bigint,
    event_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    probability real CHECK (probability BETWEEN 0 AND 1),
    label text CHECK (label IN ('mask', 'no_mask', 'bad_mask', 'unsure')),
    camera text NOT NULL DEFAULT '',
    longitude real,
    latitude real,
    face_left real,
    face_top real,
    face_right real,
    face_bottom real,
    episode_id uuid,
    runtime text,
    boot_id text,
    sequence bigint,
    clock_quality text CHECK (clock_quality IN ('synchronised', 'uncertain'))
);
CREATE INDEX alert_event_time ON alert (event_time);

-- alert_id is no foreign key: the row is written by its alert's own statement, and checking it
-- again costs a fifth of the alerts a second.
CREATE TABLE notification_request (
    id bigserial PRIMARY KEY,
    alert_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    refused_reason text
);
COMMENT ON TABLE notification_request IS 'Outbox of ingress: what is still to be asked of notifier';
CREATE INDEX notification_request_unpublished ON notification_request (id)
    WHERE published_at IS NULL;
"""


def upgrade() -> None:
    op.execute(_TABLES)
