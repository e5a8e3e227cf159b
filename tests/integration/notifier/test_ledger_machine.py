"""The ledger in PostgreSQL, whatever happens to alerts, mails, replicas and clocks."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from maskwatch_runtime.postgres import Pool
from notifier import ledger
from notifier.audience import Audience
from notifier.deliveries import Change, Delivery
from notifier.handler import Handler
from notifier.mailbox import Mailbox
from notifier.metrics import Metrics
from notifier.policy import Rules
from notifier.retries import State
from prometheus_client import CollectorRegistry

from tests.integration.notifier.archive import Archive
from tests.integration.notifier.replicas import record
from tests.integration.notifier.settings import settings_of

T = TypeVar("T")
_COOLDOWN, _DEADLINE = timedelta(minutes=10), timedelta(hours=1)
_RECIPIENTS = (Mailbox("ann@example.org"), Mailbox("bob@example.org"))
_CAMERAS = ("Gate 1", "Gate 2")
_EMPTY = "TRUNCATE delivery, camera_cooldown, alert, image"
_SHIFT = """
WITH shift AS (SELECT $1::interval AS by), moved AS (
    UPDATE delivery SET next_try_at = next_try_at + by, sending_until = sending_until + by,
        deadline = deadline + by, created_at = created_at + by
    FROM shift
)
UPDATE camera_cooldown SET last_sent_at = last_sent_at + by, open_until = open_until + by FROM shift
"""
_END_LEASES = """
UPDATE delivery SET next_try_at = now(), sending_until = now() WHERE state = 'sending'
"""
_COUNTED = """
SELECT (SELECT coalesce(sum(suppressed), 0) FROM camera_cooldown) + (
    SELECT coalesce(sum(further + 1), 0) FROM (
        SELECT DISTINCT alert_id, further FROM delivery
        WHERE state IN ('sent', 'unknown')
           OR next_try_at IS NOT NULL
    ) AS told
)
"""
_JUDGED_TWICE = """
SELECT count(*) FROM (
    SELECT FROM delivery GROUP BY alert_id HAVING count(*) <> $1
        OR count(DISTINCT (state = 'suppressed')) > 1
) AS wrong
"""
_FINAL = (State.SENT, State.BOUNCED, State.EXPIRED)


class Ledger(RuleBasedStateMachine):
    """One database, replicas without memory, and mail servers that say anything.

    Attributes:
        held: Deliveries that a replica has claimed and not recorded, by the replica.
        is_left: Whether some were, whose leases a step of time has ended or prolonged.
        sent: How often each delivery was said to be sent.
    """

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.pool = Pool(settings_of(dsn, 1), size=2)
        self.handler = Handler(
            self.pool,
            Audience(_RECIPIENTS, Mailbox("alerts@maskwatch.example")),
            rules=Rules(cooldown=_COOLDOWN, deadline=_DEADLINE),
            metrics=Metrics(CollectorRegistry()),
            on_entered=lambda: None,
        )
        self.superuser: asyncpg.Connection = self.run(asyncpg.connect(dsn))
        self.archive = Archive(self.superuser)
        self.run(self.superuser.execute(_EMPTY))
        self.alerts: list[int] = []
        self.held: list[tuple[UUID, Delivery]] = []
        self.is_left = False
        self.sent: Counter[int] = Counter()

    def teardown(self) -> None:
        self.run(self.pool.close())
        self.run(self.superuser.close())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(
        minutes=st.sampled_from([0, 10, 60]),
        camera=st.sampled_from(_CAMERAS),
        count=st.integers(1, 3),
    )
    def see_after(self, minutes: int, camera: str, count: int) -> None:
        self._shift(timedelta(minutes=-minutes))
        seen = [self.run(self.archive.add(camera=camera, picture=None)) for _ in range(count)]
        self.alerts += seen
        self._ask(seen)

    @precondition(lambda self: self.alerts)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        self._ask(data.draw(st.lists(st.sampled_from(self.alerts), min_size=1, max_size=4)))

    def _ask(self, alert_ids: list[int]) -> None:
        asked = [record(number.to_bytes(8, "little")) for number in alert_ids]
        assert not self.run(self.handler.handle(asked))

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        owner = uuid4()
        for delivery in self.run(self._claim(owner, limit)):
            assert all(delivery.key != one.key for _, one in self.held), "claimed twice"
            self.held.append((owner, delivery))

    async def _claim(self, owner: UUID, limit: int) -> list[Delivery]:
        async with self.pool.connection() as connection:
            found = await ledger.claim(connection, owner=owner, lease_s=10, limit=limit)
            await ledger.mark_sending(
                connection, [one.key for one in found], owner=owner, lease_s=10
            )
            return found

    @precondition(lambda self: self.held)
    @rule(data=st.data(), state=st.sampled_from([*_FINAL, State.DEFERRED, State.UNKNOWN]))
    def record(self, data: st.DataObject, state: State) -> None:
        owner, delivery = data.draw(st.sampled_from(self.held))
        self.held.remove((owner, delivery))
        self.run(self._record(owner, [delivery], state))

    @rule(state=st.sampled_from(_FINAL))
    def work_off(self, state: State) -> None:
        owner = uuid4()
        self.run(self._record(owner, self.run(self._claim(owner, 100)), state))

    async def _record(self, owner: UUID, deliveries: list[Delivery], state: State) -> None:
        delay_s, unknowns = 0.0 if state is State.DEFERRED else None, int(state is State.UNKNOWN)
        changes = [
            Change(one.key, state, delay_s, attempts=1, unknowns=unknowns) for one in deliveries
        ]
        async with self.pool.connection() as connection:
            await ledger.record(connection, changes, owner=owner)
        if state is State.SENT:
            self.sent.update(one.key for one in deliveries)

    @precondition(lambda self: self.held or self.is_left)
    @rule()
    def take_over(self) -> None:
        """Replicas are dead, their leases over: another takes up what they may have sent."""
        self.held.clear()
        self.is_left = False
        self.run(self.superuser.execute(_END_LEASES))
        owner = uuid4()
        self.run(self._record(owner, self.run(self._take_over(owner)), State.UNKNOWN))

    async def _take_over(self, owner: UUID) -> list[Delivery]:
        async with self.pool.connection() as connection:
            return await ledger.take_over(connection, owner=owner, lease_s=10, limit=100)

    @rule(hours=st.integers(-500, 500))
    def step_clock(self, hours: int) -> None:
        self._shift(timedelta(hours=hours))

    def _shift(self, by: timedelta) -> None:
        """Have all that is remembered lie so much further in the future, or in the past."""
        if by:
            self.is_left |= bool(self.held)
            self.held.clear()
            self.run(self.superuser.execute(_SHIFT, by))

    @invariant()
    def every_alert_is_mailed_or_named_or_counted_once(self) -> None:
        assert self.run(self.superuser.fetchval(_COUNTED)) == len(self.alerts)

    @invariant()
    def every_alert_is_judged_once_for_everybody(self) -> None:
        wrong = self.run(self.superuser.fetchval(_JUDGED_TWICE, len(_RECIPIENTS)))
        assert wrong == 0

    @invariant()
    def nobody_is_mailed_twice(self) -> None:
        assert all(times == 1 for times in self.sent.values())


def test_ledger_keeps_its_promises_whatever_comes(database: str) -> None:
    run_state_machine_as_test(
        lambda: Ledger(database),  # type: ignore[arg-type]  # a factory does, says its documentation
        settings=settings(
            max_examples=60,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
