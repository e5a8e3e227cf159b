"""A message on its way in or out."""

from typing import NamedTuple

from aiokafka import ConsumerRecord

Headers = tuple[tuple[str, bytes], ...]


# Tuples: a frozen dataclass takes three times as long to make, and one is made for every message.
class Message(NamedTuple):
    """What is to be published."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


class Record(NamedTuple):
    """What was consumed; `timestamp_ms` is Unix time."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: Headers = ()

    def header(self, name: str) -> str:
        """Return the header's text, empty when it is absent or no UTF-8."""
        for key, value in self.headers:
            if key == name:
                return (value or b"").decode(errors="replace")
        return ""


def from_client(raw: ConsumerRecord) -> Record:
    """Return the record as we know it; a tombstone has an empty value."""
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value or b"",
        headers=tuple(raw.headers),
    )
