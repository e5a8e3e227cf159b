"""What follows from a try to deliver: the delivery's next state, and when it is tried again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_DOUBLINGS_MAX = 30  # beyond it the cap holds anyway; keeps the power small


class State(StrEnum):
    """Of a delivery; the words stand in the ledger.

    A row of the first group has a moment from which it may be taken up (again); for `CLAIMED` and
    `SENDING` that is the end of the lease. `UNKNOWN` belongs to both groups: the answer to the
    mail's data was lost; it is repeated once at most, under the same Message-ID.
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    SENDING = "sending"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"

    SENT = "sent"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    WITHDRAWN = "withdrawn"


class Result(StrEnum):
    """What one try came to."""

    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: what it came to, and what the server said."""

    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Delays in seconds: each is drawn between half of and the whole of a doubling ceiling."""

    initial_s: float
    cap_s: float
    unknown_repeats: int
    uniform: Callable[[float, float], float] = random.uniform


@dataclass(frozen=True, slots=True)
class Step:
    """The state that a delivery takes on; `delay_s` is None when it is final."""

    state: State
    delay_s: float | None
    reason: str = ""


def after(
    attempt: Attempt, *, attempts: int, unknowns: int, is_past_deadline: bool, rules: Rules
) -> Step:
    """Return what follows from an attempt.

    Args:
        attempt: What has just happened.
        attempts: Earlier tries of this delivery that came to something.
        unknowns: How many of them lost their answer.
        is_past_deadline: No further try may be made after a refusal.
        rules: How long to wait.
    """
    delay_s = _delay_s(attempts, rules)
    match attempt.result:
        case Result.ACCEPTED:
            return Step(State.SENT, None)
        case Result.REFUSED:
            return Step(State.BOUNCED, None, attempt.reason)
        case Result.UNKNOWN:
            may_repeat = unknowns < rules.unknown_repeats
            return Step(State.UNKNOWN, delay_s if may_repeat else None, attempt.reason)
        case Result.REFUSED_FOR_NOW if is_past_deadline:
            return Step(State.EXPIRED, None, f"past its deadline; last: {attempt.reason}")
        case Result.REFUSED_FOR_NOW:
            return Step(State.DEFERRED, delay_s, attempt.reason)


def _delay_s(attempts: int, rules: Rules) -> float:
    ceiling_s = min(rules.cap_s, rules.initial_s * 2.0 ** min(attempts, _DOUBLINGS_MAX))
    return rules.uniform(ceiling_s / 2, ceiling_s)
