"""The alerts that the archive step is measured with."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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


@dataclass(frozen=True)
class Load:
    """What is archived.

    Attributes:
        name: For the table.
        picture_bytes: Size of each alert's picture; 0 is metadata only.
        messages: How many alerts.
        devices: How many devices they come from, in turn.
        floor: Least ratio to the bare loop; 0 promises nothing.
    """

    name: str
    picture_bytes: int
    messages: int
    devices: int = 24
    floor: float = 0.0


def made(load: Load) -> Iterator[Alert]:
    """Make the alerts of a load; pictures are noise, which compresses as little as JPEG does."""
    data = random.Random(6).randbytes(load.picture_bytes)  # noqa: S311 - nothing secret
    picture = Image(format="jpg", width=640, height=480, data=data)
    model = Model(name="maskwatch-face-mask-320", guid="0c6f", threshold=0.5)
    for number in range(load.messages):
        yield Alert(
            event_id=uuid4(),
            event_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
            device=Device(
                type="raspberry pi 4",
                guid=f"door-{number % load.devices}",
                enrolled_on="2025-01-01",
            ),
            location=Location(longitude=2.35, latitude=48.85),
            face_model=model,
            mask_model=model,
            probability=0.9,
            image=picture,
            label=Label.NO_MASK,
            face_box=FaceBox(left=1, top=2, right=30, bottom=40),
            episode_id=uuid4(),
            camera="north door",
            runtime="litert 2",
            boot_id="0e2f6c1c",
            sequence=number,
            clock_quality=ClockQuality.SYNCHRONISED,
            episode_started_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
