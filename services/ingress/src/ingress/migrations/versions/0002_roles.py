"""Who may do what: group roles without login, which the deployment's users are granted.

Roles belong to the whole cluster, so another database may have made them already.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

_ROLES = ("maskwatch_ingress", "maskwatch_notifier", "analyst")

# Somebody else may create the role between the question and the command.
_CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
"""

_GRANTS = """
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO maskwatch_ingress, maskwatch_notifier, analyst;

GRANT SELECT, INSERT, UPDATE ON device, face_detection_model, mask_classification_model,
    notification_request TO maskwatch_ingress;
GRANT SELECT, INSERT ON alert, image TO maskwatch_ingress;
GRANT DELETE ON notification_request TO maskwatch_ingress;
GRANT USAGE ON SEQUENCE alert_id_seq, notification_request_id_seq TO maskwatch_ingress;

GRANT SELECT ON alert, image, device, face_detection_model, mask_classification_model
    TO maskwatch_notifier;
GRANT UPDATE (notification_sent) ON alert TO maskwatch_notifier;
"""


def upgrade() -> None:
    for role in _ROLES:
        op.execute(_CREATE_ROLE.format(role=role))
    op.execute(_GRANTS)
