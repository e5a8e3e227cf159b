"""A row's place in the one order of alerts and device events.

An alert's place follows from its rowid, so that rows of the original programs have one too. A
device event stands behind the alert that was the newest when it was stored, and behind every event
before it. The low bits of an alert's place are 0, those of an event's never are.
"""

_EVENT_BITS = 20
_EVENTS = (1 << _EVENT_BITS) - 1

# Taken up by the INSERT itself: no other process can store anything meanwhile. sqlite_sequence
# remembers numbers of rows that are evicted by now; the older original table does without.
_LAST_EVENT = "ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'device_event'), 0)"
_LAST_ALERT = (
    "max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'alert'), 0),"
    " ifnull((SELECT max(rowid) FROM alert), 0))"
)

# The next event's place; one more where it would look like an alert's, after a million events
# without an alert.
OF_NEXT_EVENT = f"""(
    SELECT next + (next & {_EVENTS} = 0)
    FROM (SELECT max({_LAST_EVENT}, {_LAST_ALERT} << {_EVENT_BITS}) + 1 AS next)
)"""  # noqa: S608 - our own words

# The next alert's rowid: SQLite's own choice (NULL), unless that would lie before an event.
ROWID_OF_NEXT_ALERT = f"""(
    SELECT (last >> {_EVENT_BITS}) + 1
    FROM (SELECT {_LAST_EVENT} AS last) WHERE last >> {_EVENT_BITS} > {_LAST_ALERT}
)"""  # noqa: S608 - the same


def of_alert(rowid: int) -> int:
    """Return the place of the alert with this rowid."""
    return rowid << _EVENT_BITS


def alert_rowid(position: int) -> int:
    """Return the rowid of the last alert at or before this place."""
    return position >> _EVENT_BITS


def is_alert(position: int) -> bool:
    return not position & _EVENTS
