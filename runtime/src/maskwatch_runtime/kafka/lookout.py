"""Looks at the topic from beside a consumer: is it there, and does what is new in it arrive?

A consumer that no longer fetches looks like one that has nothing to do; only the broker knows.
"""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from maskwatch_runtime.health import Health, Progress
from maskwatch_runtime.kafka.connection import unavailable
from maskwatch_runtime.kafka.outcome import TopicMissing


class Lookout:
    """Reports that records wait and none arrives, that the broker is away, or the topic gone.

    Args:
        consumer: Started.
        topic: What it reads.
        health: Told whether the broker answers.
        progress: Told whether records wait that do not arrive.
        timeout_s: How long the broker may take.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        topic: str,
        *,
        health: Health,
        progress: Progress,
        timeout_s: float,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._health = health
        self._progress = progress
        self._timeout_s = timeout_s
        self._is_away = False
        self._has_moved = True

    @property
    def is_away(self) -> bool:
        """Whether the broker did not answer when it was last asked."""
        return self._is_away

    def moved(self) -> None:
        """Say that records were fetched, or that none are wanted for now."""
        self._has_moved = True

    async def watch(self, *, every_s: float) -> None:
        """Look for ever.

        Raises:
            TopicMissing: The broker does not know the topic any more.
        """
        while True:
            await asyncio.sleep(every_s)
            await self.look()

    async def look(self) -> None:
        """Look once; see `watch`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                is_behind = await self._is_behind()
        except (KafkaError, TimeoutError, OSError) as error:
            # Whatever waits, a restart would not make the broker answer.
            self._is_away = True
            away = unavailable(error)
            self._health.missing(away.dependency, away.reason)
            self._progress.made()
            return
        if self._is_away:
            self._is_away = False
            self._health.present("kafka")
        if is_behind and not self._has_moved:
            self._progress.waits()
        else:
            self._progress.made()
        self._has_moved = False

    async def _is_behind(self) -> bool:
        """Return whether partitions of ours hold more than has been fetched."""
        if self._consumer.partitions_for_topic(self._topic) is None:
            raise TopicMissing(self._topic)
        mine = sorted(self._consumer.assignment() - self._consumer.paused())
        if not mine:
            return False
        ends = await self._consumer.end_offsets(mine)
        return await self._is_short_of(ends, mine)

    async def _is_short_of(
        self, ends: dict[TopicPartition, int], mine: Sequence[TopicPartition]
    ) -> bool:
        for partition in mine:
            try:
                # Where nothing is known of the position, nothing arrives either.
                async with asyncio.timeout(self._timeout_s / 4):
                    position = await self._consumer.position(partition)
            except TimeoutError:
                return True
            except IllegalStateError:  # given away meanwhile
                continue
            if ends[partition] > position:
                return True
        return False
