"""What the notifier has never used is taken back: nobody but the owner deletes."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("REVOKE DELETE ON delivery, camera_cooldown, camera_notice FROM maskwatch_notifier")
