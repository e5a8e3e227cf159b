"""Messages that nobody can read or should keep, straight onto a topic, and what becomes of them."""

import json
import random
import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from devstack.load import alert
from maskwatch_proto import alert_pb2, contract, device_event_pb2, event_contract
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_proto.device_event import DeviceEvent, Heartbeat
from maskwatch_runtime.kafka import topics

from faults.records import Stored

Place = tuple[str, int, int]  # topic, partition, offset
GOOD = "good"
_SENDABLE_BYTES = 2**30  # by this producer; what the topic takes is its own limit, after gzip
_LETTER_CUT_BYTES = 1024 * 1024
_HUGE_BYTES = 10 * 1024 * 1024
_FUTURE_SCHEMA = 99
_GIGAPIXELS = (60_000, 60_000)
_HEADERS = {"dlq.topic", "dlq.partition", "dlq.offset", "dlq.timestamp_ms"} | {
    "dlq.field",
    "dlq.reason",
    "dlq.rejected_at",
}


@dataclass(frozen=True)
class Poison:
    """A message that ends among the dead letters; `kind` is the word of the table."""

    kind: str
    topic: str
    value: bytes | None


def good_alert(numbers: random.Random, **changes: object) -> Alert:
    """Return an alert of a random event id, of a device that the load does not have."""
    plain = alert(numbers.randrange(1, 10**6), device="poison-1")
    event_id = UUID(int=numbers.getrandbits(128), version=4)
    return plain.model_copy(update={"event_id": event_id, **changes})


def good_event(numbers: random.Random, **changes: object) -> DeviceEvent:
    """Return a heartbeat of a random event id."""
    heartbeat = Heartbeat(version="1", runtime="litert 2", uptime_s=numbers.uniform(1, 1e6))
    event = DeviceEvent(
        event_id=UUID(int=numbers.getrandbits(128), version=4),
        event_time=datetime.now(UTC),
        device=Device(type="load", guid="poison-1"),
        boot_id="boot-1",
        sequence=numbers.randrange(1, 10**6),
        happening=heartbeat,
    )
    return event.model_copy(update=changes)


def good_events(numbers: random.Random, count: int) -> list[Poison]:
    """Return heartbeats that are archived: neighbours on the topic of device events."""
    made = (event_contract.encode(good_event(numbers)) for _ in range(count))
    return [Poison(GOOD, topics.DEVICE_EVENT, value) for value in made]


def forbidden(numbers: random.Random, *, alerts: int, events: int) -> list[Poison]:
    """Return messages that are well-formed, of a camera that the case's database refuses."""
    camera = "forbidden"
    made = [contract.encode(good_alert(numbers, camera=camera)) for _ in range(alerts)]
    told = [event_contract.encode(good_event(numbers, camera=camera)) for _ in range(events)]
    return [
        *(Poison("row refused", topics.ALERT, value) for value in made),
        *(Poison("row refused", topics.DEVICE_EVENT, value) for value in told),
    ]


def rubbish(numbers: random.Random, count: int) -> list[Poison]:
    """Return random bytes for alert-topic."""
    return [Poison("random bytes", topics.ALERT, numbers.randbytes(40)) for _ in range(count)]


def every_kind(numbers: random.Random) -> list[Poison]:
    """Return one of each, in random order."""
    alert_bytes = contract.encode(good_alert(numbers))
    event_bytes = event_contract.encode(good_event(numbers))
    values = {
        topics.ALERT: {
            **_any_topic(numbers),
            "another type": event_bytes,
            "truncated": alert_bytes[: numbers.randrange(300, len(alert_bytes) - 300)],
            "future schema": _future(alert_pb2.Alert.FromString(alert_bytes)),
            "10 MB": contract.encode(_with_picture(numbers, bytes(_HUGE_BYTES))),
            "picture of gigapixels": contract.encode(_with_picture(numbers, gigapixels())),
        },
        topics.DEVICE_EVENT: {
            **_any_topic(numbers),
            "another type": alert_bytes,
            "truncated": event_bytes[: numbers.randrange(1, len(event_bytes))],
            "future schema": _future(device_event_pb2.DeviceEvent.FromString(event_bytes)),
            "10 MB": bytes(_HUGE_BYTES),
        },
    }
    made = [
        Poison(kind, topic, value)
        for topic, kinds in values.items()
        for kind, value in kinds.items()
    ]
    numbers.shuffle(made)
    return made


def _any_topic(numbers: random.Random) -> dict[str, bytes | None]:
    return {
        "random bytes": numbers.randbytes(numbers.randint(1, 2_000)),
        "empty": b"",
        "no value": None,
        "JSON": json.dumps({"event_time": "2026-01-01"}).encode(),
    }


def _future(message: alert_pb2.Alert | device_event_pb2.DeviceEvent) -> bytes:
    message.schema_version = _FUTURE_SCHEMA
    return message.SerializeToString() + b"\xf2\x06\x03new"  # field 110, text


def _with_picture(numbers: random.Random, data: bytes) -> Alert:
    return good_alert(numbers, image=Image(format="png", width=640, height=480, data=data))


def gigapixels() -> bytes:
    """Return a PNG of a few hundred bytes that says it is 60,000 pixels wide and high."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", *_GIGAPIXELS, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000), 9)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


async def publish(
    bootstrap: str, messages: Sequence[Poison], *, numbers: random.Random | None = None
) -> dict[Place, Poison]:
    """Put them on their topics and say where each lies, by topic, partition and offset.

    `numbers` chooses the partitions; without it all lie on partition 0.
    """
    count = {topic.name: topic.partitions for topic in topics.TOPICS}
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_request_size=_SENDABLE_BYTES, compression_type="gzip"
    )
    await producer.start()
    try:
        lying: dict[Place, Poison] = {}
        for one in messages:
            partition = numbers.randrange(count[one.topic]) if numbers else 0
            told: RecordMetadata = await producer.send_and_wait(
                one.topic,
                one.value,
                b"poison-1",  # a client refuses to send neither value nor key
                partition=partition,
                headers=[("x-kind", one.kind.encode())],
            )
            lying[one.topic, told.partition, told.offset] = one
        return lying
    finally:
        await producer.stop()


def expected(sent: Mapping[Place, Poison]) -> dict[str, int]:
    """Return how many dead letters there have to be, by topic."""
    return dict(Counter(topics.dead_letters_of(topic) for topic, _, _ in sent))


def misfiled(sent: Mapping[Place, Poison], letters: Sequence[Stored]) -> list[str]:
    """Return what is wrong with dead letters: not whole, not told from where, when and why."""
    found = []
    for letter in letters:
        told = {name: value.decode() for name, value in letter.headers}
        where = (told["dlq.topic"], int(told["dlq.partition"]), int(told["dlq.offset"]))
        poison = sent.get(where)
        if poison is None:
            found.append(f"a letter of {where}, where no poison lies")
        elif not (told.keys() >= _HEADERS and told["dlq.reason"] and told["dlq.timestamp_ms"]):
            found.append(f"{poison.kind}: headers {sorted(told)}")
        elif told.get("x-kind") != poison.kind or not _is_kept(poison, letter.value, told):
            found.append(f"{poison.kind}: not as it came")
    return found


def _is_kept(poison: Poison, kept: bytes, told: Mapping[str, str]) -> bool:
    value = poison.value or b""
    size = told.get("dlq.size_bytes")
    if size is None:
        return kept == value
    return kept == value[:_LETTER_CUT_BYTES] and int(size) == len(value)
