"""The way in by MQTT: QoS 1, a persistent session, and no PUBACK before the result is durable.

What the broker has not been acknowledged for it delivers again, to this run or to the next one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiomqtt
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.retry import Backoff

from edge_detector import broker as brokers
from edge_detector.broker import Broker
from edge_detector.gateway.link import Link
from edge_detector.gateway.metrics import GatewayMetrics
from edge_detector.gateway.reception import Received, Reception, Way
from edge_detector.gateway.results import InvalidResult

_WAY = Way("mqtt", is_held_back=True)
# Nobody keeps these and sends them again.
_UNRELIABLE = Way("mqtt")
_BATCH = 64
# Brokers bound what is unacknowledged (mosquitto: 20, AWS IoT: 100); of QoS 0 there is no end.
_UNRELIABLE_MAX = 1000
_REFUSED = 128  # of a subscription: MQTT 3.1.1, section 3.9.3


@dataclass(frozen=True, slots=True)
class Topics:
    """Where boards publish; the level `+` is the board, without one the message names it."""

    result: str
    connect: str


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """What has arrived; of results that nobody would send again there is an end."""

    def __init__(self, metrics: GatewayMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if item.qos == 0 and self.qsize() >= _UNRELIABLE_MAX:
            self._metrics.results.labels(_WAY.name, "flood").inc()
            return
        super().put_nowait(item)

    def taken(self, limit: int) -> list[aiomqtt.Message]:
        """Return what is there already, at most so many."""
        return [self.get_nowait() for _ in range(min(limit, self.qsize()))]


def board_of(topic: str, pattern: str) -> str | None:
    """Return the level of a topic that stands for `+`; None when the pattern has none."""
    for told, level in zip(topic.split("/"), pattern.split("/"), strict=False):
        if level == "+":
            return told
    return None


class Subscriber:
    """Takes results from a broker for as long as the service runs."""

    def __init__(self, broker: Broker, topics: Topics, reception: Reception, link: Link) -> None:
        self._broker = broker
        self._topics = topics
        self._reception = reception
        self._link = link

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, and again whenever the broker goes away, until `stop` is set."""
        backoff = Backoff(initial_s=0.5, cap_s=60.0)
        await self._link.keep(lambda: self._session(stop), backoff=backoff, stop=stop)

    async def _session(self, stop: asyncio.Event) -> None:
        inbox = Inbox(self._link.metrics)
        connection = brokers.client(
            self._broker,
            clean_session=False,
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: inbox),  # noqa: ARG005 - the library's argument
        )
        # aiomqtt 2 acknowledges before anything is done with a message; paho below it can wait.
        paho = connection._client  # noqa: SLF001 - there is no public way yet
        paho.manual_ack_set(on=True)
        try:
            async with connection:
                await self._subscribe(connection)
                self._link.is_up()
                await self._receive(connection, inbox, paho.ack, stop)
        except aiomqtt.MqttError as error:
            # What came before the connection broke counts; the broker may not know it any more.
            await self._take(inbox.taken(inbox.qsize()), paho.ack, stop)
            raise Unavailable(self._link.name, str(error)) from error

    async def _subscribe(self, connection: aiomqtt.Client) -> None:
        for topic in (self._topics.result, self._topics.connect):
            granted = await connection.subscribe(topic, qos=1)
            if any(code == _REFUSED for code in granted):
                reason = f"the broker refuses the subscription to {topic}: look at its permissions"
                raise Unavailable(self._link.name, reason)

    async def _receive(
        self,
        connection: aiomqtt.Client,
        inbox: Inbox,
        ack: Callable[[int, int], object],
        stop: asyncio.Event,
    ) -> None:
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                batch = inbox.taken(_BATCH)
                if not batch:
                    # Raises when the connection is gone.
                    arriving = asyncio.ensure_future(anext(connection.messages))
                    await asyncio.wait({arriving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    if not arriving.done():
                        arriving.cancel()
                        return
                    batch = [arriving.result()]
                await self._take(batch, ack, stop)
        finally:
            stopping.cancel()

    async def _take(
        self,
        batch: Sequence[aiomqtt.Message],
        ack: Callable[[int, int], object],
        stop: asyncio.Event,
    ) -> None:
        """Hand the messages in, and acknowledge them once what follows from them is durable."""
        received = [self._received(message) for message in batch]
        durable = asyncio.gather(*(one.durable() for one in received if one is not None))
        stopping = asyncio.create_task(stop.wait())
        either: set[asyncio.Future[Any]] = {durable, stopping}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not durable.done():
            durable.cancel()
            return
        for message in batch:
            ack(message.mid, message.qos)

    def _received(self, message: aiomqtt.Message) -> Received | None:
        topic = str(message.topic)
        way = _WAY if message.qos else _UNRELIABLE
        if message.retain:
            # Told long ago; every subscription would tell it anew.
            self._link.metrics.results.labels(_WAY.name, "retained").inc()
            return None
        try:
            if message.topic.matches(self._topics.connect):
                board = board_of(topic, self._topics.connect)
                self._reception.connect(board or _text(message.payload), way=way)
                return None
            board = board_of(topic, self._topics.result)
            return self._reception.receive(_bytes(message.payload), board=board, way=way)
        except InvalidResult:
            return None  # counted and logged; it will not get better by being sent again


def _bytes(payload: object) -> bytes:
    return payload if isinstance(payload, bytes) else bytes(str(payload), "utf-8")


def _text(payload: object) -> str:
    return _bytes(payload)[:200].decode(errors="replace")
