"""The topics, and the one-shot step that creates them; nothing relies on auto-creation."""

from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.kafka.connection import client_options, not_let_in
from maskwatch_runtime.settings import KafkaSettings

ALERT = "alert-topic"
ALERT_DEAD_LETTERS = "alert-topic.dlq"
NOTIFY = "to-notify-topic"
NOTIFY_DEAD_LETTERS = "to-notify-topic.dlq"
# Ours alone: on the two above an original program never meets what it cannot read.
DEVICE_EVENT = "device-event-topic"
DEVICE_EVENT_DEAD_LETTERS = "device-event-topic.dlq"
NOTIFY_EVENT = "notify-event-topic"
NOTIFY_EVENT_DEAD_LETTERS = "notify-event-topic.dlq"

MESSAGE_BYTES_MAX = 4 * 1024 * 1024 + 64 * 1024  # the contract's limit and room for the headers
LETTER_BYTES_MAX = MESSAGE_BYTES_MAX + 16 * 1024  # the largest message and why it was rejected
_DAY_MS = 24 * 3600 * 1000
_NO_RIGHT, _TOPIC_ALREADY_EXISTS = 29, 36  # Kafka's error codes


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)


def _configs(retention_days: int, *, bytes_max: int = MESSAGE_BYTES_MAX) -> dict[str, str]:
    return {
        "max.message.bytes": str(bytes_max),
        "retention.ms": str(retention_days * _DAY_MS),
    }


# Dead letters stay longer: a person has to look at them.
TOPICS = (
    Topic(ALERT, 6, _configs(7)),
    Topic(ALERT_DEAD_LETTERS, 1, _configs(30, bytes_max=LETTER_BYTES_MAX)),
    Topic(NOTIFY, 6, _configs(7)),
    Topic(NOTIFY_DEAD_LETTERS, 1, _configs(30, bytes_max=LETTER_BYTES_MAX)),
    Topic(DEVICE_EVENT, 6, _configs(7)),
    Topic(DEVICE_EVENT_DEAD_LETTERS, 1, _configs(30, bytes_max=LETTER_BYTES_MAX)),
    Topic(NOTIFY_EVENT, 6, _configs(7)),
    Topic(NOTIFY_EVENT_DEAD_LETTERS, 1, _configs(30, bytes_max=LETTER_BYTES_MAX)),
)


def dead_letters_of(topic: str) -> str:
    """Return where what nobody can read of a topic is kept."""
    return f"{topic}.dlq"


async def create(settings: KafkaSettings, *, replication: int) -> list[str]:
    """Create the topics that do not exist yet and return their names.

    Raises:
        Unavailable: No broker answered.
        Misconfigured: The broker refused, such as for more replicas than brokers.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        wanted = [
            NewTopic(topic.name, topic.partitions, replication, topic_configs=dict(topic.configs))
            for topic in TOPICS
        ]
        response = await admin.create_topics(wanted)
    except KafkaError as error:
        raise await not_let_in(error, settings) from error
    finally:
        await admin.close()
    created = []
    for name, code, *reason in response.topic_errors:
        if code == 0:
            created.append(name)
        elif code == _NO_RIGHT:
            raise Misconfigured(
                f"the ACLs of MASKWATCH_KAFKA_USERNAME do not allow to create topic {name}"
            )
        elif code != _TOPIC_ALREADY_EXISTS:
            raise Misconfigured(f"Kafka refused topic {name}: {for_code(code).__name__} {reason}")
    return created
