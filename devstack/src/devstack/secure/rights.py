"""What each login may do on Kafka; docs/security.md has the same as commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from maskwatch_runtime.kafka import topics


class Resource(IntEnum):
    """Numbers of Kafka's protocol (ResourceType)."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """Numbers of Kafka's protocol (AclOperation); each of these includes Describe, but Create."""

    READ = 3
    WRITE = 4
    CREATE = 5


@dataclass(frozen=True, slots=True)
class Right:
    resource: Resource
    name: str
    operation: Operation


def _of(resource: Resource, operation: Operation, *names: str) -> tuple[Right, ...]:
    return tuple(Right(resource, name, operation) for name in names)


RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "dispatcher": _of(Resource.TOPIC, Operation.WRITE, topics.ALERT, topics.DEVICE_EVENT),
    "ingress": (
        *_of(Resource.TOPIC, Operation.READ, topics.ALERT, topics.DEVICE_EVENT),
        *_of(Resource.GROUP, Operation.READ, "ingress", "ingress-device-event"),
        *_of(
            Resource.TOPIC,
            Operation.WRITE,
            topics.ALERT_DEAD_LETTERS,
            topics.DEVICE_EVENT_DEAD_LETTERS,
            topics.NOTIFY,
            topics.NOTIFY_EVENT,
        ),
    ),
    "notifier": (
        *_of(Resource.TOPIC, Operation.READ, topics.NOTIFY, topics.NOTIFY_EVENT),
        *_of(Resource.GROUP, Operation.READ, "notifier", "notifier-device-event"),
        *_of(
            Resource.TOPIC,
            Operation.WRITE,
            topics.NOTIFY_DEAD_LETTERS,
            topics.NOTIFY_EVENT_DEAD_LETTERS,
        ),
    ),
    # The one-shot step `python -m ingress topics`.
    "topics": _of(Resource.TOPIC, Operation.CREATE, *(topic.name for topic in topics.TOPICS)),
}
