from collections.abc import Sequence

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.kafka.message import Message
from maskwatch_runtime.kafka.outcome import Behind, Outcome, Refused, TopicMissing
from maskwatch_runtime.kafka.topics import MESSAGE_BYTES_MAX


class FakePublisher:
    """Keeps what is published in `messages`, in order.

    Attributes:
        is_down: While set, every message is Unavailable.
        missing: Topics that the broker does not know.
        accepts: So many messages are taken before the broker goes down; None for no end.
    """

    def __init__(self, *, accepts: int | None = None) -> None:
        self.messages: list[Message] = []
        self.is_down = False
        self.accepts = accepts
        self.missing: set[str] = set()

    async def connect(self) -> None:
        if self.is_down:
            raise Unavailable("kafka", "the fake broker is down")

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        refused: set[tuple[str, bytes | None]] = set()
        for message in messages:
            outcome = self._take(message, is_behind=(message.topic, message.key) in refused)
            if isinstance(outcome, Refused):
                refused.add((message.topic, message.key))
            outcomes.append(outcome)
        return outcomes

    async def close(self) -> None:
        """Nothing is open."""

    def _take(self, message: Message, *, is_behind: bool) -> Outcome:
        if len(message.value) > MESSAGE_BYTES_MAX:
            return Refused(f"the message has {len(message.value)} bytes")
        if is_behind:
            return Behind()
        if message.topic in self.missing and not self.is_down:
            return TopicMissing(message.topic)
        if self.accepts == 0:
            self.is_down = True
        if self.is_down:
            return Unavailable("kafka", "the fake broker is down")
        if self.accepts is not None:
            self.accepts -= 1
        self.messages.append(message)
        return None
