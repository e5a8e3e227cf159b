"""What no service has ever used is taken back: nobody but the owner deletes."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        "REVOKE DELETE ON notification_request, event_notification_request FROM maskwatch_ingress"
    )
    op.execute(
        "REVOKE SELECT ON face_detection_model, mask_classification_model FROM maskwatch_notifier"
    )
