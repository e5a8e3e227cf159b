"""Results in, alerts and device events out: what every channel ends in.

One thread, no I/O: channels call it from the event loop and store what it returns.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from maskwatch_proto.alert import ClockQuality
from maskwatch_proto.device_event import Compliance
from maskwatch_runtime.clock import Clock

from edge_detector.gateway import episodes, limits
from edge_detector.gateway.boards import BoardPlan, Fleet
from edge_detector.gateway.compose import BoardComposer, Event, Gateway, Moment
from edge_detector.gateway.episodes import Visit, Watch
from edge_detector.gateway.limits import Bucket, Rate
from edge_detector.gateway.metrics import GatewayMetrics
from edge_detector.gateway.results import InvalidResult, Reason, Result
from edge_detector.people import compliance
from edge_detector.people.compliance import Tally

# A broker keeps results of boards for days; what claims to be older is a clock that is wrong.
_PAST = timedelta(days=7)
_FUTURE = timedelta(seconds=60)
# Deliveries of one result lie seconds apart; one result a second fills this in minutes.
_KEYS_KEPT = 512

_log = structlog.get_logger()


class Flood(InvalidResult):
    """More results than a board may send; the next is taken in `wait_s` seconds."""

    def __init__(self, board: str, wait_s: float) -> None:
        super().__init__(Reason.FLOOD, f"{board} sends too often: wait {wait_s:.1f} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Policy:
    """Which boards there are, and what the gateway lets them do."""

    fleet: Fleet
    accepts_unknown: bool
    boards_max: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Taken:
    """A result that was taken: whether it was new, and what is to be stored because of it."""

    is_new: bool
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class _Board:
    plan: BoardPlan
    composer: BoardComposer
    watch: Watch = field(default_factory=Watch)
    tally: Tally | None = None
    bucket: Bucket | None = None
    at: datetime | None = None
    heard_s: float = 0.0
    keys: OrderedDict[str, None] = field(default_factory=OrderedDict)


class Intake:
    """Everything that is known of the boards.

    Args:
        gateway: Who speaks for them.
        policy: Which boards there are, and what they may do.
        clock: When results arrive.
        metrics: Counts what was taken.
        quality_at: Whether the gateway's own clock can be believed.
    """

    def __init__(
        self,
        gateway: Gateway,
        policy: Policy,
        *,
        clock: Clock,
        metrics: GatewayMetrics,
        quality_at: Callable[[datetime], ClockQuality],
    ) -> None:
        self._gateway = gateway
        self._policy = policy
        self._clock = clock
        self._metrics = metrics
        self._quality_at = quality_at
        self._boards = {plan.id: self._new(plan) for plan in policy.fleet.boards}

    def take(self, result: Result, *, is_held_back: bool = False) -> Taken:
        """Take a result over, once.

        Args:
            result: What a board says.
            is_held_back: Whether the sender waits for our acknowledgements: then a burst is what
                was kept while we were away, and no flood.

        Raises:
            InvalidResult: The board or a label is unknown.
            Flood: The board sends too often.
        """
        board = self._board(result.board)
        if result.key is not None and result.key in board.keys:
            return Taken(is_new=False)
        # Judged first: a result that is refused leaves no trace.
        seen = episodes.judge(result.values, board.plan)
        moment = self._believed(result.told_at)
        if not is_held_back:
            self._admit(board, moment.at)
        at = moment.at if board.at is None else max(moment.at, board.at)
        elapsed_s = 0.0 if board.at is None else (at - board.at).total_seconds()
        board.at, board.heard_s = at, self._clock.monotonic_s()
        self._remember(board, result.key)
        moment = Moment(at, moment.quality)

        board.tally, closed = compliance.advance(
            board.tally, at, elapsed_s=elapsed_s, gap_s_max=board.plan.silence_s
        )
        board.watch, outcome = episodes.observe(board.watch, seen, at, board.plan)
        events = self._counted(board, closed, outcome.ended, moment)
        if outcome.alerted is not None and outcome.violation is not None:
            alert = board.composer.alert(
                outcome.alerted,
                outcome.violation,
                moment,
                key=result.key,
                picture=result.picture,
            )
            self._metrics.alerts.labels(outcome.violation.label).inc()
            events.append(alert)
        return Taken(is_new=True, events=tuple(events))

    def connect(self, board: str) -> None:
        """Note that a board has started.

        Raises:
            InvalidResult: The board is unknown.
        """
        self._board(board)
        self._metrics.connects.inc()
        _log.info("board connected", action="connect", board=board)

    def tick(self) -> list[Event]:
        """Return what time alone has ended: visits of silent boards, quarters of an hour."""
        now = self._clock.now()
        moment = Moment(now, self._quality_at(now))
        events: list[Event] = []
        for board in self._boards.values():
            silent_s = self._clock.monotonic_s() - board.heard_s
            board.watch, ended = episodes.expire(board.watch, board.plan, silent_s=silent_s)
            closed = None
            if board.tally is not None:
                board.tally, closed = compliance.advance(board.tally, now)
            events += self._counted(board, closed, ended, moment)
        return events

    def close(self) -> list[Event]:
        """Return what is open: visits, and the part of the quarter that was observed."""
        now = self._clock.now()
        moment = Moment(now, self._quality_at(now))
        events: list[Event] = []
        for board in self._boards.values():
            visit, board.watch = board.watch.visit, Watch(None, board.watch.visits)
            events += self._counted(board, None, visit, moment)
            if board.tally is not None and (numbers := compliance.summary(board.tally)):
                events.append(board.composer.compliance(numbers, moment))
            board.tally = None
        return events

    def _counted(
        self, board: _Board, closed: Compliance | None, ended: Visit | None, moment: Moment
    ) -> list[Event]:
        events: list[Event] = []
        if closed is not None:
            events.append(board.composer.compliance(closed, moment))
        if ended is not None and board.tally is not None:
            board.tally = compliance.counted(board.tally, ended.verdict)
            events.append(board.composer.ended(ended, moment))
            self._metrics.episodes.inc()
        return events

    def _board(self, name: str) -> _Board:
        board = self._boards.get(name)
        if board is not None:
            return board
        if not self._policy.accepts_unknown:
            told = f"board {name!r} is not known: add it to boards in gateway.yml"
            raise InvalidResult(Reason.UNKNOWN_BOARD, told)
        if len(self._boards) >= self._policy.boards_max:
            told = f"there are {self._policy.boards_max} boards already; no unknown one is taken"
            raise InvalidResult(Reason.UNKNOWN_BOARD, told)
        _log.info("a board that gateway.yml does not name", action="connect", board=name)
        self._boards[name] = self._new(self._policy.fleet.plan_of_unknown(name))
        return self._boards[name]

    def _new(self, plan: BoardPlan) -> _Board:
        return _Board(plan, BoardComposer(self._gateway, plan))

    def _believed(self, told_at: datetime | None) -> Moment:
        now = self._clock.now()
        if told_at is None:
            return Moment(now, self._quality_at(now))
        if now - _PAST <= told_at <= now + _FUTURE:
            return Moment(told_at, self._quality_at(now))
        self._metrics.clocks_wrong.inc()
        return Moment(now, ClockQuality.UNCERTAIN)

    def _admit(self, board: _Board, at: datetime) -> None:
        board.bucket, wait_s = limits.take(board.bucket, self._policy.rate, at)
        if wait_s:
            raise Flood(board.plan.id, wait_s)

    def _remember(self, board: _Board, key: str | None) -> None:
        if key is None:
            return
        board.keys[key] = None
        if len(board.keys) > _KEYS_KEPT:
            board.keys.popitem(last=False)
