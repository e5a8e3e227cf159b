from datetime import UTC, datetime, timedelta

import pytest
from edge_detector.people import compliance
from edge_detector.people.compliance import Tally
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.alert import Label
from maskwatch_proto.device_event import Compliance

_NOW = datetime(2026, 1, 1, 12, 7, 30, tzinfo=UTC)
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_window_begins_at_a_full_quarter() -> None:
    assert compliance.window_start(_NOW) == _NOON
    assert compliance.window_start(_NOON + timedelta(minutes=59, seconds=59)).minute == 45


def test_people_are_counted_by_verdict() -> None:
    tally, _ = compliance.advance(None, _NOW)
    for label in (Label.MASK, Label.MASK, Label.NO_MASK, Label.BAD_MASK, Label.UNSURE):
        tally = compliance.counted(tally, label)

    assert compliance.summary(tally) == Compliance(
        window_start=_NOON,
        window_s=900,
        observed_s=0,
        people=5,
        with_mask=2,
        without_mask=1,
        badly_worn=1,
        unsure=1,
    )


def test_nothing_seen_is_nothing_to_tell() -> None:
    tally, finished = compliance.advance(None, _NOW)

    assert finished is None
    assert compliance.summary(tally) is None
    assert compliance.advance(tally, _NOW + timedelta(hours=2))[1] is None


def test_window_is_told_when_the_next_one_begins_and_time_is_shared_out() -> None:
    tally = Tally(_NOON, observed_s=100.0)
    now = _NOON + timedelta(minutes=15, seconds=0.3)

    tally, finished = compliance.advance(tally, now, elapsed_s=0.5)

    assert finished is not None
    assert finished.observed_s == pytest.approx(100.2)
    assert tally.window_start == _NOON + timedelta(minutes=15)
    assert tally.observed_s == pytest.approx(0.3)


@pytest.mark.parametrize("jump", [timedelta(days=-14), timedelta(hours=1)])
def test_clock_that_is_set_ends_the_window(jump: timedelta) -> None:
    tally, finished = compliance.advance(Tally(_NOON, 100.0), _NOW + jump, elapsed_s=0.5)

    assert finished is not None
    assert finished.observed_s == 100.0
    assert tally.window_start == compliance.window_start(_NOW + jump)


def test_gap_without_pictures_was_not_observed() -> None:
    tally, _ = compliance.advance(Tally(_NOON, 100.0), _NOW, elapsed_s=60.0)

    assert tally.observed_s == 100.0


@given(st.lists(st.tuples(st.floats(0, 400), st.sampled_from(Label)), max_size=40))
def test_parts_add_up_to_what_was_seen(seen: list[tuple[float, Label]]) -> None:
    tally, now, told = Tally(_NOON), _NOON, []
    for pause_s, label in seen:
        now += timedelta(seconds=pause_s)
        tally, finished = compliance.advance(tally, now, elapsed_s=pause_s)
        tally = compliance.counted(tally, label)
        told.append(finished)
    told.append(compliance.summary(tally))
    windows = [window for window in told if window is not None]

    assert sum(window.people for window in windows) == len(seen)
    observed_s = sum(pause_s for pause_s, _ in seen if pause_s <= 5)
    assert sum(window.observed_s for window in windows) == pytest.approx(observed_s, abs=1e-3)
    assert all(window.observed_s <= window.window_s for window in windows)


def test_longest_gap_that_counts_as_observed_is_the_callers() -> None:
    tally = Tally(_NOON)
    later = _NOON + timedelta(seconds=30)

    unseen, _ = compliance.advance(tally, later, elapsed_s=30.0)
    seen, _ = compliance.advance(tally, later, elapsed_s=30.0, gap_s_max=60.0)

    assert (unseen.observed_s, seen.observed_s) == (0.0, 30.0)
