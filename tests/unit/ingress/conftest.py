from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, Device, FaceBox, Image, Label, Location, Model
from maskwatch_runtime.kafka.message import Record

MakeAlert = Callable[[int], Alert]
MakeRecord = Callable[[int], Record]


@pytest.fixture
def make_alert() -> MakeAlert:
    """Makes the alert with this number: its event id, a second of time, its sequence."""

    def make(number: int) -> Alert:
        return Alert(
            event_id=UUID(int=number),
            event_time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
            device=Device(type="rpi4", guid=f"door-{number % 3}", enrolled_on="2025-12-31"),
            location=Location(longitude=2.25, latitude=48.75),
            face_model=Model(name="face", guid="f1", threshold=0.5),
            mask_model=Model(name="mask", guid="m1", threshold=0.75),
            probability=0.875,
            image=Image(format="jpg", width=640, height=480, data=b"picture"),
            label=Label.NO_MASK,
            face_box=FaceBox(left=1, top=2, right=3, bottom=4),
            sequence=number,
        )

    return make


@pytest.fixture
def make_record(make_alert: MakeAlert) -> MakeRecord:
    """Makes the record of the alert with this number; its offset is the number."""

    def make(number: int) -> Record:
        value = contract.encode(make_alert(number))
        return Record("alert-topic", 0, number, 1_767_225_600_000, b"door", value)

    return make
