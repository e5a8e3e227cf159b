import pytest
from edge_detector.timeline import Timeline


def test_time_goes_as_the_source_says() -> None:
    timeline = Timeline()

    assert [timeline.move_to(at_s) for at_s in (10.0, 10.5, 12.0)] == [10.0, 0.5, 1.5]
    assert timeline.at_s == 12.0


def test_source_that_begins_anew_goes_on() -> None:
    timeline = Timeline()
    for at_s in (10.0, 10.5):
        timeline.move_to(at_s)

    assert [timeline.move_to(at_s) for at_s in (0.0, 0.5)] == [0.0, 0.5]
    assert timeline.at_s == 11.0


def test_waiting_moves_on_and_never_back() -> None:
    timeline = Timeline()
    timeline.move_to(10.0)
    timeline.wait(5.0)
    timeline.wait(2.0)
    assert timeline.at_s == 15.0

    # The source's line did not stop meanwhile.
    assert timeline.move_to(16.0) == 6.0
    assert timeline.at_s == 16.0


@pytest.mark.parametrize("late_s", [15.0, 12.0])
def test_frame_older_than_the_wait_does_not_turn_time_back(late_s: float) -> None:
    timeline = Timeline()
    timeline.move_to(10.0)
    timeline.wait(5.0)

    assert timeline.move_to(late_s) == late_s - 10.0
    assert timeline.at_s == 15.0
