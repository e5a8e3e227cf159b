from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto import alert_pb2, contract, device_event_pb2, event_contract
from maskwatch_proto.alert import ClockQuality, Device, Label, Location
from maskwatch_proto.device_event import (
    CAMERAS_MAX,
    MODELS_MAX,
    CameraChanged,
    CameraPulse,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Heartbeat,
)
from maskwatch_proto.invalid import InvalidMessage
from pydantic import ValidationError

_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)
_SECONDS = st.floats(0, 1e9, exclude_max=True)
_COUNTS = st.integers(0, 2**31 - 1)
_MOMENTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    datetime(9999, 1, 1),  # noqa: DTZ001 - the same
    timezones=st.just(UTC),
)
_HAPPENINGS = st.one_of(
    st.builds(
        EpisodeEnded,
        episode_id=st.uuids(),
        started_at=_MOMENTS,
        duration_s=_SECONDS,
        label=st.sampled_from(Label),
        violated=st.booleans(),
        mask_put_on_after_s=st.none() | _SECONDS,
    ),
    st.builds(
        Compliance,
        window_start=_MOMENTS,
        window_s=_SECONDS,
        observed_s=_SECONDS,
        people=_COUNTS,
        with_mask=_COUNTS,
        without_mask=_COUNTS,
        badly_worn=_COUNTS,
        unsure=_COUNTS,
    ),
    st.builds(
        CameraChanged,
        state=st.sampled_from(CameraState),
        reason=_TEXT,
        since=_MOMENTS,
        down_s=_SECONDS,
    ),
    st.builds(
        Heartbeat,
        version=_TEXT,
        models=st.lists(_TEXT, max_size=3).map(tuple),
        runtime=_TEXT,
        uptime_s=_SECONDS,
        temperature_c=st.none() | st.floats(-100, 200),
        is_throttled=st.booleans(),
        disk_free_bytes=st.none() | st.integers(0, 2**63 - 1),
        waiting=_COUNTS,
        oldest_waiting_s=_SECONDS,
        cameras=st.lists(
            st.builds(CameraPulse, name=_TEXT, is_up=st.booleans(), fps=st.floats(0, 9999)),
            max_size=3,
        ).map(tuple),
    ),
)
_EVENTS = st.builds(
    DeviceEvent,
    event_id=st.uuids(),
    event_time=_MOMENTS,
    device=st.builds(Device, type=_TEXT, guid=_TEXT.filter(bool), enrolled_on=_TEXT),
    location=st.builds(
        Location,
        longitude=st.floats(-180, 180, width=32),
        latitude=st.floats(-90, 90, width=32),
    ),
    camera=_TEXT,
    boot_id=_TEXT,
    sequence=st.integers(0, 2**63 - 1),
    clock_quality=st.none() | st.sampled_from(ClockQuality),
    happening=_HAPPENINGS,
)


@given(_EVENTS)
def test_what_was_encoded_is_decoded(event: DeviceEvent) -> None:
    assert event_contract.decode(event_contract.encode(event)) == event


@given(event=_EVENTS, data=st.data())
def test_what_was_cut_short_is_invalid(event: DeviceEvent, data: st.DataObject) -> None:
    payload = event_contract.encode(event)
    kept = data.draw(st.integers(0, len(payload) - 1))

    with pytest.raises(InvalidMessage):
        event_contract.decode(payload[:kept])


@given(event=_EVENTS, data=st.data())
def test_what_was_damaged_is_an_event_or_invalid(event: DeviceEvent, data: st.DataObject) -> None:
    payload = bytearray(event_contract.encode(event))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] = data.draw(st.integers(0, 255))

    _is_event_or_invalid(bytes(payload))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_invalid(payload: bytes) -> None:
    _is_event_or_invalid(payload)


def _is_event_or_invalid(payload: bytes) -> None:
    try:
        event = event_contract.decode(payload)
    except InvalidMessage as error:
        assert str(error) == f"{error.field}: {error.reason}"  # noqa: PT017 - both may happen
    else:
        assert isinstance(event, DeviceEvent)


_TIME = "2026-01-02 03:04:05.678900"


def _message(kind: str, **changes: Any) -> device_event_pb2.DeviceEvent:
    """Return a small valid message with fields set anew; a path is written with `__`."""
    happening = {
        "episode_ended": {
            "episode_id": str(UUID(int=9)),
            "started_at": _TIME,
            "label": alert_pb2.LABEL_MASK,
        },
        "compliance": {"window_start": _TIME},
        "camera_changed": {"since": _TIME, "state": device_event_pb2.CAMERA_STATE_DOWN},
        "heartbeat": {"cameras": [{"name": "door"}]},
    }[kind]
    message = device_event_pb2.DeviceEvent(
        event_id=str(UUID(int=7)),
        event_time=_TIME,
        device=alert_pb2.Device(guid="door-1"),
        schema_version=event_contract.SCHEMA_VERSION,
        **{kind: happening},  # type: ignore[arg-type]  # the generated code takes mappings
    )
    for path, value in changes.items():
        *parents, name = path.split("__")
        owner: Any = message
        for parent in parents:
            owner = owner[int(parent)] if parent.isdecimal() else getattr(owner, parent)
        setattr(owner, name, value)
    return message


def test_absent_values_are_the_models_defaults() -> None:
    event = event_contract.decode(_message("heartbeat").SerializeToString())

    assert event.happening == Heartbeat(
        uptime_s=0, cameras=(CameraPulse(name="door", is_up=False, fps=0),)
    )
    assert (event.location, event.camera, event.clock_quality) == (Location(), "", None)


@pytest.mark.parametrize(
    ("kind", "changes", "field", "reason"),
    [
        ("heartbeat", {"schema_version": 2}, "schema_version", "upgrade"),
        ("heartbeat", {"schema_version": 0}, "schema_version", "cut short"),
        ("heartbeat", {"event_id": ""}, "event_id", "UUID"),
        ("heartbeat", {"event_id": "no uuid"}, "event_id", "UUID"),
        ("heartbeat", {"event_time": ""}, "event_time", "YYYY-MM-DD"),
        ("heartbeat", {"event_time": "yesterday"}, "event_time", "YYYY-MM-DD"),
        ("heartbeat", {"device__guid": ""}, "device.guid", "at least 1"),
        ("heartbeat", {"device__type": "a\x1b[31mb"}, "device.type", "pattern"),
        ("heartbeat", {"location__latitude": 90.5}, "location.latitude", "90"),
        ("heartbeat", {"camera": "a\r\nBcc: b"}, "camera", "pattern"),
        ("heartbeat", {"boot_id": "a\0"}, "boot_id", "pattern"),
        ("heartbeat", {"sequence": 2**63}, "sequence", "9223372036854775808"),
        ("heartbeat", {"clock_quality": 99}, "clock_quality", "99"),
        ("heartbeat", {"heartbeat__uptime_s": -1.0}, "heartbeat.uptime_s", "0"),
        ("heartbeat", {"heartbeat__uptime_s": float("nan")}, "heartbeat.uptime_s", "finite"),
        ("heartbeat", {"heartbeat__temperature_c": 900.0}, "heartbeat.temperature_c", "200"),
        ("heartbeat", {"heartbeat__disk_free_bytes": 2**63}, "heartbeat.disk_free_bytes", "9223"),
        ("heartbeat", {"heartbeat__waiting": 2**31}, "heartbeat.waiting", "2147483648"),
        ("heartbeat", {"heartbeat__cameras__0__fps": 1e9}, "heartbeat.cameras.0.fps", "10000"),
        ("heartbeat", {"heartbeat__cameras__0__name": "\n"}, "heartbeat.cameras.0.name", "pattern"),
        ("episode_ended", {"episode_ended__label": 0}, "episode_ended.label", "missing"),
        ("episode_ended", {"episode_ended__label": 99}, "episode_ended.label", "99"),
        ("episode_ended", {"episode_ended__episode_id": "x"}, "episode_ended.episode_id", "UUID"),
        ("episode_ended", {"episode_ended__started_at": "x"}, "episode_ended.started_at", "YYYY"),
        ("compliance", {"compliance__window_start": ""}, "compliance.window_start", "YYYY"),
        ("compliance", {"compliance__people": 2**31}, "compliance.people", "2147483648"),
        ("camera_changed", {"camera_changed__state": 0}, "camera_changed.state", "missing"),
        ("camera_changed", {"camera_changed__state": 3}, "camera_changed.state", "is 3"),
        ("camera_changed", {"camera_changed__since": "now"}, "camera_changed.since", "YYYY"),
        ("camera_changed", {"camera_changed__down_s": 1e9}, "camera_changed.down_s", "1000000000"),
    ],
)
def test_senseless_value_is_invalid_and_named(
    kind: str, changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidMessage) as caught:
        event_contract.decode(_message(kind, **changes).SerializeToString())

    assert caught.value.field == field
    assert reason in caught.value.reason


def test_happening_of_a_kind_that_is_still_to_come_is_invalid() -> None:
    message = _message("heartbeat")
    message.ClearField("heartbeat")
    # Field 13, empty: what comes behind the heartbeat one day.
    payload = message.SerializeToString()[:-3] + b"\x6a\x00" + message.SerializeToString()[-3:]

    with pytest.raises(InvalidMessage, match=r"^happening: is missing or of a kind"):
        event_contract.decode(payload)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "is empty"),
        (bytes(contract.SIZE_BYTES_MAX + 1), "at most 4194304 fit"),
        (b"\xff\xff\xff\xff", "no protobuf message"),
        (b'{"event_time": "2026-01-02"}', "no protobuf message"),
        (b"\x0a\x02\xff\xfe", "no protobuf message"),  # event_id is no UTF-8
    ],
    ids=["empty", "too large", "random", "JSON", "no UTF-8"],
)
def test_what_is_no_message_is_invalid(payload: bytes, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason) as caught:
        event_contract.decode(payload)

    assert caught.value.field == "message"


def _largest() -> DeviceEvent:
    widest = "\N{PILE OF POO}" * 500
    pulse = CameraPulse(name=widest, is_up=True, fps=1.5)
    return DeviceEvent(
        event_id=UUID(int=7),
        event_time=datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5))),
        device=Device(type=widest, guid=widest, enrolled_on=widest),
        camera=widest,
        boot_id=widest,
        happening=Heartbeat(
            version=widest,
            runtime=widest,
            uptime_s=1,
            models=(widest,) * MODELS_MAX,
            cameras=(pulse,) * CAMERAS_MAX,
        ),
    )


def test_largest_event_that_a_model_allows_fits_a_message() -> None:
    event = _largest()

    assert event_contract.decode(event_contract.encode(event)) == event


def test_text_that_postgresql_refuses_is_refused_at_once() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Heartbeat(uptime_s=1, models=("a\0b",))


def test_alert_is_no_event_and_an_event_no_alert() -> None:
    event = _message("compliance").SerializeToString()
    alert = alert_pb2.Alert(event_time=_TIME, schema_version=1).SerializeToString()

    with pytest.raises(InvalidMessage):
        event_contract.decode(alert)
    with pytest.raises(contract.InvalidAlert):
        contract.decode(event)


# Written by hand from device_event.proto, byte by byte; no encoder of ours had a part.
_GOLDEN = bytes.fromhex(
    "0a 24"  # 1 event_id, 36 bytes: "01890a5d-ac96-774b-bcce-b302099a8057"
    "30 31 38 39 30 61 35 64 2d 61 63 39 36 2d 37 37 34 62 2d 62 63 63 65 2d"
    "62 33 30 32 30 39 39 61 38 30 35 37"
    "12 1a"  # 2 event_time, 26 bytes: "2026-01-02 03:04:05.678900"
    "32 30 32 36 2d 30 31 2d 30 32 20 30 33 3a 30 34 3a 30 35 2e 36 37 38 39 30 30"
    "1a 08 12 06 64 6f 6f 72 2d 31"  # 3 device, .2 guid: "door-1"
    "22 00"  # 4 location, empty
    "2a 05 6e 6f 72 74 68"  # 5 camera: "north"
    "32 06 62 6f 6f 74 2d 31"  # 6 boot_id: "boot-1"
    "38 ac 02"  # 7 sequence: 300
    "40 01"  # 8 clock_quality: CLOCK_QUALITY_SYNCHRONISED
    "5a 2d"  # 11 camera_changed, 45 bytes
    "08 02"  # .1 state: CAMERA_STATE_UP
    "12 04 62 61 63 6b"  # .2 reason: "back"
    "1a 1a"  # .3 since: "2026-01-02 03:04:05.678900"
    "32 30 32 36 2d 30 31 2d 30 32 20 30 33 3a 30 34 3a 30 35 2e 36 37 38 39 30 30"
    "21 00 00 00 00 00 00 f8 3f"  # .4 down_s: 1.5
    "f8 01 01"  # 31 schema_version: 1
)


def test_bytes_are_those_of_the_schema() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
    event = DeviceEvent(
        event_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        event_time=moment,
        device=Device(guid="door-1"),
        camera="north",
        boot_id="boot-1",
        sequence=300,
        clock_quality=ClockQuality.SYNCHRONISED,
        happening=CameraChanged(state=CameraState.UP, reason="back", since=moment, down_s=1.5),
    )

    assert event_contract.decode(_GOLDEN) == event
    assert event_contract.encode(event) == _GOLDEN
