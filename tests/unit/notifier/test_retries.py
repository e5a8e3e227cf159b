from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notifier import retries
from notifier.retries import Attempt, Result, Rules, State, Step


def _longest(_low: float, high: float) -> float:
    return high


_RULES = Rules(initial_s=5.0, cap_s=300.0, unknown_repeats=1, uniform=_longest)


def _after(
    result: Result,
    *,
    attempts: int = 0,
    unknowns: int = 0,
    is_past_deadline: bool = False,
    rules: Rules = _RULES,
) -> Step:
    return retries.after(
        Attempt(result, "250 or not"),
        attempts=attempts,
        unknowns=unknowns,
        is_past_deadline=is_past_deadline,
        rules=rules,
    )


def test_accepted_mail_is_sent() -> None:
    assert _after(Result.ACCEPTED) == Step(State.SENT, None)


def test_refused_mail_is_bounced_with_the_servers_words() -> None:
    assert _after(Result.REFUSED) == Step(State.BOUNCED, None, "250 or not")


@pytest.mark.parametrize(
    ("attempts", "delay_s"), [(0, 5), (1, 10), (2, 20), (6, 300), (10_000, 300)]
)
def test_delay_doubles_up_to_its_cap(attempts: int, delay_s: float) -> None:
    step = _after(Result.REFUSED_FOR_NOW, attempts=attempts)

    assert step == Step(State.DEFERRED, delay_s, "250 or not")


def test_refusal_past_the_deadline_is_the_last() -> None:
    step = _after(Result.REFUSED_FOR_NOW, is_past_deadline=True)

    assert (step.state, step.delay_s) == (State.EXPIRED, None)
    assert step.reason == "past its deadline; last: 250 or not"


def test_unknown_is_repeated_once() -> None:
    assert _after(Result.UNKNOWN).delay_s == 5
    assert _after(Result.UNKNOWN, attempts=3, unknowns=1).delay_s is None


def test_unknown_is_not_repeated_when_told_so() -> None:
    step = _after(Result.UNKNOWN, rules=replace(_RULES, unknown_repeats=0))

    assert (step.state, step.delay_s) == (State.UNKNOWN, None)


@given(
    result=st.sampled_from(Result),
    attempts=st.integers(0, 10**6),
    unknowns=st.integers(0, 2),
    is_past_deadline=st.booleans(),
)
def test_delays_stay_within_half_of_and_the_whole_cap(
    result: Result, attempts: int, unknowns: int, *, is_past_deadline: bool
) -> None:
    step = _after(
        result,
        attempts=attempts,
        unknowns=unknowns,
        is_past_deadline=is_past_deadline,
        rules=Rules(initial_s=5.0, cap_s=300.0, unknown_repeats=1),
    )

    assert step.delay_s is None or 2.5 <= step.delay_s <= 300
