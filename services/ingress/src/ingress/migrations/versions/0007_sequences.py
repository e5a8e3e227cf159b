"""Whether a device's numbers add up; docs/sql.md describes the views.

Block range indexes: rows come in the order of received_at, so that they cost next to nothing.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_INDEXES = """
CREATE INDEX alert_received_at ON alert USING brin (received_at);
CREATE INDEX device_event_received_at ON device_event USING brin (received_at);
"""

# The original programs number nothing: their boot_id is empty.
_VIEWS = """
CREATE VIEW device_boot AS
WITH told AS (
    SELECT device_id, boot_id, sequence, event_time, received_at FROM alert
    WHERE boot_id <> ''
    UNION ALL
    SELECT device_id, boot_id, sequence, event_time, received_at FROM device_event
    WHERE boot_id <> ''
), boot AS (
    SELECT
        device_id,
        boot_id,
        min(event_time) AS first_at,
        max(event_time) AS last_at,
        max(received_at) AS last_received_at,
        count(*) AS events,
        min(sequence) AS first_sequence,
        max(sequence) AS last_sequence,
        max(sequence)::numeric - min(sequence) + 1 - count(DISTINCT sequence) AS missing,
        count(*) - count(DISTINCT sequence) AS repeated
    FROM told
    GROUP BY device_id, boot_id
)
SELECT
    *,
    COALESCE(first_at < max(last_at) OVER (
        PARTITION BY device_id ORDER BY first_at, boot_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), false) AS is_overlapping
FROM boot;

CREATE VIEW sequence_gap AS
WITH told AS (
    SELECT device_id, boot_id, sequence, event_time FROM alert WHERE boot_id <> ''
    UNION ALL
    SELECT device_id, boot_id, sequence, event_time FROM device_event WHERE boot_id <> ''
), neighbours AS (
    SELECT
        *,
        lag(sequence) OVER next_number AS before,
        lag(event_time) OVER next_number AS before_at
    FROM told
    WINDOW next_number AS (PARTITION BY device_id, boot_id ORDER BY sequence, event_time)
)
SELECT
    device_id,
    boot_id,
    before + 1 AS missing_from,
    sequence - 1 AS missing_to,
    sequence - before - 1 AS missing,
    before_at,
    event_time AS after_at
FROM neighbours
WHERE sequence - 1 > before;
"""

_COMMENTS = {
    "device_boot": {
        "": "Every start of a device, and whether its numbers add up",
        "boot_id": "New at every start of the detector",
        "first_at": "Its earliest event, by the device''s clock",
        "last_at": "Its latest event, by the device''s clock",
        "last_received_at": "When the last of its events was archived",
        "events": "Alerts and device events",
        "first_sequence": "Lowest number; a device begins with 1",
        "last_sequence": "Highest number",
        "missing": "Numbers between the two that are not in the archive",
        "repeated": "Events whose number another event has too",
        "is_overlapping": "It began before another start of the same device had ended:"
        " two share a guid, or a clock went back",
    },
    "sequence_gap": {
        "": "Numbers of a device that are not in the archive, a row for each run of them",
        "boot_id": "New at every start of the detector",
        "missing_from": "First missing number",
        "missing_to": "Last missing number",
        "missing": "How many these are",
        "before_at": "When the event before them happened, by the device''s clock",
        "after_at": "When the event behind them happened",
    },
}

_GRANTS = "GRANT SELECT ON device_boot, sequence_gap TO analyst"


def upgrade() -> None:
    op.execute(_INDEXES)
    op.execute(_VIEWS)
    for view, columns in _COMMENTS.items():
        for column, meaning in columns.items():
            what = f"COLUMN {view}.{column}" if column else f"VIEW {view}"
            op.execute(f"COMMENT ON {what} IS '{meaning}'")
    op.execute(_GRANTS)
