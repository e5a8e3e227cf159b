from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from maskwatch_proto.contract import InvalidAlert

_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)
_SCORES = st.floats(0, 1, width=32)
_SMALL = st.floats(-1e6, 1e6, width=32)


def _models() -> st.SearchStrategy[Model]:
    return st.builds(Model, name=_TEXT, guid=_TEXT, threshold=_SCORES)


_MOMENTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    datetime(9999, 1, 1),  # noqa: DTZ001 - the same
    timezones=st.just(UTC),
)
_ALERTS = st.builds(
    Alert,
    event_id=st.uuids(),
    event_time=_MOMENTS,
    device=st.builds(Device, type=_TEXT, guid=_TEXT.filter(bool), enrolled_on=_TEXT),
    location=st.builds(
        Location,
        longitude=st.floats(-180, 180, width=32),
        latitude=st.floats(-90, 90, width=32),
    ),
    face_model=_models(),
    mask_model=_models(),
    probability=_SCORES,
    image=st.builds(
        Image,
        format=st.sampled_from(["", "jpg", "png", "x-our.own+1"]),
        width=st.integers(0, 65_535),
        height=st.integers(0, 65_535),
        data=st.binary(max_size=200),
    ),
    label=st.none() | st.sampled_from(Label),
    face_box=st.none() | st.builds(FaceBox, left=_SMALL, top=_SMALL, right=_SMALL, bottom=_SMALL),
    episode_id=st.none() | st.uuids(),
    camera=_TEXT,
    runtime=_TEXT,
    boot_id=_TEXT,
    sequence=st.integers(0, 2**63 - 1),
    clock_quality=st.none() | st.sampled_from(ClockQuality),
    episode_started_at=st.none() | _MOMENTS,
)


@given(_ALERTS)
def test_what_was_encoded_is_decoded(alert: Alert) -> None:
    assert contract.decode(contract.encode(alert)) == alert


@given(st.binary(max_size=200))
def test_any_bytes_are_an_alert_or_invalid(payload: bytes) -> None:
    try:
        alert = contract.decode(payload)
    except InvalidAlert as error:
        assert str(error) == f"{error.field}: {error.reason}"  # noqa: PT017 - both may happen
    else:
        assert isinstance(alert, Alert)


@given(_ALERTS)
def test_every_cut_of_an_alert_is_invalid_or_the_same_alert_with_less_in_it(alert: Alert) -> None:
    whole = contract.encode(alert)
    for size in range(len(whole)):
        try:
            cut = contract.decode(whole[:size])
        except InvalidAlert as error:
            assert error.reason  # noqa: PT017 - both may happen
        else:
            assert (cut.device.guid, cut.event_time) == (alert.device.guid, alert.event_time)
            assert cut.probability in (alert.probability, 0)
            assert cut.image.data in (alert.image.data, b"")


def _message(**changes: Any) -> alert_pb2.Alert:
    """Return a small valid message with fields set anew; a path is written with `__`."""
    message = alert_pb2.Alert(
        event_time="2026-01-02 03:04:05.678900",
        created_by=alert_pb2.Device(guid="door-1"),
        probability=0.5,
        event_id=str(UUID(int=7)),
        schema_version=contract.SCHEMA_VERSION,
    )
    for path, value in changes.items():
        *parents, name = path.split("__")
        owner: Any = message
        for parent in parents:
            owner = getattr(owner, parent)
        setattr(owner, name, value)
    return message


_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_ANY_FLOAT = st.floats(width=32)


@given(
    event_time=_ANY_TEXT | st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    guid=_ANY_TEXT,
    event_id=_ANY_TEXT | st.uuids().map(str),
    floats=st.tuples(_ANY_FLOAT, _ANY_FLOAT, _ANY_FLOAT),
    label=st.integers(-(2**31), 2**31 - 1),
    sequence=st.integers(0, 2**64 - 1),
    schema_version=st.integers(0, 3),
)
def test_any_values_are_an_alert_or_invalid(
    event_time: str,
    guid: str,
    event_id: str,
    floats: tuple[float, float, float],
    label: int,
    sequence: int,
    schema_version: int,
) -> None:
    message = _message(
        event_time=event_time,
        created_by__guid=guid,
        event_id=event_id,
        location__longitude=floats[0],
        probability=floats[1],
        face_box__top=floats[2],
        label=label,
        sequence=sequence,
        schema_version=schema_version,
    )
    try:
        alert = contract.decode(message.SerializeToString())
    except InvalidAlert as error:
        assert error.field  # noqa: PT017 - both may happen
    else:
        assert alert.device.guid == guid


def test_absent_submessages_are_empty_values() -> None:
    alert = contract.decode(_message().SerializeToString())

    assert (alert.location, alert.face_model, alert.mask_model) == (Location(), Model(), Model())
    assert alert.image == Image()
    assert (alert.face_box, alert.label, alert.episode_id, alert.clock_quality) == (None,) * 4


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"schema_version": 2}, "schema_version", "upgrade"),
        ({"event_time": ""}, "event_time", "YYYY-MM-DD"),
        ({"event_time": "yesterday"}, "event_time", "YYYY-MM-DD"),
        ({"event_time": "2026-02-30 00:00:00.000000"}, "event_time", "YYYY-MM-DD"),
        ({"event_time": "0001-01-01T00:00:00+14:00"}, "event_time", "YYYY-MM-DD"),
        ({"event_time": "9999-12-31T23:59:59-14:00"}, "event_time", "YYYY-MM-DD"),
        ({"created_by__guid": ""}, "created_by.guid", "at least 1"),
        ({"created_by__guid": "g" * 501}, "created_by.guid", "at most 500"),
        ({"created_by__guid": "a\0b"}, "created_by.guid", "pattern"),
        ({"created_by__type": "a\x1b[31mb"}, "created_by.type", "pattern"),
        ({"camera": "a\r\nBcc: b"}, "camera", "pattern"),
        ({"camera": "a\n"}, "camera", "pattern"),
        ({"location__longitude": float("nan")}, "location.longitude", "finite"),
        ({"location__latitude": 90.5}, "location.latitude", "90"),
        ({"face_detection_model__threshold": 1.5}, "face_detection_model.threshold", "1"),
        ({"mask_classifier_model__name": "\x7f"}, "mask_classifier_model.name", "pattern"),
        ({"probability": float("nan")}, "probability", "finite"),
        ({"probability": float("inf")}, "probability", "finite"),
        ({"probability": -0.25}, "probability", "0"),
        ({"probability": 1.25}, "probability", "1"),
        ({"image__size__width": -1}, "image.width", "0"),
        ({"image__format": "../../jpg"}, "image.format", "pattern"),
        ({"event_id": ""}, "event_id", "missing"),
        ({"event_id": "no uuid"}, "event_id", "UUID"),
        ({"episode_id": "no uuid"}, "episode_id", "UUID"),
        ({"face_box__left": float("nan")}, "face_box.left", "finite"),
        ({"episode_started_at": "x"}, "episode_started_at", "YYYY-MM-DD"),
        ({"label": 99}, "label", "99"),
        ({"clock_quality": 99}, "clock_quality", "99"),
        ({"sequence": 2**63}, "sequence", "9223372036854775808"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_senseless_value_is_invalid_and_named(
    changes: dict[str, Any], field: str, reason: str
) -> None:
    payload = _message(**changes).SerializeToString()

    # Twice: what is invalid must not be taken for known the second time.
    for _ in range(2):
        with pytest.raises(InvalidAlert) as caught:
            contract.decode(payload)
        assert caught.value.field == field
        assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "is empty"),
        (bytes(contract.SIZE_BYTES_MAX + 1), "at most 4194304 fit"),
        (b"\xff\xff\xff\xff", "no protobuf message"),
        (b'{"event_time": "2026-01-02"}', "no protobuf message"),
        (b"\x0a\x02\xff\xfe", "no protobuf message"),  # event_time is no UTF-8
    ],
    ids=["empty", "too large", "random", "JSON", "no UTF-8"],
)
def test_what_is_no_message_is_invalid(payload: bytes, reason: str) -> None:
    with pytest.raises(InvalidAlert, match=reason) as caught:
        contract.decode(payload)

    assert caught.value.field == "message"


@pytest.mark.parametrize(
    "payload",
    [
        alert_pb2.Size(width=640, height=480).SerializeToString(),
        alert_pb2.Location(longitude=1, latitude=2).SerializeToString(),
        alert_pb2.Image(format="jpg", data=b"x").SerializeToString(),
    ],
    ids=["Size", "Location", "Image"],
)
def test_message_of_another_type_is_invalid(payload: bytes) -> None:
    with pytest.raises(InvalidAlert):
        contract.decode(payload)


def test_reason_never_holds_what_the_message_held() -> None:
    payload = _message(camera="secret\n").SerializeToString()

    with pytest.raises(InvalidAlert) as caught:
        contract.decode(payload)

    assert "secret" not in str(caught.value)


def test_largest_message_that_fits_is_read() -> None:
    message = _message()
    message.image.data = bytes(contract.SIZE_BYTES_MAX - len(message.SerializeToString()) - 10)

    alert = contract.decode(message.SerializeToString())

    assert len(alert.image.data) == len(message.image.data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02 03:04:05.678900", datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)),
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T05:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_event_time_is_utc(text: str, expected: datetime) -> None:
    moment = contract.event_time(text)

    assert moment == expected
    assert moment.tzinfo == UTC


def test_alert_is_encoded_in_utc_whatever_its_zone() -> None:
    alert = contract.decode(_message(event_time="2026-01-02T05:04:05+02:00").SerializeToString())

    message = alert_pb2.Alert.FromString(contract.encode(alert))

    assert message.event_time == "2026-01-02 03:04:05.000000"


def test_devices_and_models_that_repeat_are_shared() -> None:
    first, second = (
        contract.decode(_message(event_id=str(uuid4())).SerializeToString()) for _ in range(2)
    )

    assert first.device is second.device
    assert first.mask_model is second.mask_model
