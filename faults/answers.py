"""What a broker may answer to a Produce request, given in its place: the broker never sees one.

Answers keep their order on the wire: an ApiVersions request goes out instead of the request that is
refused, and its answer is replaced.
"""

import struct
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka.errors import BrokerResponseError
from aiokafka.protocol import produce

_SIZE = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")  # API key, version, correlation id
_CORRELATION = struct.Struct(">i")
_PRODUCE, _API_VERSIONS = 0, 18
_REQUESTS = {
    one.API_VERSION: one
    for one in (
        produce.ProduceRequest_v3,
        produce.ProduceRequest_v4,
        produce.ProduceRequest_v5,
        produce.ProduceRequest_v6,
        produce.ProduceRequest_v7,
    )
}


@dataclass
class _Refusal:
    error: type[BrokerResponseError]
    times: int


class Answers:
    """Refuses what is produced through a proxy; one for all of its connections.

    Attributes:
        given: How often each error was answered, by its name.
    """

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()
        self._refusal: _Refusal | None = None
        self._lock = threading.Lock()  # the proxy has a thread of its own

    def refuse(self, error: type[BrokerResponseError], *, times: int = 1_000_000) -> None:
        """Answer the next so many Produce requests with this error, for each partition."""
        with self._lock:
            self._refusal = _Refusal(error, times)

    def heal(self) -> None:
        with self._lock:
            self._refusal = None

    def next_error(self) -> type[BrokerResponseError] | None:
        """Return what is answered to the request that has come just now; None passes it on."""
        with self._lock:
            refusal = self._refusal
            if refusal is None or refusal.times == 0:
                return None
            refusal.times -= 1
            self.given[refusal.error.__name__] += 1
            return refusal.error

    def conversation(self) -> "Conversation":
        """Return the filter of a new connection."""
        return Conversation(self)


class Conversation:
    """Reads along on one connection, and replaces what has to be."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._buffers: Mapping[str, bytearray] = {
            "to_server": bytearray(),
            "to_client": bytearray(),
        }
        self._replaced: dict[int, bytes] = {}

    def passed(self, way: str, chunk: bytes) -> bytes:
        """Return what is passed on now; half a message waits for its other half."""
        buffer = self._buffers[way]
        buffer += chunk
        change = self._request if way == "to_server" else self._answer
        passed = bytearray()
        while (frame := _taken(buffer)) is not None:
            changed = change(frame)
            passed += _SIZE.pack(len(changed)) + changed
        return bytes(passed)

    def _request(self, frame: bytes) -> bytes:
        api, version, correlation = _REQUEST.unpack_from(frame)
        error = self._answers.next_error() if api == _PRODUCE else None
        if error is None:
            return frame
        self._replaced[correlation] = _refused(frame, version, error)
        return _REQUEST.pack(_API_VERSIONS, 0, correlation) + struct.pack(">h", -1)

    def _answer(self, frame: bytes) -> bytes:
        (correlation,) = _CORRELATION.unpack_from(frame)
        body = self._replaced.pop(correlation, None)
        return frame if body is None else _CORRELATION.pack(correlation) + body


def _taken(buffer: bytearray) -> bytes | None:
    """Return the first whole message of the buffer and take it out; None for half a one."""
    if len(buffer) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack_from(buffer)
    end = _SIZE.size + size
    if len(buffer) < end:
        return None
    frame = bytes(buffer[_SIZE.size : end])
    del buffer[:end]
    return frame


def _refused(frame: bytes, version: int, error: type[BrokerResponseError]) -> bytes:
    """Return the body of the answer that refuses every partition of a Produce request."""
    (name_bytes,) = struct.unpack_from(">h", frame, _REQUEST.size)
    request_type = _REQUESTS[version]
    request = request_type.decode(frame[_REQUEST.size + 2 + max(0, name_bytes) :])
    rest = (-1, -1) if version < 5 else (-1, -1, -1)
    topics = [
        (topic, [(number, error.errno, *rest) for number, _ in partitions])
        for topic, partitions in request.topics
    ]
    body: bytes = request_type.RESPONSE_TYPE(topics=topics, throttle_time_ms=0).encode()
    return body
