"""Whether a person is an alert: pure decisions on what was seen of them."""

from dataclasses import dataclass, replace

from maskwatch_proto.alert import Label


@dataclass(frozen=True, slots=True)
class Rules:
    """When a person without a mask is an alert.

    Attributes:
        agreeing: So many judgements have to agree ...
        among: ... of the last so many.
        side_px_min: Shorter side of a face in px of the frame; smaller ones are not judged.
        alerts_on: The labels that are an alert.
    """

    agreeing: int
    among: int
    side_px_min: float
    alerts_on: frozenset[Label]


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
    """What is known of a person from entering the picture to leaving it."""

    judgements: tuple[Judgement, ...] = ()
    is_alerted: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """An alert that is due: its label, and the mean probability of the judgements that agree.

    `is_classified`: whether a classifier had a say in the latest of them.
    """

    label: Label
    probability: float
    is_classified: bool = False


def observe(episode: Episode, judgement: Judgement, rules: Rules) -> Episode:
    """Return the episode with the judgement, if it is one: unsure and tiny faces are no vote."""
    if judgement.label is Label.UNSURE or judgement.side_px < rules.side_px_min:
        return episode
    return replace(episode, judgements=(*episode.judgements, judgement)[-rules.among :])


def decide(episode: Episode, rules: Rules) -> Violation | None:
    """Return the violation that the episode now shows; None once it has been alerted.

    The latest judgement has to be one of those that agree: its frame is the evidence.
    """
    if episode.is_alerted or not episode.judgements:
        return None
    latest = episode.judgements[-1]
    label = latest.label
    agreeing = [vote.probability for vote in episode.judgements if vote.label is label]
    if label not in rules.alerts_on or len(agreeing) < rules.agreeing:
        return None
    return Violation(label, sum(agreeing) / len(agreeing), latest.is_classified)
