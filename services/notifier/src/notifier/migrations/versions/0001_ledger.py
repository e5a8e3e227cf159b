"""The ledger of deliveries, and the cool-down of each camera."""

from alembic import op

revision = "0001"
down_revision = None

# Roles belong to the whole cluster: another database's migrations, or ingress's, may have made it.
_CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'maskwatch_notifier') THEN
        CREATE ROLE maskwatch_notifier NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
"""


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE delivery (
            alert_id bigint NOT NULL,
            recipient text NOT NULL,
            state text NOT NULL CHECK (state IN (
                'pending', 'claimed', 'sending', 'deferred', 'unknown',
                'sent', 'bounced', 'expired', 'suppressed', 'withdrawn'
            )),
            device_id text NOT NULL,
            camera text NOT NULL,
            event_time timestamptz NOT NULL,
            message_id text NOT NULL,
            further integer NOT NULL,
            further_since timestamptz,
            attempts integer NOT NULL DEFAULT 0,
            unknowns integer NOT NULL DEFAULT 0,
            owner uuid,
            next_try_at timestamptz,
            sending_until timestamptz,
            deadline timestamptz NOT NULL,
            reason text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            sent_at timestamptz,
            PRIMARY KEY (alert_id, recipient)
        )
        -- Each row changes three times soon after it was made: there is room for that on its page.
        WITH (fillfactor = 50)
        """
    )
    op.execute(
        "COMMENT ON COLUMN delivery.next_try_at IS "
        "'From when it may be taken up (again); the end of the lease while claimed; "
        "NULL when the state is final'"
    )
    op.execute(
        "CREATE INDEX delivery_due ON delivery (next_try_at, alert_id) "
        "WHERE next_try_at IS NOT NULL"
    )
    op.execute(
        """
        CREATE TABLE camera_cooldown (
            device_id text NOT NULL,
            camera text NOT NULL,
            last_sent_at timestamptz,
            open_alert_id bigint,
            open_until timestamptz,
            suppressed integer NOT NULL DEFAULT 0,
            suppressed_since timestamptz,
            PRIMARY KEY (device_id, camera)
        )
        """
    )
    op.execute(_CREATE_ROLE)
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON delivery, camera_cooldown TO maskwatch_notifier"
    )
