import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError
from maskwatch_runtime.health import Health
from maskwatch_runtime.kafka.lookout import Lookout
from maskwatch_runtime.kafka.outcome import TopicMissing
from maskwatch_runtime.testing import FakeClock

_FIRST, _SECOND = TopicPartition("topic", 0), TopicPartition("topic", 1)


class _Consumer:
    """Has two partitions; positions and ends as the test says."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {_FIRST: 5, _SECOND: 0}
        self.ends = {_FIRST: 5, _SECOND: 0}
        self.held: set[TopicPartition] = set()
        self.is_known = True
        self.error: KafkaError | None = None

    def partitions_for_topic(self, _: str) -> set[int] | None:
        return {0, 1} if self.is_known else None

    def assignment(self) -> set[TopicPartition]:
        return {_FIRST, _SECOND}

    def paused(self) -> set[TopicPartition]:
        return self.held

    async def end_offsets(self, _: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if self.error is not None:
            raise self.error
        return self.ends

    async def position(self, partition: TopicPartition) -> int:
        if partition not in self.positions:
            await asyncio.Event().wait()
        if self.positions[partition] < 0:
            raise IllegalStateError
        return self.positions[partition]


class _Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.consumer = _Consumer()
        self.lookout = Lookout(
            cast("AIOKafkaConsumer", self.consumer),
            "topic",
            health=self.health,
            progress=self.health.track("fetching"),
            timeout_s=0.02,
        )

    async def is_live(self, *, looks: int = 2) -> bool:
        """Whether it is live when a minute goes by between two looks."""
        for _ in range(looks):
            await self.lookout.look()
            self.clock.advance(61)
        return not self.health.not_live()


@pytest.fixture
def scene() -> _Scene:
    made = _Scene()
    made.lookout._has_moved = False  # noqa: SLF001 - as long after the start
    return made


async def test_topic_without_news_is_no_stall(scene: _Scene) -> None:
    assert await scene.is_live()


async def test_records_that_never_arrive_are_a_stall(scene: _Scene) -> None:
    scene.consumer.ends[_SECOND] = 1

    assert not await scene.is_live()


async def test_records_that_arrive_slowly_are_none(scene: _Scene) -> None:
    scene.consumer.ends[_FIRST] = 1_000
    for _ in range(5):
        scene.lookout.moved()
        assert await scene.is_live(looks=1)


async def test_partition_that_is_held_back_is_not_waited_for(scene: _Scene) -> None:
    scene.consumer.ends[_FIRST] = 1_000
    scene.consumer.held = {_FIRST}

    assert await scene.is_live()


async def test_unknown_position_is_a_stall(scene: _Scene) -> None:
    del scene.consumer.positions[_FIRST]

    assert not await scene.is_live()


async def test_partition_that_was_given_away_is_left_out(scene: _Scene) -> None:
    scene.consumer.positions[_FIRST] = -1

    assert await scene.is_live()


async def test_broker_that_is_away_is_missing_and_no_stall(scene: _Scene) -> None:
    scene.consumer.ends[_FIRST] = 1_000
    await scene.lookout.look()
    scene.consumer.error = KafkaConnectionError("gone")

    assert await scene.is_live()
    assert list(scene.health.not_ready()) == ["kafka"]
    scene.consumer.error = None
    scene.consumer.ends[_FIRST] = 5
    assert await scene.is_live()
    assert scene.health.not_ready() == {}


async def test_topic_that_is_gone_is_said(scene: _Scene) -> None:
    scene.consumer.is_known = False

    with pytest.raises(TopicMissing, match="topic topic"):
        async with asyncio.timeout(5):
            await scene.lookout.watch(every_s=0)
