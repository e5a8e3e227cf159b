"""The cool-down of one camera over mails that arrive, fail, or stay away, and any clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from notifier.policy import CameraState, Rules, judge

_RULES = Rules(cooldown=timedelta(minutes=10), deadline=timedelta(hours=1))
_NEVER = timedelta(days=-10_000)


class Camera(RuleBasedStateMachine):
    """What the ledger keeps is the whole memory: a restart is no step of its own.

    Attributes:
        elapsed: True time; `clock_error` is what the database's clock adds to it.
        last_noticed: When the first alert after a step of the clock came.
        on_their_way: Mails under way by their alerts: the alerts that each names, its own included,
            and when it was begun.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state = CameraState()
        self.elapsed, self.clock_error = timedelta(0), timedelta(0)
        self.seen = self.told = 0
        self.on_their_way: dict[int, tuple[int, timedelta]] = {}
        self.last_arrival = self.last_begun = self.last_stepped = self.last_noticed = _NEVER
        self.is_noticed = True

    @property
    def now(self) -> datetime:
        return datetime(2026, 5, 4, tzinfo=UTC) + self.elapsed + self.clock_error

    @rule()
    def see(self) -> None:
        self.seen += 1
        if not self.is_noticed:
            self.last_noticed, self.is_noticed = self.elapsed, True
        verdict = judge(
            self.state, alert_id=self.seen, event_time=self.now, now=self.now, rules=_RULES
        )
        self.state = verdict.after
        if verdict.is_mailed:
            self._check_distance()
            self.on_their_way[self.seen] = 1 + verdict.further, self.elapsed
            self.last_begun = self.elapsed
        else:
            self._check_silence()

    def _check_distance(self) -> None:
        if self.last_stepped < self.last_arrival:
            assert self.elapsed - self.last_arrival >= _RULES.cooldown
        for _, begun in self.on_their_way.values():
            assert self.last_stepped >= begun or self.elapsed - begun >= _RULES.deadline

    def _check_silence(self) -> None:
        """A camera is quiet for a reason, and no clock makes that last longer than it may."""
        quiet_since = max(self.last_arrival, self.last_begun, self.last_noticed)
        assert self.elapsed - quiet_since < _RULES.deadline

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        alert_id = data.draw(st.sampled_from(sorted(self.on_their_way)))
        self.told += self.on_their_way.pop(alert_id)[0]
        self.last_arrival = self.elapsed
        self.state = replace(self.state, last_sent_at=self.now)
        self._close(alert_id)

    @precondition(lambda self: self.on_their_way)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        alert_id = data.draw(st.sampled_from(sorted(self.on_their_way)))
        untold, _ = self.on_their_way.pop(alert_id)
        since = self.state.suppressed_since or self.now
        suppressed = self.state.suppressed + untold
        self.state = replace(self.state, suppressed=suppressed, suppressed_since=since)
        self._close(alert_id)

    def _close(self, alert_id: int) -> None:
        if self.state.open_alert_id == alert_id:
            self.state = replace(self.state, open_alert_id=None, open_until=None)

    @rule(seconds=st.sampled_from([0.1, 30.0, 599.0, 600.0, 3599.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.elapsed += timedelta(seconds=seconds)

    @rule(seconds=st.integers(-2_000_000, 2_000_000))
    def step_clock(self, seconds: int) -> None:
        self.clock_error += timedelta(seconds=seconds)
        self.last_stepped, self.is_noticed = self.elapsed, False

    @invariant()
    def every_alert_is_told_or_will_be_named(self) -> None:
        waiting = sum(alerts for alerts, _ in self.on_their_way.values())
        assert self.told + waiting + self.state.suppressed == self.seen

    @invariant()
    def what_waits_has_a_beginning(self) -> None:
        assert (self.state.suppressed_since is None) == (self.state.suppressed == 0)


TestCamera = Camera.TestCase
TestCamera.settings = settings(max_examples=60, stateful_step_count=30)
