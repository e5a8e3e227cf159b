import pytest
from edge_detector.people import policy
from edge_detector.people.policy import Agreement, Episode, Judgement, Rules
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.alert import Label

_RULES = Rules(3, 5, side_px_min=24, alerts_on=frozenset({Label.NO_MASK}))
_LETTERS = {"m": Label.MASK, "n": Label.NO_MASK, "b": Label.BAD_MASK, "u": Label.UNSURE}


def _episode(letters: str, rules: Rules = _RULES) -> Episode:
    episode = Episode()
    for letter in letters:
        episode = policy.observe(episode, Judgement(_LETTERS[letter], 0.9, 50.0), rules)
    return episode


@pytest.mark.parametrize(
    ("seen", "is_alert"),
    [
        ("", False),
        ("n", False),
        ("nn", False),
        ("nnn", True),
        ("nmnmn", True),
        ("nmmnmmn", False),
        ("nmmnn", True),
        ("nnnm", False),  # the latest frame is no evidence
        ("mmmmmmmm", False),
        ("nunun", True),
        ("nuuuuuuuun", False),
        ("bbb", False),
        ("nbnbn", True),
        ("mmmmmnnn", True),
    ],
)
def test_alert_needs_three_that_agree_among_the_last_five(seen: str, *, is_alert: bool) -> None:
    assert (policy.decide(_episode(seen), _RULES) is not None) == is_alert


@pytest.mark.parametrize(("seen", "label"), [("bbb", Label.BAD_MASK), ("nnn", Label.NO_MASK)])
def test_badly_worn_mask_is_an_alert_where_it_is_asked_for(seen: str, label: Label) -> None:
    rules = Rules(3, 5, 24, frozenset({Label.NO_MASK, Label.BAD_MASK}))

    violation = policy.decide(_episode(seen, rules), rules)

    assert violation is not None
    assert violation.label is label


def test_picture_that_stands_alone_needs_one_judgement() -> None:
    rules = Rules(1, 1, 24, frozenset({Label.NO_MASK}))

    assert policy.decide(_episode("n", rules), rules) is not None
    assert policy.decide(_episode("u", rules), rules) is None


def test_one_episode_is_one_alert() -> None:
    episode = _episode("nnn")
    alerted = Episode(episode.judgements, is_alerted=True)

    assert policy.decide(alerted, _RULES) is None
    later = policy.observe(alerted, Judgement(Label.NO_MASK, 1.0, 50), _RULES)
    assert policy.decide(later, _RULES) is None


def test_probability_is_the_mean_of_those_that_agree() -> None:
    episode = Episode()
    for label, probability in [("n", 0.7), ("m", 0.99), ("n", 0.8), ("n", 0.9)]:
        judgement = Judgement(_LETTERS[label], probability, 50)
        episode = policy.observe(episode, judgement, _RULES)

    violation = policy.decide(episode, _RULES)
    assert violation is not None
    assert violation.probability == pytest.approx(0.8)


@pytest.mark.parametrize(("side_px", "is_vote"), [(23.9, False), (24.0, True)])
def test_face_that_is_too_small_is_no_vote(side_px: float, *, is_vote: bool) -> None:
    judgement = Judgement(Label.NO_MASK, 0.9, side_px)

    assert bool(policy.observe(Episode(), judgement, _RULES).judgements) == is_vote


@given(
    letters=st.text("mnbu", max_size=30),
    agreeing=st.integers(1, 5),
    more=st.integers(0, 5),
)
def test_decision_is_the_one_that_counting_gives(letters: str, agreeing: int, more: int) -> None:
    rules = Rules(agreeing, agreeing + more, 24, frozenset({Label.NO_MASK}))
    votes = letters.replace("u", "")[-rules.among :]

    violation = policy.decide(_episode(letters, rules), rules)

    assert (violation is not None) == (votes.endswith("n") and votes.count("n") >= agreeing)


def test_violation_tells_whether_a_classifier_judged_the_frame_of_the_evidence() -> None:
    def decided(*flags: bool) -> bool:
        episode = Episode()
        for is_classified in flags:
            vote = Judgement(Label.NO_MASK, 0.9, 50.0, is_classified=is_classified)
            episode = policy.observe(episode, vote, _RULES)
        violation = policy.decide(episode, _RULES)
        assert violation is not None
        return violation.is_classified

    assert decided(False, False, True) is True
    assert decided(True, True, False) is False


_BOTH = frozenset({Label.NO_MASK, Label.BAD_MASK})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ("bbb", None),
        ("bbbb", Label.BAD_MASK),
        ("bnbn", Label.BAD_MASK),  # now the one, now the other: it is not worn as it should be
        ("bnbnn", Label.NO_MASK),
        ("mmbbbb", Label.BAD_MASK),
        ("bbbbm", None),
        ("nnmm", None),
    ],
)
def test_badly_worn_mask_has_a_rule_of_its_own(seen: str, expected: Label | None) -> None:
    rules = Rules(3, 5, 24, _BOTH, bad_mask=Agreement(4, 6))

    violation = policy.decide(_episode(seen, rules), rules)

    assert (violation and violation.label) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [("", None), ("mm", None), ("mmm", Label.MASK), ("mmmn", None), ("mmmnnn", Label.NO_MASK)],
)
def test_verdict_is_what_the_latest_votes_agree_on(seen: str, expected: Label | None) -> None:
    assert policy.verdict(_episode(seen), _RULES) is expected


def test_rules_for_a_picture_that_stands_alone_ask_once() -> None:
    rules = policy.at_once(Rules(3, 5, 24, _BOTH, vote_s=0.5, bad_mask=Agreement(4, 6)))

    for letter in "nb":
        assert policy.decide(_episode(letter, rules), rules) is not None
    assert rules.vote_s == 0
