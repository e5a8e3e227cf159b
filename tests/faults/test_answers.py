"""The answers that a broker is made to give; cases F10 and F11 stand on them."""

import struct

from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7

from faults.answers import Answers

_API_VERSIONS = 18


def _request(correlation: int) -> bytes:
    body = ProduceRequest_v7(None, -1, 1_000, [("topic", [(0, b"batch"), (4, b"batch")])]).encode()
    return _framed(struct.pack(">hhih", 0, 7, correlation, 2) + b"me" + body)


def _framed(content: bytes) -> bytes:
    return struct.pack(">i", len(content)) + content


def test_what_is_not_refused_passes_unchanged_in_any_pieces() -> None:
    conversation = Answers().conversation()
    request = _request(7)

    passed = b"".join(
        conversation.passed("to_server", request[n : n + 1]) for n in range(len(request))
    )

    assert passed == request


def test_refused_request_never_reaches_the_broker_and_is_answered_in_its_place() -> None:
    answers = Answers()
    conversation = answers.conversation()
    answers.refuse(NotLeaderForPartitionError, times=1)

    passed = conversation.passed("to_server", _request(7) + _request(8))
    (size,) = struct.unpack_from(">i", passed)
    answered = conversation.passed("to_client", _framed(struct.pack(">i", 7) + b"versions"))

    assert struct.unpack_from(">hhi", passed, 4) == (_API_VERSIONS, 0, 7)
    assert passed[4 + size :] == _request(8)
    assert struct.unpack_from(">i", answered, 4) == (7,)
    answer = ProduceResponse_v7.decode(answered[8:])
    assert answer.topics == [("topic", [(0, 6, -1, -1, -1), (4, 6, -1, -1, -1)])]
    assert answers.given == {"NotLeaderForPartitionError": 1}


def test_answer_to_anything_else_passes_unchanged() -> None:
    conversation = Answers().conversation()
    answer = _framed(struct.pack(">i", 9) + b"metadata")

    assert conversation.passed("to_client", answer) == answer
