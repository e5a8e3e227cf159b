"""Where to go on in a partition whose committed offset is not there: always at the earliest record.

A group that has committed nothing begins there. One whose offset retention has passed has missed
records: that is said, and counted.
"""

from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reset:
    """A partition goes on at `offset`; so many records before it were deleted unread."""

    partition: TopicPartition
    offset: int
    missed: int


async def reset(
    consumer: AIOKafkaConsumer, error: NoOffsetForPartitionError | OffsetOutOfRangeError
) -> list[Reset]:
    """Move the partitions that the error names to their earliest records.

    Raises:
        KafkaError: The broker does not say where these are.
    """
    left = _left_at(error)
    begins = await consumer.beginning_offsets(list(left))
    done: list[Reset] = []
    for partition, offset in left.items():
        begin = begins[partition]
        try:
            consumer.seek(partition, begin)
        except IllegalStateError:  # given away meanwhile: whoever has it now meets the same
            continue
        missed = 0 if offset is None else max(0, begin - offset)
        done.append(Reset(partition, begin, missed))
        if offset is not None:
            _tell(partition, offset, begin)
    return done


def _left_at(
    error: NoOffsetForPartitionError | OffsetOutOfRangeError,
) -> dict[TopicPartition, int | None]:
    """Return the offset by partition; None where nothing was ever committed."""
    (named,) = error.args
    return {named: None} if isinstance(named, TopicPartition) else dict(named)


def _tell(partition: TopicPartition, offset: int, begin: int) -> None:
    where = {"topic": partition.topic, "partition": partition.partition, "offset": offset}
    if begin > offset:
        missed = begin - offset
        _log.error("records were deleted unread", action="reset", missed=missed, **where)
    else:
        # Behind the end: the topic was made anew, or a broker lost what it had acknowledged.
        _log.error("the partition ends before our offset", action="reset", begin=begin, **where)
