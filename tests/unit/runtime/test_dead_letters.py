import pytest
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.dead_letters import DeadLetters, Rejected, TooManyInvalid
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.kafka.topics import MESSAGE_BYTES_MAX
from maskwatch_runtime.testing import FakePublisher
from prometheus_client import CollectorRegistry, Counter, Gauge


class _Letters:
    def __init__(self, *, in_a_row_max: int = 1000, accepts: int | None = None) -> None:
        self.registry = CollectorRegistry()
        self.publisher = FakePublisher(accepts=accepts)
        self.letters = DeadLetters(
            self.publisher,
            topic="topic.dlq",
            counter=Counter("rejected", "-", registry=self.registry),
            in_a_row_max=in_a_row_max,
            held=Gauge("held", "-", registry=self.registry),
        )

    @property
    def is_held(self) -> bool:
        return self.registry.get_sample_value("held") == 1

    @property
    def counted(self) -> float:
        return self.registry.get_sample_value("rejected_total") or 0.0


def _rejected(count: int, *, value: bytes = b"bytes") -> list[Rejected]:
    records = [
        Record("topic", 3, offset, 1_700_000_000_000, b"key", value, (("ce_id", b"7"),))
        for offset in range(count)
    ]
    return [Rejected(record, "probability", "is NaN") for record in records]


async def test_message_is_kept_whole_with_the_reason_beside_it() -> None:
    dead = _Letters()

    await dead.letters.send(_rejected(1), of=2)

    (message,) = dead.publisher.messages
    headers = dict(message.headers)
    assert (message.topic, message.key, message.value) == ("topic.dlq", b"key", b"bytes")
    assert headers.pop("dlq.rejected_at")
    assert headers == {
        "ce_id": b"7",
        "dlq.topic": b"topic",
        "dlq.partition": b"3",
        "dlq.offset": b"0",
        "dlq.timestamp_ms": b"1700000000000",
        "dlq.field": b"probability",
        "dlq.reason": b"is NaN",
    }
    assert dead.counted == 1


async def test_nothing_rejected_publishes_nothing() -> None:
    dead = _Letters()

    await dead.letters.send([], of=10)

    assert dead.publisher.messages == []


async def test_away_broker_keeps_the_batch_from_being_done() -> None:
    dead = _Letters(accepts=1)

    with pytest.raises(Unavailable):
        await dead.letters.send(_rejected(2), of=2)


async def test_letter_that_is_too_large_is_kept_as_far_as_it_fits() -> None:
    dead = _Letters()
    value = b"begins" + bytes(MESSAGE_BYTES_MAX)

    await dead.letters.send(_rejected(1, value=value), of=1)

    (message,) = dead.publisher.messages
    assert message.value == value[: 1024 * 1024]
    assert dict(message.headers)["dlq.size_bytes"] == str(len(value)).encode()
    assert dict(message.headers)["dlq.reason"] == b"is NaN"


async def test_letter_that_is_too_large_waits_for_an_away_broker() -> None:
    dead = _Letters(accepts=0)
    large = _rejected(1, value=bytes(MESSAGE_BYTES_MAX + 1))

    with pytest.raises(Unavailable):
        await dead.letters.send(large, of=1)

    assert dead.counted == 0


async def test_too_many_in_a_row_hold_everything_and_publish_nothing_of_the_last_batch() -> None:
    dead = _Letters(in_a_row_max=5)
    await dead.letters.send(_rejected(3), of=3)

    for _ in range(2):  # as often as it is tried
        with pytest.raises(TooManyInvalid, match=r"6 messages in a row .* probability is NaN"):
            await dead.letters.send(_rejected(3), of=3)

    assert len(dead.publisher.messages) == 3
    assert dead.is_held


async def test_too_many_in_a_row_is_a_reason_to_wait_that_names_who_has_to_be_mended() -> None:
    dead = _Letters(in_a_row_max=5)

    with pytest.raises(Unavailable) as caught:
        await dead.letters.send(_rejected(6), of=6)

    assert caught.value.dependency == "producer of topic"
    assert "topic.dlq" in caught.value.reason
    assert "MASKWATCH_DEAD_LETTERS_MAX" in caught.value.reason


async def test_once_held_shorter_batches_are_held_as_well() -> None:
    dead = _Letters(in_a_row_max=5)
    await dead.letters.send(_rejected(3), of=3)
    with pytest.raises(TooManyInvalid):
        await dead.letters.send(_rejected(3), of=3)

    with pytest.raises(TooManyInvalid):
        await dead.letters.send(_rejected(1), of=1)

    assert dead.is_held


async def test_something_valid_lets_go_of_what_was_held() -> None:
    dead = _Letters(in_a_row_max=5)
    with pytest.raises(TooManyInvalid):
        await dead.letters.send(_rejected(6), of=6)

    await dead.letters.send([], of=1)
    await dead.letters.send(_rejected(5), of=5)

    assert not dead.is_held
    assert len(dead.publisher.messages) == 5


async def test_one_good_message_starts_the_count_anew() -> None:
    dead = _Letters(in_a_row_max=5)
    await dead.letters.send(_rejected(5), of=5)
    await dead.letters.send(_rejected(5), of=6)

    await dead.letters.send(_rejected(5), of=5)

    assert len(dead.publisher.messages) == 15


async def test_repeat_after_an_away_broker_does_not_count_twice() -> None:
    dead = _Letters(in_a_row_max=3)
    dead.publisher.is_down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await dead.letters.send(_rejected(3), of=3)
    dead.publisher.is_down = False

    await dead.letters.send(_rejected(3), of=3)

    assert dead.counted == 3


async def test_letters_behind_one_that_is_too_large_are_kept_too() -> None:
    dead = _Letters()
    large = _rejected(1, value=bytes(MESSAGE_BYTES_MAX + 1))

    await dead.letters.send([*large, *_rejected(3)], of=5)

    assert dead.counted == 4
    assert [len(message.value) for message in dead.publisher.messages][1:] == [5, 5, 5]
