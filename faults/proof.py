"""The end of a case: waiting until nothing waits anywhere on the path, and having it judged."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import asyncpg
from maskwatch_runtime.kafka import topics

from faults import checker, end_state, records
from faults.case import Fault
from faults.checker import Expected, Verdict
from faults.end_state import EndState, Places
from faults.history import History

RECIPIENTS = ("operations@plant.example", "safety@plant.example")
_POLL_S = 0.1
_OPEN = """
SELECT (SELECT count(*) FROM notification_request WHERE published_at IS NULL)
    + (SELECT count(*) FROM event_notification_request WHERE published_at IS NULL)
"""
_OWED = "SELECT count(*) FROM delivery WHERE next_try_at IS NOT NULL"
_CONSUMED = {
    "ingress": (topics.ALERT, topics.DEVICE_EVENT),
    "notifier": (topics.NOTIFY, topics.NOTIFY_EVENT),
}


@dataclass(frozen=True)
class Stage:
    """Which services took part, and where what they did is seen."""

    names: frozenset[str]
    places: Places

    @property
    def expected(self) -> Expected:
        """What follows from who took part: a notifier mails, ingress archives."""
        return Expected(
            recipients=RECIPIENTS if "notifier" in self.names else (),
            is_archived="ingress" in self.names,
        )


def groups(named: Mapping[str, str]) -> dict[str, str]:
    """Return the topic by consumer group, for groups by service."""
    found: dict[str, str] = {}
    for name in named.keys() & _CONSUMED.keys():
        alerts, events = _CONSUMED[name]
        found |= {named[name]: alerts, f"{named[name]}-device-event": events}
    return found


async def is_settled(stage: Stage) -> bool:
    """Whether nothing waits anywhere on the path; asked in the order of the path."""
    places = stage.places
    if "dispatcher" in stage.names and end_state.edge(places.outbox).unsent:
        return False
    for name, statement in (("ingress", _OPEN), ("notifier", _OWED)):
        mine = {group: topic for group, topic in places.groups.items() if topic in _CONSUMED[name]}
        if name in stage.names and (
            await records.lag(places.bootstrap, mine) or await fetchval(places.dsn, statement)
        ):
            return False
    return True


async def until_settled(stage: Callable[[], Stage], *, timeout_s: float) -> bool:
    """Wait until nothing waits anywhere, and return whether that came true in time."""
    deadline_s = time.monotonic() + timeout_s
    while not await is_settled(stage()):
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def judged(
    fault: Fault, history: History, stage: Stage, expected: Expected
) -> tuple[EndState, Verdict]:
    """Look at the end, judge it and report it to the case."""
    end = await end_state.observe(stage.places)
    verdict = checker.judge(history, end, expected)
    fault.events = len(history.events)
    fault.verdict = str(verdict)
    fault.counter_example = str(verdict.findings[0]) if verdict.findings else ""
    return end, verdict


async def fetchval(dsn: str, statement: str, *values: object) -> object:
    """Return one value from a case's database."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement, *values)
    finally:
        await connection.close()
