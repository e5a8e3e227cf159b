"""Who stands in front of a board, and whether they wear a mask; pure.

A board sees one person at a time and says nothing of where: whoever comes while somebody is there
is the same person, and an episode ends once no face was told for `absence_s`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from maskwatch_proto.alert import Label

from edge_detector.gateway import boards
from edge_detector.gateway.boards import BoardPlan, Meaning
from edge_detector.people import policy
from edge_detector.people.policy import Judgement, Violation

# Two results of a slow board may be this far apart with the same person before it.
_GAP = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Visit:
    """One person in front of a board, from the first face on.

    Attributes:
        number: From 1 in each run of the gateway.
        started_at: The first result with a face ...
        seen_at: ... and the last.
        votes: What is judged, by the rule of N of M.
        alerted_at: When the alert was raised; None: not yet.
        masked_at: The first verdict `mask` after it.
        verdict: What the votes agreed on last; `unsure` while they never did.
    """

    number: int
    started_at: datetime
    seen_at: datetime
    votes: policy.Episode = field(default_factory=policy.Episode)
    alerted_at: datetime | None = None
    masked_at: datetime | None = None
    verdict: Label = Label.UNSURE


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of a board: who is there, and how many have been."""

    visit: Visit | None = None
    visits: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from a result: the visit that ended, the one that is an alert."""

    ended: Visit | None = None
    alerted: Visit | None = None
    violation: Violation | None = None


def judge(values: Mapping[str, float], plan: BoardPlan) -> Judgement | None:
    """Return what a classification says; None: nobody is there.

    Values of labels with one meaning are added up. A meaning below `probability_min` is `unsure`.

    Raises:
        InvalidResult: A label is unknown.
    """
    totals: dict[Meaning, float] = {}
    for label, value in values.items():
        stands_for = boards.meaning(label, plan)
        if stands_for is not None:
            totals[stands_for] = min(1.0, totals.get(stands_for, 0.0) + value)
    if not totals:
        return None
    likeliest = max(totals, key=lambda meaning: totals[meaning])
    if likeliest is Meaning.NO_FACE:
        return None
    is_sure = totals[likeliest] >= plan.probability_min
    label = Label(likeliest.value) if is_sure else Label.UNSURE
    return Judgement(label, totals[likeliest], side_px=1.0)


def observe(
    watch: Watch, seen: Judgement | None, at: datetime, plan: BoardPlan
) -> tuple[Watch, Outcome]:
    """Return the watch after a result, and what follows from it."""
    visit, ended = watch.visit, None
    if visit is not None and _is_over(visit, seen, at, plan):
        visit, ended = None, visit
    if seen is None:
        return replace(watch, visit=visit), Outcome(ended)
    visits = watch.visits
    if visit is None:
        visits += 1
        visit = Visit(visits, at, at)
    visit = _with(visit, seen, at, plan)
    violation = policy.decide(visit.votes, plan.rules)
    if violation is not None:
        visit = replace(visit, votes=replace(visit.votes, is_alerted=True), alerted_at=at)
    return Watch(visit, visits), Outcome(ended, visit if violation else None, violation)


def expire(watch: Watch, plan: BoardPlan, *, silent_s: float) -> tuple[Watch, Visit | None]:
    """Return the watch of a board that has been silent for a time, and the visit that ended."""
    if watch.visit is None or silent_s < plan.silence_s:
        return watch, None
    return replace(watch, visit=None), watch.visit


def _with(visit: Visit, seen: Judgement, at: datetime, plan: BoardPlan) -> Visit:
    votes = policy.observe(visit.votes, seen, plan.rules)
    agreed = policy.verdict(votes, plan.rules)
    masked_at = visit.masked_at
    if agreed is Label.MASK and visit.alerted_at is not None and masked_at is None:
        masked_at = at
    return replace(
        visit,
        seen_at=max(at, visit.seen_at),
        votes=votes,
        masked_at=masked_at,
        verdict=agreed or visit.verdict,
    )


def _is_over(visit: Visit, seen: Judgement | None, at: datetime, plan: BoardPlan) -> bool:
    away = at - visit.seen_at
    absence = timedelta(seconds=plan.absence_s)
    # A board that sends only faces is silent meanwhile; then the gap has to be longer, not as long.
    return away >= absence if seen is None else away > max(absence, _GAP)
