import pytest
from edge_detector.people import policy, votes
from edge_detector.people.policy import Judgement, Rules
from edge_detector.people.votes import Votes
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.alert import Label

_RULES = Rules(3, 5, 24, frozenset({Label.NO_MASK}), vote_s=0.5)
_LETTERS = {"m": Label.MASK, "n": Label.NO_MASK, "b": Label.BAD_MASK, "u": Label.UNSURE}


def _after(letters: str, *, fps: float, rules: Rules = _RULES) -> Votes:
    cast = Votes()
    for number, letter in enumerate(letters):
        judgement = Judgement(_LETTERS[letter], 0.9, 50.0)
        cast = votes.add(cast, judgement, at_s=number / fps, rules=rules)
    return cast


def _labels(cast: Votes) -> str:
    names = {label: letter for letter, label in _LETTERS.items()}
    return "".join(names[vote.label] for vote in cast.cast.judgements)


@pytest.mark.parametrize("fps", [2.0, 5.0, 10.0, 15.0, 30.0])
@pytest.mark.parametrize("phase", range(8))
def test_hand_before_the_mouth_for_a_second_never_agrees_on_anything(
    fps: float, phase: int
) -> None:
    before = int(2 * fps) + phase
    cast = Votes()
    for number in range(before + int(4 * fps)):
        letter = "n" if before <= number < before + fps else "m"
        judgement = Judgement(_LETTERS[letter], 0.9, 50.0)
        cast = votes.add(cast, judgement, at_s=number / fps, rules=_RULES)
        assert policy.decide(cast.cast, _RULES) is None


@pytest.mark.parametrize("fps", [2.0, 5.0, 10.0, 15.0, 30.0])
def test_person_without_a_mask_is_an_alert_within_a_second_and_a_half(fps: float) -> None:
    cast = _after("n" * int(1.5 * fps + 1), fps=fps)

    assert policy.decide(cast.cast, _RULES) is not None


def test_votes_come_no_more_often_than_they_may() -> None:
    assert len(_after("n" * 20, fps=10).cast.judgements) == 4
    assert len(_after("n" * 4, fps=2).cast.judgements) == 4


@pytest.mark.parametrize(
    ("letters", "expected"),
    [("n", "n"), ("nmmmmm", "nm"), ("nmmnnn", "nn"), ("nmnmnm", "nm"), ("nmmmmu", "n")],
)
def test_vote_is_what_most_judgements_since_the_last_one_said(letters: str, expected: str) -> None:
    assert _labels(_after(letters, fps=10)) == expected


def test_vote_has_the_mean_probability_of_those_who_say_so() -> None:
    cast = Votes()
    for at_s, letter, probability in [(0, "m", 0.9), (0.2, "n", 0.6), (0.4, "m", 1), (0.6, "n", 1)]:
        judgement = Judgement(_LETTERS[letter], probability, 50)
        cast = votes.add(cast, judgement, at_s=at_s, rules=_RULES)

    assert cast.cast.judgements[-1].label is Label.NO_MASK
    assert cast.cast.judgements[-1].probability == pytest.approx(0.8)


def test_judgement_without_a_say_changes_nothing() -> None:
    cast = _after("nn", fps=10)

    for label, side_px in [(Label.UNSURE, 50), (Label.MASK, 10)]:
        assert votes.add(cast, Judgement(label, 1, side_px), at_s=9, rules=_RULES) == cast


@given(st.text("mnbu", max_size=60), st.sampled_from([2.0, 5.0, 15.0, 60.0]))
def test_memory_is_bounded_whatever_is_seen(letters: str, fps: float) -> None:
    cast = _after(letters, fps=fps)

    assert len(cast.cast.judgements) <= _RULES.among
    assert len(cast.waiting) <= 0.5 * fps + 1
