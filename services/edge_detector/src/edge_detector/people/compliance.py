"""How many people wore what, by quarters of an hour of UTC: pure arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from maskwatch_proto.alert import Label
from maskwatch_proto.device_event import Compliance

WINDOW_S = 900.0
# Between two pictures of a camera that works; a longer gap was not observed.
GAP_S_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Tally:
    """A window that is being counted.

    Attributes:
        window_start: A full quarter of an hour.
        observed_s: Time with pictures.
        people: Ended episodes by verdict.
    """

    window_start: datetime
    observed_s: float = 0.0
    people: Mapping[Label, int] = field(default_factory=dict)


def window_start(at: datetime) -> datetime:
    """Return the full quarter of an hour before a moment."""
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def advance(
    tally: Tally | None, now: datetime, *, elapsed_s: float = 0.0, gap_s_max: float = GAP_S_MAX
) -> tuple[Tally, Compliance | None]:
    """Return the tally at a moment, and the finished window if that lies in another one.

    A clock that was set, forwards or backwards, ends the window as well: parts of a window add up.

    Args:
        tally: Before; None at the start.
        now: The moment, UTC.
        elapsed_s: Since the last picture, when this moment is that of a picture; else 0.
        gap_s_max: A longer time between two pictures was not observed.
    """
    start = window_start(now)
    seen_s = elapsed_s if elapsed_s <= gap_s_max else 0.0
    if tally is None:
        return Tally(start, observed_s=min(seen_s, (now - start).total_seconds())), None
    if tally.window_start == start:
        return replace(tally, observed_s=min(WINDOW_S, tally.observed_s + seen_s)), None
    own_s = min(seen_s, (now - start).total_seconds())
    before = replace(tally, observed_s=min(WINDOW_S, tally.observed_s + seen_s - own_s))
    return Tally(start, observed_s=own_s), summary(before)


def counted(tally: Tally, verdict: Label) -> Tally:
    """Return the tally with one more person."""
    people = {**tally.people, verdict: tally.people.get(verdict, 0) + 1}
    return replace(tally, people=people)


def summary(tally: Tally) -> Compliance | None:
    """Return what is to be told of a window; None when there is nothing to tell."""
    if not tally.observed_s and not tally.people:
        return None
    of = {label: tally.people.get(label, 0) for label in Label}
    return Compliance(
        window_start=tally.window_start,
        window_s=WINDOW_S,
        observed_s=tally.observed_s,
        people=sum(of.values()),
        with_mask=of[Label.MASK],
        without_mask=of[Label.NO_MASK],
        badly_worn=of[Label.BAD_MASK],
        unsure=of[Label.UNSURE],
    )
