import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from edge_detector.device import clock as clocks
from edge_detector.device.clock import Evidence, Reading, Timekeeper
from maskwatch_proto.alert import ClockQuality
from maskwatch_runtime.testing import FakeClock

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_IN_SYNC = Evidence(is_in_sync=True, timesync_at_ns=None)
_GOOD, _BAD = ClockQuality.SYNCHRONISED, ClockQuality.UNCERTAIN


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(None, None), _BAD),
        (Evidence(None, 5), _GOOD),
        (Evidence(is_in_sync=True, timesync_at_ns=None), _GOOD),
        (Evidence(is_in_sync=False, timesync_at_ns=None), _BAD),
        # Set by hand since systemd-timesyncd was there: its file stays, the kernel knows.
        (Evidence(is_in_sync=False, timesync_at_ns=5), _BAD),
    ],
)
def test_kernel_is_believed_before_the_file_of_timesyncd(
    evidence: Evidence, expected: ClockQuality
) -> None:
    assert clocks.quality(_NOW, evidence, doubted_ns=None) is expected


def test_clock_before_2024_is_never_believed() -> None:
    then = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)

    assert clocks.quality(then, _IN_SYNC, doubted_ns=None) is _BAD


@pytest.mark.parametrize(
    ("monotonic_s", "wall_s", "expected_s"),
    [
        (0, 0, 0),
        (60, 60, 0),
        (60, 60.9, 0),
        (60, 3660, 3600),
        (60, -1_209_540, -1_209_600),
        # Slewed by 500 parts in a million for a day: nobody has set the clock.
        (86_400, 86_443, 0),
        (86_400, 86_450, 50),
    ],
)
def test_step_is_what_slewing_does_not_explain(
    monotonic_s: float, wall_s: float, expected_s: float
) -> None:
    before = Reading(_NOW, 100.0)
    after = Reading(datetime.fromtimestamp(_NOW.timestamp() + wall_s, UTC), 100.0 + monotonic_s)

    assert clocks.step_s(before, after) == pytest.approx(expected_s)


def test_step_is_told_once_with_its_size(clock: FakeClock) -> None:
    steps: list[float] = []
    keeper = Timekeeper(clock, evidence=lambda: _IN_SYNC, on_step=steps.append)
    clock.advance(10)
    keeper.quality_at(clock.now())
    clock.jump(-14 * 86_400)
    clock.advance(10)

    assert keeper.quality_at(clock.now()) is _GOOD
    assert keeper.quality_at(clock.now()) is _GOOD
    assert steps == [pytest.approx(-14 * 86_400)]


def test_after_a_step_the_file_counts_again_once_it_is_written_anew(clock: FakeClock) -> None:
    told = {"at_ns": 5}
    keeper = Timekeeper(clock, evidence=lambda: Evidence(None, told["at_ns"]))
    assert keeper.quality_at(clock.now()) is _GOOD

    clock.jump(3600)
    assert keeper.quality_at(clock.now()) is _BAD
    told["at_ns"] = 6

    assert keeper.quality_at(clock.now()) is _GOOD


def test_file_is_read_with_its_time(tmp_path: Path) -> None:
    file = tmp_path / "synchronized"
    assert clocks.read(file).timesync_at_ns is None
    file.touch()
    os.utime(file, ns=(7, 7))

    assert clocks.read(file).timesync_at_ns == 7


def test_kernel_of_this_machine_answers() -> None:
    assert isinstance(clocks.read().is_in_sync, bool)
