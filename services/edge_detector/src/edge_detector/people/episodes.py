"""One person's stay: it begins once, survives being hidden, and ends when they stay away.

A track is what the tracker could follow; an episode may be several. Whoever appears near where
somebody was last seen, of like size and in like colours, within `absence_s`, goes on with that
episode. Without recognising faces this is a guess: in one place and within that time, two people in
the same gown are one episode. The second of them still becomes an alert if the first was none; if
the first was one, they are missed, which a shorter `absence_s` makes rarer.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from maskwatch_proto.alert import Label

from edge_detector.people import appearance, policy, tracker, votes
from edge_detector.people.policy import Judgement, Violation
from edge_detector.people.tracker import Box
from edge_detector.people.votes import Votes
from edge_detector.vision.arrays import Floats

# Of a new look in the remembered one: light and posture change slowly.
_LOOK_SHARE = 0.2
# Of somebody who is known already; describing them costs time in every frame.
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Rules:
    """What is one stay.

    Attributes:
        judging: When judgements agree, and on what an alert is raised.
        absence_s: Whoever comes back later is another.
        sightings_min: A face seen less often was none, or nobody's business.
        reentry_sides: Somebody comes back so near to where they were, in sides of the face.
        reentry_size_ratio_max: Of the two faces' sides, larger to smaller.
        look_distance_max: Of the colours, see `appearance.distance`.
    """

    judging: policy.Rules
    absence_s: float = 60.0
    sightings_min: int = 2
    reentry_sides: float = 4.0
    reentry_size_ratio_max: float = 2.0
    look_distance_max: float = 0.6


@dataclass(frozen=True, slots=True)
class Sighting:
    """A person seen in a frame, where a mask is required and large enough to be judged.

    `track` is the tracker's number; `look` the colours below the face, None when out of sight, or
    not looked at because `is_look_due` said no;
    `score` that it is a face, in [0, 1].
    """

    track: int
    box_px: Box
    judgement: Judgement
    look: Floats | None = None
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Episode:
    """What is known of one stay; moments are on the source's time line.

    Attributes:
        number: Never used twice.
        track: The one that is followed now, or was last.
        box_px: Where the face was last seen.
        started_s: First sighting.
        seen_s: Last sighting.
        sightings: How many.
        look: The colours of the clothes; None while they were never in sight.
        votes: On the mask; forgotten when somebody comes back.
        verdict: What the votes last agreed on.
        looked_s: When the clothes were last looked at; None with `look`.
        alerted_s: When an alert was raised.
        masked_s: When the verdict was `mask` for the first time after that.
    """

    number: int
    track: int
    box_px: Box
    started_s: float
    seen_s: float
    sightings: int = 0
    look: Floats | None = None
    looked_s: float | None = None
    votes: Votes = field(default_factory=Votes)
    verdict: Label = Label.UNSURE
    alerted_s: float | None = None
    masked_s: float | None = None

    @property
    def duration_s(self) -> float:
        return self.seen_s - self.started_s

    @property
    def mask_put_on_after_s(self) -> float | None:
        """From the alert to the first verdict `mask`, None when there was none."""
        if self.alerted_s is None or self.masked_s is None:
            return None
        return self.masked_s - self.alerted_s


@dataclass(frozen=True, slots=True)
class Episodes:
    """Everyone who is here or may yet come back, in the order of their numbers."""

    open: tuple[Episode, ...] = ()
    next_number: int = 1

    def of_track(self, track: int) -> Episode | None:
        """Return the episode of a track, None where there is none."""
        return next((episode for episode in self.open if episode.track == track), None)


@dataclass(frozen=True, slots=True)
class Step:
    """What a moment has changed: who is here now, who begins, who is an alert, who has left."""

    episodes: Episodes
    begun: tuple[Episode, ...] = ()
    violations: tuple[tuple[Episode, Violation], ...] = ()
    ended: tuple[Episode, ...] = ()


def is_look_due(episodes: Episodes, track: int, *, at_s: float) -> bool:
    """Return whether somebody's clothes are worth a look: not known yet, or not seen lately."""
    episode = episodes.of_track(track)
    if episode is None or episode.looked_s is None:
        return True
    return at_s - episode.looked_s >= _LOOK_EVERY_S


def update(
    episodes: Episodes,
    sightings: Sequence[Sighting],
    *,
    at_s: float,
    followed: Collection[int],
    rules: Rules,
) -> Step:
    """Return what follows from the sightings of a frame.

    Args:
        episodes: Before it.
        sightings: At most one of each track.
        at_s: The frame's moment; not before the last one's.
        followed: The numbers of all tracks that the tracker still keeps.
        rules: What is one stay.
    """
    swept = sweep(episodes, at_s=at_s, followed=followed, rules=rules)
    here = {episode.number: episode for episode in swept.episodes.open}
    number = swept.episodes.next_number
    begun, violations = [], []
    for sighting in sightings:
        episode = _of(sighting, list(here.values()), followed, rules)
        if episode is None:
            episode = Episode(number, sighting.track, sighting.box_px, at_s, at_s)
            number += 1
        episode = _seen(episode, sighting, at_s=at_s, rules=rules)
        if episode.sightings == rules.sightings_min:
            begun.append(episode)
        violation = _violation(episode, rules)
        if violation is not None:
            episode = replace(episode, alerted_s=at_s)
            violations.append((episode, violation))
        here[episode.number] = episode
    open_ = tuple(here[key] for key in sorted(here))
    return Step(Episodes(open_, number), tuple(begun), tuple(violations), swept.ended)


def sweep(episodes: Episodes, *, at_s: float, followed: Collection[int], rules: Rules) -> Step:
    """Return who has left by a moment, and who is still here or may come back."""
    open_, ended = [], []
    for episode in episodes.open:
        is_away = episode.track not in followed
        if is_away and episode.sightings < rules.sightings_min:
            continue
        if is_away and at_s - episode.seen_s > rules.absence_s:
            ended.append(episode)
        else:
            open_.append(episode)
    return Step(Episodes(tuple(open_), episodes.next_number), ended=tuple(ended))


def close(episodes: Episodes, rules: Rules) -> Step:
    """Return the end of everybody's stay: nobody watches any longer."""
    ended = tuple(one for one in episodes.open if one.sightings >= rules.sightings_min)
    return Step(Episodes(next_number=episodes.next_number), ended=ended)


def _of(
    sighting: Sighting, known: Sequence[Episode], followed: Collection[int], rules: Rules
) -> Episode | None:
    """Return the episode that a sighting goes on with, None when it begins another."""
    for episode in known:
        if episode.track == sighting.track:
            return episode
    away = [episode for episode in known if episode.track not in followed]
    likely = [(cost, one) for one in away if (cost := _cost(one, sighting, rules)) is not None]
    if not likely:
        return None
    _, episode = min(likely, key=lambda pair: pair[0])
    # Votes on one person may not decide about another: who comes back is judged anew.
    return replace(episode, track=sighting.track, votes=Votes())


def _cost(episode: Episode, sighting: Sighting, rules: Rules) -> float | None:
    """Return how unlikely it is that somebody came back, None when it is out of the question."""
    box = sighting.box_px
    if not tracker.is_alike(episode.box_px, box, ratio_max=rules.reentry_size_ratio_max):
        return None
    away_sides = tracker.distance_sides(episode.box_px, box)
    if away_sides > rules.reentry_sides:
        return None
    look = 0.0
    if episode.look is not None and sighting.look is not None:
        look = appearance.distance(episode.look, sighting.look)
        if look > rules.look_distance_max:
            return None
    return look + away_sides / rules.reentry_sides


def _seen(episode: Episode, sighting: Sighting, *, at_s: float, rules: Rules) -> Episode:
    cast = votes.add(episode.votes, sighting.judgement, at_s=at_s, rules=rules.judging)
    verdict = policy.verdict(cast.cast, rules.judging) or episode.verdict
    masked_s = episode.masked_s
    if masked_s is None and episode.alerted_s is not None and verdict is Label.MASK:
        masked_s = at_s
    return replace(
        episode,
        box_px=sighting.box_px,
        seen_s=at_s,
        sightings=episode.sightings + 1,
        look=_mixed(episode.look, sighting.look),
        looked_s=episode.looked_s if sighting.look is None else at_s,
        votes=cast,
        verdict=verdict,
        masked_s=masked_s,
    )


def _violation(episode: Episode, rules: Rules) -> Violation | None:
    if episode.alerted_s is not None or episode.sightings < rules.sightings_min:
        return None
    return policy.decide(episode.votes.cast, rules.judging)


def _mixed(before: Floats | None, now: Floats | None) -> Floats | None:
    if before is None or now is None:
        return before if now is None else now
    return np.asarray((1 - _LOOK_SHARE) * before + _LOOK_SHARE * now, np.float32)
