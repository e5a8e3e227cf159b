"""What a member of a consumer group has to commit, however long the broker is away."""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, KafkaTimeoutError

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.connection import unavailable
from maskwatch_runtime.kafka.in_flight import Offsets
from maskwatch_runtime.kafka.lookout import Lookout

_log = structlog.get_logger()


class Commits:
    """Offsets on their way to the broker; what it does not take now is kept, and tried again.

    By the same member: a new one is let in only once the session of the old one has ended, 10 s
    after a broker that was restarted is back.

    Args:
        consumer: The member.
        lookout: Knows whether the broker answers.
        on_wait: Told why a commit is tried again.
        again_s: How soon.
        patience_s: A broker that answers others for so long, and not this member's commits, needs a
            new member.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        *,
        lookout: Lookout,
        on_wait: Callable[[Unavailable], None],
        again_s: float = 0.5,
        patience_s: float = 15.0,
    ) -> None:
        self._consumer = consumer
        self._lookout = lookout
        self._on_wait = on_wait
        self._offsets: Offsets = {}
        self._failing_since_s: float | None = None
        self._due_s = 0.0
        self._again_s = again_s
        self._patience_s = patience_s

    def add(self, offsets: Offsets) -> None:
        """Take offsets of what is done."""
        self._offsets |= offsets

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Leave these to whoever has the partitions now."""
        for partition in partitions:
            self._offsets.pop(partition, None)

    async def flush(self, *, timeout_s: float) -> bool:
        """Commit what is there and due; return whether the broker took or refused it.

        Raises:
            Unavailable: It will not take them from this member.
        """
        if not self._offsets or _now_s() < self._due_s:
            return False
        offsets = dict(self._offsets)
        try:
            await self._commit(offsets, timeout_s=timeout_s)
        except (KafkaError, TimeoutError) as error:
            self._put_off(error)
            return False
        self._failing_since_s = None
        self.forget(offsets)
        return True

    async def _commit(self, offsets: Offsets, *, timeout_s: float) -> None:
        try:
            # aiokafka looks for a lost coordinator without end.
            async with asyncio.timeout(timeout_s):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            # The group has moved on; whoever has the partition now handles the records again.
            _log.warning("commit refused", action="commit", reason=str(error))

    def _put_off(self, error: KafkaError | TimeoutError) -> None:
        failure, now_s = unavailable(error), _now_s()
        if self._failing_since_s is None:
            _log.warning("commit put off", action="commit", reason=failure.reason)
        if self._failing_since_s is None or self._lookout.is_away:
            self._failing_since_s = now_s
        is_passing = isinstance(error, TimeoutError | KafkaTimeoutError) or error.retriable
        if not is_passing or now_s > self._failing_since_s + self._patience_s:
            raise failure from error
        self._due_s = now_s + self._again_s
        self._on_wait(failure)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
