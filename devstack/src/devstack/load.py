"""Alerts as a detector makes them, without a camera: for tests and benchmarks."""

from datetime import UTC, datetime
from uuid import uuid4

from maskwatch_proto.alert import (
    Alert,
    ClockQuality,
    Device,
    FaceBox,
    Image,
    Label,
    Location,
    Model,
)

_CAMERAS = 10


def alert(number: int, *, picture_bytes: int = 4_000, device: str = "device-1") -> Alert:
    """Return alert `number` of a device, stamped now, with a picture of this size in bytes."""
    picture = Image(
        format="jpg", width=640, height=480, data=b"\xff\xd8" + bytes(max(0, picture_bytes - 2))
    )
    return Alert(
        event_id=uuid4(),
        event_time=datetime.now(UTC),
        device=Device(type="load", guid=device, enrolled_on="2026-01-01"),
        location=Location(longitude=2.35, latitude=48.85),
        face_model=Model(name="maskwatch-face-mask-320", guid="model-1", threshold=0.5),
        mask_model=Model(name="maskwatch-face-mask-320", guid="model-1", threshold=0.5),
        probability=0.875,
        image=picture if picture_bytes else Image(),
        label=Label.NO_MASK,
        face_box=FaceBox(left=100, top=80, right=220, bottom=240),
        episode_id=uuid4(),
        camera=f"door {number % _CAMERAS}",
        runtime="litert 2",
        boot_id="boot-1",
        sequence=number,
        clock_quality=ClockQuality.SYNCHRONISED,
        episode_started_at=datetime.now(UTC),
    )
