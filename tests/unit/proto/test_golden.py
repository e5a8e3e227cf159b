"""Messages written by hand from the wire contract, byte by byte; no encoder of ours had a part.

Tag = field number * 8 + wire type: 0 varint, 2 length and bytes, 5 four bytes little-endian.
"""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from maskwatch_proto import alert_pb2, contract
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

# What the original programs send: fields 1 to 7.
_ORIGINAL = bytes.fromhex(
    "0a 1a"  # 1 event_time, 26 bytes: "2026-01-02 03:04:05.678900"
    "32 30 32 36 2d 30 31 2d 30 32 20 30 33 3a 30 34 3a 30 35 2e 36 37 38 39 30 30"
    "12 1a"  # 2 created_by, 26 bytes
    "0a 04 72 70 69 34"  # .1 type: "rpi4"
    "12 06 64 6f 6f 72 2d 31"  # .2 guid: "door-1"
    "1a 0a 32 30 32 35 2d 31 32 2d 33 31"  # .3 enrolled_on: "2025-12-31"
    "1a 0a"  # 3 location, 10 bytes
    "0d 00 00 10 40"  # .1 longitude: 2.25
    "15 00 00 43 42"  # .2 latitude: 48.75
    "22 0f"  # 4 face_detection_model, 15 bytes
    "0a 04 66 61 63 65"  # .1 name: "face"
    "12 02 66 31"  # .2 guid: "f1"
    "1d 00 00 00 3f"  # .3 threshold: 0.5
    "2a 0f"  # 5 mask_classifier_model, 15 bytes
    "0a 04 6d 61 73 6b"  # .1 name: "mask"
    "12 02 6d 31"  # .2 guid: "m1"
    "1d 00 00 40 3f"  # .3 threshold: 0.75
    "35 00 00 60 3f"  # 6 probability: 0.875
    "3a 13"  # 7 image, 19 bytes
    "0a 03 6a 70 67"  # .1 format: "jpg"
    "12 06 08 80 05 10 e0 03"  # .2 size: .1 width 640, .2 height 480
    "1a 04 ff d8 ff d9"  # .3 data
)
# What ours add: fields 8 to 17.
_ADDED = bytes.fromhex(
    "42 24"  # 8 event_id, 36 bytes: "01890a5d-ac96-774b-bcce-b302099a8057"
    "30 31 38 39 30 61 35 64 2d 61 63 39 36 2d 37 37 34 62 2d 62 63 63 65 2d"
    "62 33 30 32 30 39 39 61 38 30 35 37"
    "48 02"  # 9 label: LABEL_NO_MASK
    "52 14"  # 10 face_box, 20 bytes
    "0d 00 00 28 41"  # .1 left: 10.5
    "15 00 00 a0 41"  # .2 top: 20
    "1d 00 00 f0 41"  # .3 right: 30
    "25 00 00 20 42"  # .4 bottom: 40
    "5a 24"  # 11 episode_id, 36 bytes: "01890a5d-ac96-774b-bcce-b302099a8058"
    "30 31 38 39 30 61 35 64 2d 61 63 39 36 2d 37 37 34 62 2d 62 63 63 65 2d"
    "62 33 30 32 30 39 39 61 38 30 35 38"
    "62 05 6e 6f 72 74 68"  # 12 camera: "north"
    "6a 0c 6c 69 74 65 72 74 20 32 2e 33 2e 30"  # 13 runtime: "litert 2.3.0"
    "72 06 62 6f 6f 74 2d 31"  # 14 boot_id: "boot-1"
    "78 ac 02"  # 15 sequence: 300
    "80 01 01"  # 16 clock_quality: CLOCK_QUALITY_SYNCHRONISED
    "88 01 01"  # 17 schema_version: 1
    "92 01 1a"  # 18 episode_started_at, 26 bytes: "2026-01-02 03:04:02.000000"
    "32 30 32 36 2d 30 31 2d 30 32 20 30 33 3a 30 34 3a 30 32 2e 30 30 30 30 30 30"
)
_ALERT = Alert(
    event_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    event_time=datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC),
    device=Device(type="rpi4", guid="door-1", enrolled_on="2025-12-31"),
    location=Location(longitude=2.25, latitude=48.75),
    face_model=Model(name="face", guid="f1", threshold=0.5),
    mask_model=Model(name="mask", guid="m1", threshold=0.75),
    probability=0.875,
    image=Image(format="jpg", width=640, height=480, data=b"\xff\xd8\xff\xd9"),
    label=Label.NO_MASK,
    face_box=FaceBox(left=10.5, top=20, right=30, bottom=40),
    episode_id=UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
    camera="north",
    runtime="litert 2.3.0",
    boot_id="boot-1",
    sequence=300,
    clock_quality=ClockQuality.SYNCHRONISED,
    episode_started_at=datetime(2026, 1, 2, 3, 4, 2, tzinfo=UTC),
)
# Fields 1 to 7 as (field number, name, type), each message by its name.
_FIELD = descriptor_pb2.FieldDescriptorProto
_ORIGINAL_FIELDS: dict[str, list[tuple[int, str, int | str]]] = {
    "Alert": [
        (1, "event_time", _FIELD.TYPE_STRING),
        (2, "created_by", "Device"),
        (3, "location", "Location"),
        (4, "face_detection_model", "Model"),
        (5, "mask_classifier_model", "Model"),
        (6, "probability", _FIELD.TYPE_FLOAT),
        (7, "image", "Image"),
    ],
    "Device": [
        (1, "type", _FIELD.TYPE_STRING),
        (2, "guid", _FIELD.TYPE_STRING),
        (3, "enrolled_on", _FIELD.TYPE_STRING),
    ],
    "Location": [(1, "longitude", _FIELD.TYPE_FLOAT), (2, "latitude", _FIELD.TYPE_FLOAT)],
    "Model": [
        (1, "name", _FIELD.TYPE_STRING),
        (2, "guid", _FIELD.TYPE_STRING),
        (3, "threshold", _FIELD.TYPE_FLOAT),
    ],
    "Image": [
        (1, "format", _FIELD.TYPE_STRING),
        (2, "size", "Size"),
        (3, "data", _FIELD.TYPE_BYTES),
    ],
    "Size": [(1, "width", _FIELD.TYPE_INT32), (2, "height", _FIELD.TYPE_INT32)],
}


@pytest.fixture(scope="module")
def original_reader() -> type[Message]:
    """The message class of a program that knows fields 1 to 7 and nothing else."""
    file = descriptor_pb2.FileDescriptorProto(
        name="original.proto", package="maskDetection", syntax="proto3"
    )
    for name, fields in _ORIGINAL_FIELDS.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            added = message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(kind, str):
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".maskDetection.{kind}"
            else:
                added.type = _FIELD.Type.ValueType(kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("maskDetection.Alert"))


def test_message_of_an_original_program_is_read() -> None:
    alert = contract.decode(_ORIGINAL)

    assert alert == Alert(
        event_id=alert.event_id,
        event_time=_ALERT.event_time,
        device=_ALERT.device,
        location=_ALERT.location,
        face_model=_ALERT.face_model,
        mask_model=_ALERT.mask_model,
        probability=_ALERT.probability,
        image=_ALERT.image,
    )


def test_message_with_our_fields_is_read() -> None:
    assert contract.decode(_ORIGINAL + _ADDED) == _ALERT


def test_alert_is_written_as_the_contract_says() -> None:
    assert contract.encode(_ALERT) == _ORIGINAL + _ADDED


def test_original_program_reads_our_message(original_reader: type[Message]) -> None:
    ours, expected = original_reader(), original_reader()

    ours.ParseFromString(contract.encode(_ALERT))
    expected.ParseFromString(_ORIGINAL)
    ours.DiscardUnknownFields()

    assert ours == expected
    assert ours.SerializeToString(deterministic=True) == _ORIGINAL


def test_original_program_finds_every_submessage_of_an_alert_without_values(
    original_reader: type[Message],
) -> None:
    empty = Alert(
        event_id=_ALERT.event_id,
        event_time=_ALERT.event_time,
        device=Device(guid="door-1"),
        probability=0,
    )
    message = original_reader()

    message.ParseFromString(contract.encode(empty))

    present = {field.name for field, _ in message.ListFields()}
    assert present >= {
        "created_by",
        "location",
        "face_detection_model",
        "mask_classifier_model",
        "image",
    }
    image = {field.name: value for field, value in message.ListFields()}["image"]
    assert image.HasField("size")


def test_event_id_of_an_original_message_is_the_same_however_its_fields_are_ordered() -> None:
    time, rest = _ORIGINAL[:28], _ORIGINAL[28:]

    assert contract.decode(rest + time).event_id == contract.decode(_ORIGINAL).event_id


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"door-1", b"door-2"),
        (b".678900", b".678901"),
        (b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xda"),
        (bytes.fromhex("35 00 00 60 3f"), bytes.fromhex("35 00 00 50 3f")),
    ],
    ids=["device", "time", "picture", "probability"],
)
def test_event_id_of_an_original_message_tells_its_content(old: bytes, new: bytes) -> None:
    other = _ORIGINAL.replace(old, new)

    assert other != _ORIGINAL
    assert contract.decode(other).event_id != contract.decode(_ORIGINAL).event_id


@pytest.mark.parametrize("size", range(len(_ORIGINAL + _ADDED)))
def test_truncated_message_is_invalid_or_an_alert_but_nothing_else(size: int) -> None:
    whole = _ORIGINAL + _ADDED
    try:
        alert = contract.decode(whole[:size])
    except contract.InvalidAlert as error:
        assert error.reason  # noqa: PT017 - most truncations are invalid, some are legal messages
    else:
        # Legal where protobuf sees whole fields; what was cut off is then empty, never invented.
        assert alert_pb2.Alert.FromString(whole[:size]).created_by.guid == alert.device.guid
        assert alert.event_time == _ALERT.event_time
