"""What becomes of a message that is published."""

from maskwatch_runtime.errors import Unavailable


class Refused(Exception):  # noqa: N818 - errors are named for what is wrong
    """The broker will never take this message; the reason is the text."""


class Behind(Exception):  # noqa: N818 - the same
    """Not sent: it must not overtake a message before it that was refused. Publish it again."""


class TopicMissing(Unavailable):
    """The broker answers and does not know the topic; messages of others are not held up."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"topic {topic}",
            "the broker does not know it (is the step `topics` run?), or the ACLs of"
            " MASKWATCH_KAFKA_USERNAME do not show it",
        )


# None once the broker has acknowledged it.
Outcome = None | Refused | Behind | Unavailable
