"""From judgements to votes: at most one vote each `vote_s`, however many frames a second there are.

Counted by frames, three of five would be a fifth of a second at 15 frames a second, and a hand
before the mouth an alert. A vote is what most judgements since the last one said.
"""

from collections import Counter
from dataclasses import dataclass, field

from edge_detector.people import policy
from edge_detector.people.policy import Judgement, Rules

# A frame's time trembles: one that is early by less than this is on time.
_TREMBLE_S = 0.02


@dataclass(frozen=True, slots=True)
class Votes:
    """What is known of one person's mask.

    Attributes:
        cast: The votes.
        waiting: Judgements since the last vote.
        voted_s: When that was, on the source's time line; None before the first.
    """

    cast: policy.Episode = field(default_factory=policy.Episode)
    waiting: tuple[Judgement, ...] = ()
    voted_s: float | None = None


def add(votes: Votes, judgement: Judgement, *, at_s: float, rules: Rules) -> Votes:
    """Return the votes after a judgement of a moment; one that has no say changes nothing."""
    if not policy.has_a_say(judgement, rules):
        return votes
    waiting = (*votes.waiting, judgement)
    if votes.voted_s is not None and at_s - votes.voted_s < rules.vote_s - _TREMBLE_S:
        return Votes(votes.cast, waiting, votes.voted_s)
    return Votes(policy.observe(votes.cast, _majority(waiting), rules), (), at_s)


def _majority(judgements: tuple[Judgement, ...]) -> Judgement:
    """Return the judgements as one; of two labels as frequent, the latest to have been seen."""
    counts = Counter(judgement.label for judgement in reversed(judgements))
    label = counts.most_common(1)[0][0]
    agreeing = [judgement for judgement in judgements if judgement.label is label]
    mean = sum(judgement.probability for judgement in agreeing) / len(agreeing)
    latest = agreeing[-1]
    return Judgement(label, mean, latest.side_px, latest.is_classified)
