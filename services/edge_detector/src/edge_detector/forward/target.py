"""Where events are forwarded to. Unavailable may pass; Refused is the event's own fault."""

import ssl
from contextlib import AsyncExitStack
from typing import Protocol

import aiohttp
import aiomqtt
from maskwatch_runtime.errors import Unavailable
from pydantic import SecretStr

from edge_detector import broker as brokers
from edge_detector.broker import Broker
from edge_detector.forward.queue import Item

DEPENDENCY = "forward"
# The request itself is what is wrong with these; of the others a person can cure each (a token, an
# address, a quota), and no event may be lost until then.
_REFUSED = frozenset({400, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431})
_ANSWER_SIGNS = 200


class Refused(Exception):  # noqa: N818 - named for what is wrong, as all our errors are
    """This event will never be taken, however often it is sent."""


class Target(Protocol):
    """Takes events; the tests have one in memory."""

    async def send(self, item: Item) -> None:
        """Return once the other side has taken the event.

        Raises:
            Unavailable: Not now.
            Refused: Never.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class HttpTarget:
    """POSTs each event; `Idempotency-Key` is its id, so that a repetition can be told.

    Args:
        url: Of the API.
        token: Sent as `Authorization: Bearer` unless it is empty.
        tls: Whom to trust, and our certificate.
        timeout_s: For one event.
    """

    def __init__(
        self, url: str, *, token: SecretStr, tls: ssl.SSLContext, timeout_s: float
    ) -> None:
        self._url = url
        self._token = token
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, item: Item) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(item.event_id)}
        if token := self._token.get_secret_value():
            headers["Authorization"] = f"Bearer {token}"
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            # A redirect would carry the token to somebody else.
            async with self._session.post(
                self._url, data=item.body, headers=headers, ssl=self._tls, allow_redirects=False
            ) as answer:
                status, said = answer.status, await answer.content.read(_ANSWER_SIGNS)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(DEPENDENCY, str(error) or type(error).__name__) from error
        if not 200 <= status < 300:
            told = f"HTTP {status}: {said.decode(errors='replace')}"
            raise Refused(told) if status in _REFUSED else Unavailable(DEPENDENCY, told)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class MqttTarget:
    """Publishes each event with QoS 1 and waits for the broker's PUBACK.

    Args:
        broker: AWS IoT: its endpoint, port 8883, certificate and key of the thing.
        topic: `{type}` and `{device}` in it stand for the event's; `+ # /` of a guid become `_`.
        timeout_s: For one event.
    """

    def __init__(self, broker: Broker, *, topic: str, timeout_s: float) -> None:
        self._broker = broker
        self._topic = topic
        self._timeout_s = timeout_s
        self._open: AsyncExitStack | None = None
        self._client: aiomqtt.Client | None = None

    async def send(self, item: Item) -> None:
        try:
            connection = await self._connected()
            topic = topic_of(self._topic, item)
            await connection.publish(topic, item.body, qos=1, timeout=self._timeout_s)
        except (aiomqtt.MqttError, ValueError) as error:
            await self.close()
            raise Unavailable(DEPENDENCY, str(error)) from error

    async def close(self) -> None:
        opened, self._open, self._client = self._open, None, None
        if opened is not None:
            try:
                await opened.aclose()
            except aiomqtt.MqttError:
                return  # it was gone already

    async def _connected(self) -> aiomqtt.Client:
        if self._client is None:
            self._open = AsyncExitStack()
            client = brokers.client(self._broker, clean_session=True)
            self._client = await self._open.enter_async_context(client)
        return self._client


def topic_of(pattern: str, item: Item) -> str:
    """Return the topic of an event."""
    device = "".join("_" if sign in "+#/\x00" else sign for sign in item.device)
    return pattern.replace("{type}", item.kind).replace("{device}", device)
