"""What the topics ask for: the number of a row in the archive, once each."""

from collections.abc import Collection, Mapping, Sequence

from maskwatch_proto import notification
from maskwatch_proto.invalid import InvalidMessage
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record

_BIGINT_MAX = 2**63 - 1


def decode(records: Sequence[Record], *, field: str) -> tuple[dict[int, Record], list[Rejected]]:
    """Return the records by the number that they ask for, and those that hold none.

    Args:
        records: From the topic.
        field: What the number is called, for the operator.
    """
    asked: dict[int, Record] = {}
    rejected = []
    for record in records:
        try:
            number = notification.decode(record.value)
        except InvalidMessage as error:
            rejected.append(Rejected(record, error.field, error.reason))
            continue
        if number > _BIGINT_MAX:
            rejected.append(Rejected(record, field, f"is {number}, too large for an id"))
        else:
            asked[number] = record
    return asked, rejected


def missing(asked: Mapping[int, Record], found: Collection[int], *, field: str) -> list[Rejected]:
    """Return the records that ask for what the archive does not have."""
    return [
        Rejected(record, field, f"is {number}, which is not in the archive")
        for number, record in asked.items()
        if number not in found
    ]
