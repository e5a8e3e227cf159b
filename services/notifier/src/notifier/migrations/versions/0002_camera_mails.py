"""Mails about cameras: a delivery belongs to an alert or to a device event.

A replica of the version before may still run: what it inserts stays valid, and a row without an
alert that it claims comes free again with its lease, unchanged.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

_DELIVERY = """
ALTER TABLE delivery
    DROP CONSTRAINT delivery_pkey,
    ALTER COLUMN alert_id DROP NOT NULL,
    ADD COLUMN device_event_id bigint,
    ADD COLUMN due_at timestamptz,
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD CONSTRAINT delivery_alert_key UNIQUE (alert_id, recipient),
    ADD CONSTRAINT delivery_device_event_key UNIQUE (device_event_id, recipient),
    ADD CONSTRAINT delivery_subject_check CHECK (num_nonnulls(alert_id, device_event_id) = 1);
COMMENT ON COLUMN delivery.device_event_id IS
    'The event that began a mail about cameras; camera_notice has all that it tells of';
COMMENT ON COLUMN delivery.due_at IS
    'When the mail may leave at the earliest, and its date; NULL: created_at';

DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE INDEX delivery_camera_open ON delivery (device_id)
    WHERE device_event_id IS NOT NULL AND next_try_at IS NOT NULL;
"""

_NOTICES = """
CREATE TABLE camera_notice (
    device_event_id bigint PRIMARY KEY,
    mail_id bigint NOT NULL,
    device_id text NOT NULL,
    camera text NOT NULL,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE camera_notice IS
    'Which mail tells of a camera''s change: delivery.device_event_id = mail_id';
CREATE INDEX camera_notice_mail ON camera_notice (mail_id);
CREATE INDEX camera_notice_device ON camera_notice (device_id, due_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON camera_notice TO maskwatch_notifier;
"""


def upgrade() -> None:
    op.execute(_DELIVERY)
    op.execute(_NOTICES)
