"""An alert's device and models are checked once a batch by ingress, and when they are deleted here.

docs/adr/0008-no-foreign-keys-on-alert.md tells why. What went before runs on this schema, too.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

# Column of alert -> the table that it refers to.
_PARENTS = {
    "device_id": "device",
    "face_model_id": "face_detection_model",
    "mask_model_id": "mask_classification_model",
}

# Costs alerts nothing: it runs only where a device or model is deleted or gets another id.
_FUNCTION = """
CREATE FUNCTION refuse_while_alerts_refer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_referred_to boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM %I.alert WHERE %I = $1)', TG_TABLE_SCHEMA, TG_ARGV[0]
    ) INTO is_referred_to USING OLD.id;
    IF is_referred_to THEN
        RAISE foreign_key_violation USING MESSAGE = format(
            'there are alerts whose %s is %L: delete them first', TG_ARGV[0], OLD.id);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION refuse_while_alerts_refer IS 'In place of foreign keys of alert';
"""

_TRIGGER = """
CREATE TRIGGER alerts_refer AFTER DELETE OR UPDATE OF id ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_while_alerts_refer('{column}')
"""


def upgrade() -> None:
    op.execute(_FUNCTION)
    dropped = (f"DROP CONSTRAINT alert_{column}_fkey" for column in _PARENTS)
    op.execute(f"ALTER TABLE alert {', '.join(dropped)}")
    for column, table in _PARENTS.items():
        op.execute(_TRIGGER.format(table=table, column=column))


def downgrade() -> None:
    # Plainly: in one transaction, validating apart would hold the same locks as long.
    added = (
        f"ADD CONSTRAINT alert_{column}_fkey FOREIGN KEY ({column}) REFERENCES {table}"
        for column, table in _PARENTS.items()
    )
    op.execute(f"ALTER TABLE alert {', '.join(added)}")
    for table in _PARENTS.values():
        op.execute(f"DROP TRIGGER alerts_refer ON {table}")
    op.execute("DROP FUNCTION refuse_while_alerts_refer")
