"""What a person's judgements agree on, and whether that is an alert: pure decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from maskwatch_proto.alert import Label

_NOT_WORN = frozenset({Label.NO_MASK, Label.BAD_MASK})


@dataclass(frozen=True, slots=True)
class Agreement:
    """So many votes have to agree of the last so many; `agreeing` is not larger than `among`."""

    agreeing: int
    among: int


@dataclass(frozen=True, slots=True)
class Rules:
    """When the judgements of a person are a verdict, and when that is an alert.

    Attributes:
        agreeing: So many votes have to agree ...
        among: ... of the last so many.
        side_px_min: Shorter side of a face in px of the frame; smaller ones are not judged.
        alerts_on: The labels that are an alert.
        vote_s: Judgements of so many seconds make one vote; 0: each is one.
        bad_mask: The rule of a badly worn mask, which models know least; None: as the others.
    """

    agreeing: int
    among: int
    side_px_min: float
    alerts_on: frozenset[Label]
    vote_s: float = 0.0
    bad_mask: Agreement | None = None

    @property
    def badly_worn(self) -> Agreement:
        """The rule of a badly worn mask."""
        return self.bad_mask or Agreement(self.agreeing, self.among)

    @property
    def remembered(self) -> int:
        """How many votes have to be kept."""
        return max(self.among, self.badly_worn.among)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one frame says of a person: the likeliest label, its probability, the face's size.

    `is_classified`: whether a classifier has judged the face too.
    """

    label: Label
    probability: float
    side_px: float
    is_classified: bool = False


@dataclass(frozen=True, slots=True)
class Episode:
    """The votes of a person, the latest last, and whether they have led to an alert."""

    judgements: tuple[Judgement, ...] = ()
    is_alerted: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """An alert that is due: its label, and the mean probability of the votes that agree.

    `is_classified`: whether a classifier had a say in the latest of them.
    """

    label: Label
    probability: float
    is_classified: bool = False


def at_once(rules: Rules) -> Rules:
    """Return the rules for a picture that stands alone: nothing can be asked twice."""
    return replace(rules, agreeing=1, among=1, vote_s=0.0, bad_mask=None)


def has_a_say(judgement: Judgement, rules: Rules) -> bool:
    """Return whether a judgement counts: unsure ones and those of tiny faces do not."""
    return judgement.label is not Label.UNSURE and judgement.side_px >= rules.side_px_min


def observe(episode: Episode, judgement: Judgement, rules: Rules) -> Episode:
    """Return the episode with the judgement as its latest vote, if it has a say."""
    if not has_a_say(judgement, rules):
        return episode
    return replace(episode, judgements=(*episode.judgements, judgement)[-rules.remembered :])


def verdict(episode: Episode, rules: Rules) -> Label | None:
    """Return the label that the votes agree on, None when they agree on none.

    The latest vote has to be one of those that agree. A missing mask speaks for "badly worn" as
    well: a mask under the nose is called now the one, now the other.
    """
    if not episode.judgements:
        return None
    latest = episode.judgements[-1].label
    if _count(episode.judgements[-rules.among :], frozenset({latest})) >= rules.agreeing:
        if latest is not Label.BAD_MASK:
            return latest
        if rules.bad_mask is None:
            return Label.BAD_MASK
    votes = episode.judgements[-rules.badly_worn.among :]
    is_agreed = _count(votes, _NOT_WORN) >= rules.badly_worn.agreeing
    has_bad = any(vote.label is Label.BAD_MASK for vote in votes)
    return Label.BAD_MASK if latest in _NOT_WORN and has_bad and is_agreed else None


def decide(episode: Episode, rules: Rules) -> Violation | None:
    """Return the violation that the episode now shows; None once it has been alerted."""
    label = verdict(episode, rules)
    if episode.is_alerted or label is None or label not in rules.alerts_on:
        return None
    agreeing = [vote for vote in episode.judgements if vote.label is label]
    mean = sum(vote.probability for vote in agreeing) / len(agreeing)
    return Violation(label, mean, agreeing[-1].is_classified)


def _count(votes: Sequence[Judgement], labels: frozenset[Label]) -> int:
    return sum(vote.label in labels for vote in votes)
