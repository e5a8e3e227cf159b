"""`python -m tests.fuzz.seeds`: write the corpus, messages of our own encoder and edges of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from maskwatch_proto import alert_pb2, contract, device_event_pb2, event_contract, notification
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
from maskwatch_proto.device_event import (
    CameraChanged,
    CameraPulse,
    CameraState,
    Compliance,
    DeviceEvent,
    EpisodeEnded,
    Happening,
    Heartbeat,
)

CORPUS = Path(__file__).with_name("corpus")
_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
_MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
_DEVICE = Device(type="rpi4", guid="door-1", enrolled_on="2025-12-31")
_MODEL = Model(name="face", guid="f1", threshold=0.5)
# Smallest picture of its kind; its content is nobody's business here.
_PICTURE = b"\xff\xd8\xff\xd9"


def seeds() -> Mapping[str, Mapping[str, bytes]]:
    """The corpus: bytes by name, by what is fuzzed."""
    return {"alert": _alerts(), "device_event": _events(), "notification": _numbers()}


def write(folder: Path) -> None:
    """Write every message to a file of its own."""
    for kind, messages in seeds().items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, payload in messages.items():
            (folder / kind / name).write_bytes(payload)


def _alerts() -> dict[str, bytes]:
    full = contract.encode(_full_alert())
    smallest = contract.encode(
        Alert(event_id=_ID, event_time=_MOMENT, device=Device(guid="d"), probability=0)
    )
    return {
        "full": full,
        "smallest": smallest,
        "original": _original(event_time="2026-01-02 03:04:05.678900"),
        "original-without-submessages": alert_pb2.Alert(
            event_time="2026-01-02 03:04:05", created_by=alert_pb2.Device(guid="d")
        ).SerializeToString(),
        "year-1": _original(event_time="0001-01-01 00:00:00"),
        "year-9999": _original(event_time="9999-12-31 23:59:59.999999"),
        "offset-before-year-1": _original(event_time="0001-01-01 00:00:00+14:00"),
        "another-zone": _original(event_time="2026-01-02T03:04:05+05:30"),
        "nan": _original(event_time="2026-01-02", probability=float("nan")),
        "control-character-in-a-uuid": alert_pb2.Alert(
            event_time="2026-01-02",
            created_by=alert_pb2.Device(guid="d"),
            episode_id="01890a5d-ac96-774\r-bcce-b302099a8057",
        ).SerializeToString(),
        "next-schema": alert_pb2.Alert(schema_version=2).SerializeToString(),
        "label-to-come": full + b"\x48\x63",  # field 9, 99
        "unknown-field": full + b"\xfa\x7f\x01x",  # field 2047
        "cut-short": full[: len(full) // 2],
        "no-utf-8": b"\x0a\x02\xff\xfe",
        "empty": b"",
        "json": b'{"event_time": "2026-01-02"}',
    }


def _full_alert() -> Alert:
    return Alert(
        event_id=_ID,
        event_time=_MOMENT,
        device=_DEVICE,
        location=Location(longitude=-180, latitude=90),
        face_model=_MODEL,
        mask_model=_MODEL,
        probability=1,
        image=Image(format="jpg", width=65_535, height=1, data=_PICTURE),
        label=Label.BAD_MASK,
        face_box=FaceBox(left=-1.5, top=0, right=1e6, bottom=2),
        episode_id=_ID,
        camera="north \N{PILE OF POO}",
        runtime="litert 2",
        boot_id="boot-1",
        sequence=2**63 - 1,
        clock_quality=ClockQuality.UNCERTAIN,
        episode_started_at=_MOMENT,
    )


def _original(*, event_time: str, probability: float = 0.9) -> bytes:
    """Return an alert as the original programs make it: without the fields from 8 up."""
    return alert_pb2.Alert(
        event_time=event_time,
        created_by=alert_pb2.Device(type="rpi", guid="d", enrolled_on="2020"),
        location=alert_pb2.Location(longitude=2.5, latitude=48.5),
        face_detection_model=alert_pb2.Model(name="f", guid="g", threshold=0.5),
        mask_classifier_model=alert_pb2.Model(name="m", guid="h", threshold=0.5),
        probability=probability,
        image=alert_pb2.Image(format="jpeg", size=alert_pb2.Size(width=2, height=2), data=_PICTURE),
    ).SerializeToString()


def _events() -> dict[str, bytes]:
    whole: dict[str, Happening] = {
        "episode-ended": EpisodeEnded(
            episode_id=_ID,
            started_at=_MOMENT,
            duration_s=1.5,
            label=Label.NO_MASK,
            violated=True,
            mask_put_on_after_s=0.5,
        ),
        "compliance": Compliance(
            window_start=_MOMENT,
            window_s=900,
            observed_s=899.5,
            people=2**31 - 1,
            with_mask=1,
            without_mask=2,
            badly_worn=3,
            unsure=4,
        ),
        "camera-down": CameraChanged(
            state=CameraState.DOWN, reason="no answer", since=_MOMENT, down_s=0
        ),
        "camera-up": CameraChanged(state=CameraState.UP, reason="", since=_MOMENT, down_s=86_400),
        "heartbeat": Heartbeat(
            version="1",
            models=("a", "b"),
            runtime="litert 2",
            uptime_s=1,
            temperature_c=-40,
            is_throttled=True,
            disk_free_bytes=2**63 - 1,
            waiting=1,
            oldest_waiting_s=2,
            cameras=(CameraPulse(name="north", is_up=True, fps=5),),
        ),
        "smallest-heartbeat": Heartbeat(uptime_s=0),
    }
    encoded = {name: _event(happening) for name, happening in whole.items()}
    year_1 = device_event_pb2.DeviceEvent.FromString(encoded["camera-up"])
    year_1.event_time = year_1.camera_changed.since = "0001-01-01 00:00:00"
    return (
        encoded
        | {
            "year-1": year_1.SerializeToString(),
            "no-happening": device_event_pb2.DeviceEvent(
                event_id=str(_ID), schema_version=1
            ).SerializeToString(),
            "happening-to-come": encoded["heartbeat"] + b"\x6a\x00",  # field 13
            "two-happenings": encoded["heartbeat"] + encoded["compliance"],
            "cut-short": encoded["heartbeat"][:-20],
            "empty": b"",
        }
    )


def _event(happening: Happening) -> bytes:
    return event_contract.encode(
        DeviceEvent(
            event_id=_ID,
            event_time=_MOMENT,
            device=_DEVICE,
            camera="north",
            boot_id="boot-1",
            sequence=1,
            clock_quality=ClockQuality.SYNCHRONISED,
            happening=happening,
        )
    )


def _numbers() -> dict[str, bytes]:
    return {
        "zero": notification.encode(0),
        "one": notification.encode(1),
        "largest": notification.encode(2**64 - 1),
        "with-more-behind": notification.encode(300) + b"more",
        "too-short": bytes(7),
        "empty": b"",
    }


if __name__ == "__main__":
    write(CORPUS)
