from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraState,
    DeviceEvent,
    Happening,
    Heartbeat,
)
from maskwatch_runtime.outbox.outbox import Outbox

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    opened = Outbox.open(path)
    yield opened
    opened.close()


@pytest.fixture
def numbered() -> Callable[..., Alert]:
    """Make the alert with this number; each is a second later than the one before."""

    def make(number: int, picture: bytes = b"") -> Alert:
        return Alert(
            event_id=UUID(int=number),
            event_time=_BEGIN + timedelta(seconds=number),
            device=Device(guid="device-1", type="camera"),
            probability=0.5,
            image=Image(format="jpg", width=1, height=1, data=picture),
            sequence=number,
        )

    return make


@pytest.fixture
def told() -> Callable[..., DeviceEvent]:
    """Make the device event with this number: a heartbeat, or that a camera went down."""

    def make(number: int, *, is_heartbeat: bool = True) -> DeviceEvent:
        at = _BEGIN + timedelta(seconds=number)
        happening: Happening = Heartbeat(uptime_s=number)
        if not is_heartbeat:
            happening = CameraChanged(state=CameraState.DOWN, since=at)
        return DeviceEvent(
            event_id=UUID(int=number),
            event_time=at,
            device=Device(guid="device-1", type="camera"),
            sequence=number,
            happening=happening,
        )

    return make
