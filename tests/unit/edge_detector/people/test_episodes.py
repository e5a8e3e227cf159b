import math
from collections.abc import Sequence

import numpy as np
import pytest
from edge_detector.people import episodes, policy
from edge_detector.people.episodes import Episode, Episodes, Rules, Sighting, Step
from edge_detector.people.policy import Judgement
from edge_detector.vision.arrays import Floats
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.alert import Label

_JUDGING = policy.Rules(3, 5, 24.0, frozenset({Label.NO_MASK}), vote_s=0.5)
_RULES = Rules(_JUDGING)
_LETTERS = {"m": Label.MASK, "n": Label.NO_MASK, "b": Label.BAD_MASK, "u": Label.UNSURE}
_BARE, _MASKED = Judgement(Label.NO_MASK, 0.9, 60), Judgement(Label.MASK, 0.9, 60)


def _look(colour: int) -> Floats:
    look = np.zeros(78, np.float32)
    look[colour] = 1.0
    return look


def _sighting(
    track: int = 1,
    x: float = 100.0,
    *,
    judgement: Judgement = _BARE,
    side: float = 60.0,
    look: Floats | None = None,
) -> Sighting:
    return Sighting(track, (x, 100, x + side, 100 + side), judgement, look)


class _Story:
    """What a camera tells of one moment after the other."""

    def __init__(self, rules: Rules = _RULES) -> None:
        self.rules = rules
        self.episodes = Episodes()
        self.begun: list[Episode] = []
        self.violations: list[Episode] = []
        self.ended: list[Episode] = []

    def see(self, at_s: float, *sightings: Sighting, followed: Sequence[int] = ()) -> Step:
        tracks = {*followed, *[one.track for one in sightings]}
        step = episodes.update(
            self.episodes, sightings, at_s=at_s, followed=tracks, rules=self.rules
        )
        self.episodes = step.episodes
        self.begun += step.begun
        self.violations += [episode for episode, _ in step.violations]
        self.ended += step.ended
        return step

    def stay(self, begin_s: float, end_s: float, sighting: Sighting, *, fps: float = 5.0) -> None:
        for number in range(round((end_s - begin_s) * fps) + 1):
            self.see(begin_s + number / fps, sighting)


def test_nobody_is_no_episode() -> None:
    story = _Story()
    story.see(0.0)

    assert (story.episodes, story.begun, story.ended) == (Episodes(), [], [])


def test_person_begins_once_is_an_alert_once_and_ends_once() -> None:
    story = _Story()
    story.stay(10.0, 70.0, _sighting())
    story.see(100.0)
    assert story.ended == []
    story.see(130.5)
    story.see(200.0)

    assert [len(told) for told in (story.begun, story.violations, story.ended)] == [1, 1, 1]
    (ended,) = story.ended
    assert (ended.started_s, ended.duration_s, ended.verdict) == (10.0, 60.0, Label.NO_MASK)
    assert ended.alerted_s == pytest.approx(11.0, abs=0.21)
    assert ended.mask_put_on_after_s is None


def test_face_seen_once_was_nobody() -> None:
    story = _Story()
    story.see(0.0, _sighting())
    story.see(4.0)

    assert (story.episodes.open, story.begun) == ((), [])
    assert episodes.close(story.episodes, _RULES).ended == ()


@pytest.mark.parametrize(("away_s", "expected"), [(5.0, 1), (59.0, 1), (61.5, 2), (300.0, 2)])
def test_who_comes_back_soon_goes_on_and_later_is_another(away_s: float, expected: int) -> None:
    story = _Story()
    story.stay(0.0, 5.0, _sighting(track=1))
    story.stay(5.0 + away_s, 10.0 + away_s, _sighting(track=2, x=160))
    story.ended += episodes.close(story.episodes, _RULES).ended

    assert len(story.begun) == len(story.violations) == len(story.ended) == expected


@pytest.mark.parametrize(
    "other",
    [
        _sighting(track=2, x=100 + 60 * 4.1),
        _sighting(track=2, side=150),
        _sighting(track=2, look=_look(40)),
    ],
    ids=["elsewhere", "nearer", "in other colours"],
)
def test_who_comes_elsewhere_or_looks_different_is_another(other: Sighting) -> None:
    story = _Story()
    story.stay(0.0, 3.0, _sighting(look=_look(3)))
    story.stay(10.0, 13.0, other)

    assert len(story.begun) == len(story.violations) == 2


def test_colours_choose_between_two_who_have_left() -> None:
    story = _Story()
    red, blue = _sighting(1, 100, look=_look(3)), _sighting(2, 150, look=_look(40))
    for at_s in (0.0, 0.2, 0.4):
        story.see(at_s, red, blue)
    step = story.see(10.0, _sighting(7, 110, look=_look(40)))

    assert [(one.number, one.track) for one in step.episodes.open] == [(1, 1), (2, 7)]


def test_person_who_is_still_followed_is_not_continued_by_another() -> None:
    story = _Story()
    story.stay(0.0, 2.0, _sighting(1))
    for at_s in (3.0, 3.2):
        story.see(at_s, _sighting(2), followed=[1])

    assert len(story.begun) == 2


def test_votes_on_who_left_do_not_decide_about_who_comes() -> None:
    story = _Story()
    story.stay(0.0, 0.6, _sighting(1))
    story.stay(20.0, 20.6, _sighting(2))
    assert story.violations == []
    story.see(21.2, _sighting(2))

    assert len(story.violations) == 1


def test_masked_person_who_comes_back_without_it_is_an_alert() -> None:
    story = _Story()
    story.stay(0.0, 5.0, _sighting(1, judgement=_MASKED))
    story.stay(10.0, 15.0, _sighting(2))

    assert (len(story.begun), len(story.violations)) == (1, 1)


def test_mask_put_on_after_the_alert_is_told_with_how_long_it_took() -> None:
    story = _Story()
    story.stay(0.0, 5.0, _sighting())
    story.stay(5.2, 20.0, _sighting(judgement=_MASKED))
    story.stay(20.2, 25.0, _sighting())
    (ended,) = episodes.close(story.episodes, _RULES).ended

    assert len(story.violations) == 1
    assert ended.mask_put_on_after_s == pytest.approx(5.5, abs=0.5)
    assert ended.verdict is Label.NO_MASK


def test_mask_worn_before_the_alert_was_not_put_on_after_it() -> None:
    story = _Story()
    story.stay(0.0, 5.0, _sighting(judgement=_MASKED))
    story.stay(5.2, 10.0, _sighting())
    (ended,) = episodes.close(story.episodes, _RULES).ended

    assert ended.alerted_s is not None
    assert ended.mask_put_on_after_s is None


def test_unsure_judgements_leave_the_verdict_as_it_was() -> None:
    story = _Story()
    story.stay(0.0, 3.0, _sighting(judgement=_MASKED))
    story.stay(3.2, 9.0, _sighting(judgement=Judgement(Label.UNSURE, 0.5, 60)))
    (ended,) = episodes.close(story.episodes, _RULES).ended

    assert ended.verdict is Label.MASK


_moments = st.lists(
    st.tuples(
        st.floats(0.02, 40.0),
        st.lists(
            st.tuples(st.integers(1, 6), st.integers(0, 600), st.sampled_from("mnbu")),
            max_size=4,
            unique_by=lambda one: one[0],
        ),
    ),
    max_size=25,
)


@given(_moments)
def test_whatever_comes_each_stay_begins_and_ends_once(
    moments: list[tuple[float, list[tuple[int, int, str]]]],
) -> None:
    story, at_s = _Story(), 0.0
    for pause_s, seen in moments:
        at_s += pause_s
        story.see(
            at_s,
            *[
                _sighting(track, x, judgement=Judgement(_LETTERS[letter], 0.9, 60))
                for track, x, letter in seen
            ],
        )
        numbers = [episode.number for episode in story.episodes.open]
        assert numbers == sorted(set(numbers))
        tracks = [episode.track for episode in story.episodes.open]
        assert all(tracks.count(track) == 1 for track, _, _ in seen)
        assert all(
            at_s - episode.seen_s <= 60 or episode.track in {one[0] for one in seen}
            for episode in story.episodes.open
        )
    story.ended += episodes.close(story.episodes, _RULES).ended

    begun, ended = ([one.number for one in told] for told in (story.begun, story.ended))
    assert sorted(begun) == sorted(ended)
    assert len(set(begun)) == len(begun)
    alerted = [one.number for one in story.violations]
    assert len(set(alerted)) == len(alerted)
    assert set(alerted) <= set(begun)
    assert all(math.isfinite(one.duration_s) and one.duration_s >= 0 for one in story.ended)
