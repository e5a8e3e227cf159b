from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from edge_detector.gateway.compose import Event, event_id_of
from edge_detector.gateway.intake import Flood, Intake
from edge_detector.gateway.pictures import Picture
from edge_detector.gateway.results import InvalidResult, Reason, Result
from maskwatch_proto.alert import Alert, ClockQuality, Label
from maskwatch_proto.device_event import Compliance, DeviceEvent, EpisodeEnded
from maskwatch_runtime.testing import FakeClock
from prometheus_client import CollectorRegistry

Intakes = Callable[..., Intake]
_NO_MASK, _MASK, _NOBODY = {"no_mask": 0.9}, {"mask": 0.9}, {"no_face": 0.9}


def _results(
    intake: Intake, clock: FakeClock, *values: dict[str, float], board: str = "b1", **told: Any
) -> list[Event]:
    """Take results, one a second, and return what follows from them."""
    events: list[Event] = []
    for value in values:
        clock.advance(1)
        events += intake.take(Result(board, value, **told)).events
    return events


def _happenings(events: list[Event], kind: type) -> list[Any]:
    return [
        event.happening
        for event in events
        if isinstance(event, DeviceEvent) and isinstance(event.happening, kind)
    ]


def test_three_results_without_a_mask_are_one_alert_of_the_board(
    intake: Intakes, clock: FakeClock
) -> None:
    alerts = _results(intake(name="Porch"), clock, *[_NO_MASK] * 6)

    (alert,) = alerts
    assert isinstance(alert, Alert)
    assert alert.device.guid == "gw/b1"
    assert alert.device.enrolled_on == "2026-01-01"
    assert alert.camera == "Porch"
    assert alert.label is Label.NO_MASK
    assert alert.image.data == b""
    assert alert.sequence == 1
    assert alert.event_time == clock.now() - timedelta(seconds=3)
    assert alert.clock_quality is ClockQuality.SYNCHRONISED


def test_two_boards_are_two_devices_with_sequences_of_their_own(
    intake: Intakes, clock: FakeClock
) -> None:
    desk = intake()
    alerts = _results(desk, clock, *[_NO_MASK] * 3)
    alerts += _results(desk, clock, *[_NO_MASK] * 3, board="b2")

    assert [alert.device.guid for alert in alerts] == ["gw/b1", "gw/b2"]
    assert [alert.sequence for alert in alerts] == [1, 1]


def test_end_of_an_episode_names_its_alert(intake: Intakes, clock: FakeClock) -> None:
    events = _results(intake(absence_s=1), clock, *[_NO_MASK] * 3, *[_MASK] * 4, _NOBODY)
    (alert,) = (event for event in events if isinstance(event, Alert))
    (ended,) = _happenings(events, EpisodeEnded)

    assert ended.episode_id == alert.episode_id
    assert ended.violated
    assert ended.label is Label.MASK
    assert ended.duration_s == 6
    assert ended.mask_put_on_after_s == 3


def test_result_is_taken_once_however_often_it_is_delivered(
    intake: Intakes, clock: FakeClock
) -> None:
    desk = intake(votes_agreeing=1, votes_among=1)
    result = Result("b1", _NO_MASK, key="id 7")

    first, second = desk.take(result), desk.take(result)

    assert first.is_new
    assert len(first.events) == 1
    assert not second.is_new
    assert second.events == ()
    # Another run of the gateway makes the same id of it: the archive keeps one.
    again = intake(votes_agreeing=1, votes_among=1).take(result)
    assert again.events[0].event_id == first.events[0].event_id == event_id_of("gw/b1", 7)
    assert _results(desk, clock, _NO_MASK) == []


def test_only_the_last_ids_are_remembered(intake: Intakes, clock: FakeClock) -> None:
    desk = intake()
    for number in range(600):
        clock.advance(1)
        desk.take(Result("b1", _MASK, key=f"id {number}"))

    assert desk.take(Result("b1", _MASK, key="id 599")).is_new is False
    assert desk.take(Result("b1", _MASK, key="id 0")).is_new is True


def test_refused_result_leaves_no_trace(intake: Intakes, clock: FakeClock) -> None:
    desk = intake()
    with pytest.raises(InvalidResult, match="'hat' is not known") as refused:
        desk.take(Result("b1", {"hat": 1.0}, key="id 1"))

    assert refused.value.reason is Reason.UNKNOWN_LABEL
    assert desk.take(Result("b1", _MASK, key="id 1")).is_new
    assert _results(desk, clock, _NO_MASK, _NO_MASK) == []


def test_unknown_board_is_refused_or_taken_up_to_a_number(intake: Intakes) -> None:
    with pytest.raises(InvalidResult, match="add it to boards") as refused:
        intake().take(Result("b3", _MASK))
    assert refused.value.reason is Reason.UNKNOWN_BOARD

    desk = intake(accepts_unknown=True)
    assert desk.take(Result("b3", _MASK)).is_new
    with pytest.raises(InvalidResult, match="there are 3 boards already"):
        desk.take(Result("b4", _MASK))
    with pytest.raises(InvalidResult, match="already"):
        desk.connect("b5")


def test_flood_is_refused_for_its_board_alone(intake: Intakes) -> None:
    desk = intake()
    for _ in range(20):
        desk.take(Result("b1", _MASK))

    with pytest.raises(Flood) as refused:
        desk.take(Result("b1", _MASK))

    assert refused.value.wait_s == pytest.approx(0.1)
    assert desk.take(Result("b2", _MASK)).is_new


def test_sender_that_is_held_back_is_no_flood(intake: Intakes) -> None:
    desk = intake()
    for _ in range(100):
        assert desk.take(Result("b1", _MASK), is_held_back=True).is_new


def test_backlog_with_its_own_times_is_no_flood(intake: Intakes, clock: FakeClock) -> None:
    desk, start = intake(), clock.now() - timedelta(hours=1)
    for second in range(600):
        desk.take(Result("b1", _MASK, told_at=start + timedelta(seconds=second)))


@pytest.mark.parametrize(
    "told_at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)]
)
def test_clock_that_is_wrong_is_counted_and_the_time_of_arrival_taken(
    intake: Intakes, clock: FakeClock, registry: CollectorRegistry, told_at: datetime
) -> None:
    (alert,) = _results(intake(votes_agreeing=1, votes_among=1), clock, _NO_MASK, told_at=told_at)

    assert alert.event_time == clock.now()
    assert alert.clock_quality is ClockQuality.UNCERTAIN
    assert registry.get_sample_value("edge_detector_gateway_clocks_wrong_total") == 1


def test_believable_time_is_that_of_the_alert(intake: Intakes, clock: FakeClock) -> None:
    told_at = clock.now() - timedelta(hours=3)
    (alert,) = _results(intake(votes_agreeing=1, votes_among=1), clock, _NO_MASK, told_at=told_at)

    assert alert.event_time == told_at


@pytest.mark.parametrize(("privacy", "kept"), [("evidence", b"jpeg"), ("stats", b"")])
def test_picture_is_kept_unless_the_board_may_only_count(
    intake: Intakes, clock: FakeClock, privacy: str, kept: bytes
) -> None:
    desk = intake(votes_agreeing=1, votes_among=1, privacy=privacy)
    (alert,) = _results(desk, clock, _NO_MASK, picture=Picture("jpg", 4, 3, b"jpeg"))

    assert isinstance(alert, Alert)
    assert alert.image.data == kept


def test_silence_ends_an_episode(intake: Intakes, clock: FakeClock) -> None:
    desk = intake()
    _results(desk, clock, *[_MASK] * 3)
    clock.advance(59)
    assert desk.tick() == []
    clock.advance(1)

    (ended,) = _happenings(desk.tick(), EpisodeEnded)
    assert ended.label is Label.MASK
    assert ended.duration_s == 2
    assert desk.tick() == []


def test_quarter_of_an_hour_is_told_with_its_people(intake: Intakes, clock: FakeClock) -> None:
    desk = intake(absence_s=1)
    for person in (_MASK, _MASK, _NO_MASK):
        _results(desk, clock, *[person] * 4, _NOBODY)
    events = _results(desk, clock, _MASK, _NOBODY)
    clock.advance(900)
    (numbers,) = _happenings(desk.tick(), Compliance)

    assert len(_happenings(events, EpisodeEnded)) == 1
    assert numbers.window_start == datetime(2026, 1, 1, tzinfo=UTC)
    assert (numbers.people, numbers.with_mask, numbers.without_mask, numbers.unsure) == (4, 2, 1, 1)
    assert numbers.observed_s == 16


def test_end_of_the_gateway_tells_what_is_open(intake: Intakes, clock: FakeClock) -> None:
    desk = intake()
    _results(desk, clock, *[_MASK] * 3)
    events = desk.close()

    assert len(_happenings(events, EpisodeEnded)) == 1
    (numbers,) = _happenings(events, Compliance)
    assert numbers.with_mask == 1
    assert desk.close() == []
    assert [event.sequence for event in events] == [1, 2]
