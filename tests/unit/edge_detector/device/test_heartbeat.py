import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from edge_detector.device import heartbeat
from edge_detector.device.heartbeat import About, Backlog, FrameRates, Vitals
from maskwatch_proto import event_contract
from maskwatch_proto.alert import Device
from maskwatch_proto.device_event import CAMERAS_MAX, CameraPulse, DeviceEvent
from maskwatch_runtime.outbox.outbox import Outbox

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ABOUT = About("0.1.0", ("faces", "masks"))
_VITALS = Vitals(
    runtime="litert 2.3.0",
    uptime_s=90.0,
    temperature_c=61.5,
    is_throttled=True,
    disk_free_bytes=10**9,
    backlog=Backlog(3, _NOW - timedelta(seconds=40)),
)


def test_heartbeat_says_what_was_measured() -> None:
    pulse = CameraPulse(name="door", is_up=True, fps=4.9)

    told = heartbeat.compose(_ABOUT, _VITALS, (pulse,), now=_NOW)

    assert (told.version, told.models, told.runtime) == (
        "0.1.0",
        ("faces", "masks"),
        "litert 2.3.0",
    )
    assert (told.uptime_s, told.temperature_c, told.is_throttled) == (90.0, 61.5, True)
    assert (told.disk_free_bytes, told.waiting, told.oldest_waiting_s) == (10**9, 3, 40.0)
    assert told.cameras == (pulse,)


def test_device_without_sensors_has_a_heartbeat() -> None:
    told = heartbeat.compose(_ABOUT, Vitals("litert 2.3.0", 1.0), (), now=_NOW)

    assert told.temperature_c is told.disk_free_bytes is None
    assert (told.waiting, told.oldest_waiting_s, told.cameras) == (0, 0.0, ())


@pytest.mark.parametrize(
    ("oldest_at", "age_s"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 1e9 - 1),  # stamped before the clock was set
        (_NOW + timedelta(days=9), 0.0),  # the clock was set back
    ],
)
def test_clock_that_was_set_makes_no_age_that_the_contract_refuses(
    oldest_at: datetime, age_s: float
) -> None:
    vitals = replace(_VITALS, backlog=Backlog(1, oldest_at))

    assert heartbeat.compose(_ABOUT, vitals, (), now=_NOW).oldest_waiting_s == age_s


def test_more_than_the_contract_takes_is_left_out() -> None:
    cameras = tuple(CameraPulse(name=str(n), is_up=True, fps=1) for n in range(CAMERAS_MAX + 1))
    vitals = replace(_VITALS, backlog=Backlog(2**40, None))

    told = heartbeat.compose(About("1", ("m",) * 101), vitals, cameras, now=_NOW)

    assert (len(told.cameras), len(told.models), told.waiting) == (CAMERAS_MAX, 100, 2**31 - 1)


def test_frame_rates_count_anew_after_each_heartbeat() -> None:
    rates = FrameRates(100.0)
    for _ in range(300):
        rates.taken("door")

    first = rates.pulses({"door": True, "yard": False}, 160.0)
    second = rates.pulses({"door": True, "yard": False}, 220.0)

    assert [(pulse.name, pulse.is_up, pulse.fps) for pulse in first] == [
        ("door", True, 5.0),
        ("yard", False, 0.0),
    ]
    assert [pulse.fps for pulse in second] == [0.0, 0.0]


def test_frame_rate_of_no_time_is_none() -> None:
    rates = FrameRates(100.0)
    rates.taken("door")

    assert rates.pulses({"door": True}, 100.0)[0].fps == 0.0


def test_frames_of_several_threads_are_all_counted() -> None:
    rates = FrameRates(0.0)

    def take() -> None:
        for _ in range(500):
            rates.taken("door")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert rates.pulses({"door": True}, 100.0)[0].fps == 20.0


@pytest.fixture
def event() -> Callable[[datetime], DeviceEvent]:
    def make(at: datetime) -> DeviceEvent:
        return DeviceEvent(
            event_id=uuid4(),
            event_time=at,
            device=Device(guid="device-1"),
            happening=heartbeat.compose(_ABOUT, _VITALS, (), now=at),
        )

    return make


def test_backlog_is_what_waits_in_the_outbox(
    tmp_path: Path, event: Callable[[datetime], DeviceEvent]
) -> None:
    outbox = Outbox.open(tmp_path / "outbox.db")
    outbox.append(event(_NOW))
    outbox.append(event(_NOW + timedelta(seconds=5)))

    waiting = heartbeat.backlog(tmp_path / "outbox.db")

    outbox.close()
    assert waiting == Backlog(2, _NOW)


@pytest.mark.parametrize("content", [None, b"", b"this is no database at all" * 100])
def test_outbox_that_cannot_be_read_is_no_backlog(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "outbox.db"
    if content is not None:
        path.write_bytes(content)

    assert heartbeat.backlog(path) == Backlog()
    assert path.exists() == (content is not None)


def test_disk_that_is_gone_has_no_free_bytes(tmp_path: Path) -> None:
    assert heartbeat.disk_free_bytes(tmp_path / "gone" / "outbox.db") is None
    assert (heartbeat.disk_free_bytes(tmp_path / "outbox.db") or 0) > 0


def test_heartbeat_passes_the_contract(event: Callable[[datetime], DeviceEvent]) -> None:
    told = event(_NOW)

    assert event_contract.decode(event_contract.encode(told)) == told
