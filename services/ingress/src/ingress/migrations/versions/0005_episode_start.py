"""When the person of an alert came into the picture, known before the episode has ended."""

from alembic import op

revision = "0005"
down_revision = "0004"

# Columns of a view are added at its end: what reads it by position goes on working.
_EXPAND = """
ALTER TABLE alert ADD COLUMN episode_started_at timestamptz;
COMMENT ON COLUMN alert.episode_started_at IS
    'When the person came into the picture, by the device''s clock; NULL: it did not say';

CREATE OR REPLACE VIEW alert_overview AS
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
    alert.clock_quality,
    alert.episode_started_at
FROM alert
JOIN device ON device.id = alert.device_id
JOIN face_detection_model AS face_model ON face_model.id = alert.face_model_id
JOIN mask_classification_model AS mask_model ON mask_model.id = alert.mask_model_id;
"""


def upgrade() -> None:
    op.execute(_EXPAND)
