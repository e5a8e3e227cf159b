import asyncio
import signal
from pathlib import Path

import pytest

from faults import armed, points
from faults.armed import Trigger
from faults.points import POINTS, Point


@pytest.mark.parametrize("name", POINTS)
def test_point_is_a_function_of_the_product(name: str) -> None:
    owner, attribute, function = points.locate(POINTS[name])

    assert getattr(owner, attribute) is function
    assert callable(function)


def test_point_that_is_gone_is_noticed() -> None:
    with pytest.raises(AttributeError):
        points.locate(Point("maskwatch_runtime.relay:Relay.gone", "before"))


@pytest.mark.parametrize(
    ("side", "is_fruitful", "result", "expected"),
    [
        ("before", False, 0, ["pulled", "called"]),
        ("after", False, 0, ["called", "pulled"]),
        ("after", True, 0, ["called"]),
        ("after", True, 3, ["called", "pulled"]),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_trigger_is_pulled_on_its_side(
    side: str, *, is_fruitful: bool, result: int, expected: list[str], is_async: bool
) -> None:
    told: list[str] = []
    point = Point("", side, is_fruitful=is_fruitful)  # type: ignore[arg-type]  # of the literals

    def plain() -> int:
        told.append("called")
        return result

    async def awaited() -> int:
        return plain()

    call = armed.wrapped(awaited if is_async else plain, point, lambda: told.append("pulled"))
    answer = asyncio.run(call()) if is_async else call()

    assert answer == result
    assert told == expected


def test_signal_comes_the_nth_time_and_is_written_down_first(tmp_path: Path) -> None:
    seen: list[str] = []
    report = tmp_path / "report"
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(report.read_text()))
    try:
        trigger = Trigger(2, signal.SIGUSR1, report)
        trigger.pull()
        assert not report.exists()
        trigger.pull()
        trigger.pull()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert seen == ["SIGUSR1\n"]
