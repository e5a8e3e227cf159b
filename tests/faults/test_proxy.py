"""The fault proxy before a server that answers with what it hears, on real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from faults.proxy import Mode, Proxy

_SILENCE_S = 0.2
_GIVE_UP_S = 10.0


class Echo:
    """A server that sends back what it hears and keeps it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.lost = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                self.heard += data
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.lost.set()
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    made = Echo()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    made = Proxy(echo.port)
    made.start()
    yield made
    await asyncio.to_thread(made.stop)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, count: int) -> bytes:
        async with asyncio.timeout(_GIVE_UP_S):
            return await self.reader.readexactly(count)

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(_SILENCE_S):
                return await self.reader.read(1) == b"never"
        except TimeoutError:
            return True


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    made = Client(reader, writer)
    made.say(b"hello")
    assert await made.hear(5) == b"hello"
    yield made
    writer.transport.abort()


async def _ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"ping")
        async with asyncio.timeout(_GIVE_UP_S):
            return await reader.readexactly(4)
    finally:
        writer.transport.abort()


async def test_everything_passes_and_connections_are_counted(proxy: Proxy, client: Client) -> None:
    data = bytes(range(256)) * 4_000
    client.say(data)
    assert await client.hear(len(data)) == data
    assert (proxy.accepted, proxy.open_connections) == (1, 1)


async def test_latency_delays_both_ways(proxy: Proxy, client: Client) -> None:
    proxy.delay(0.15)
    began_s = time.monotonic()
    client.say(b"ping")
    assert await client.hear(4) == b"ping"
    assert time.monotonic() - began_s >= 0.3


async def test_what_was_stalled_arrives_once_it_is_healed(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    proxy.stall()
    client.say(b"ping")
    assert await client.hears_nothing()
    assert bytes(echo.heard) == b"hello"
    proxy.heal()
    assert await client.hear(4) == b"ping"


async def test_a_connection_made_while_it_stalls_is_accepted_and_not_answered(
    proxy: Proxy,
) -> None:
    proxy.stall()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    waiting = Client(reader, writer)
    waiting.say(b"ping")
    assert await waiting.hears_nothing()
    proxy.heal()
    assert await waiting.hear(4) == b"ping"
    writer.transport.abort()


async def test_reset_ends_open_and_new_connections(proxy: Proxy, client: Client) -> None:
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await client.hear(1)
    with pytest.raises(ConnectionError):  # while it connects, or at its first byte
        await _ask(proxy.port)


async def test_reset_once_spares_later_connections(proxy: Proxy, client: Client) -> None:
    assert proxy.reset_once() == 1
    with pytest.raises(ConnectionResetError):
        await client.hear(1)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    later = Client(reader, writer)
    later.say(b"ping")
    assert await later.hear(4) == b"ping"
    writer.transport.abort()


async def test_what_was_dropped_never_arrives(proxy: Proxy, client: Client, echo: Echo) -> None:
    proxy.blackhole()
    client.say(b"gone")
    assert await client.hears_nothing()
    proxy.heal()
    client.say(b"ping")
    assert await client.hear(4) == b"ping"
    assert bytes(echo.heard) == b"helloping"


async def test_half_open_lets_the_server_hear_and_the_client_not(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    proxy.half_open(dead="to_client")
    client.say(b"ping")
    assert await client.hears_nothing()
    assert bytes(echo.heard) == b"helloping"


async def test_a_connection_is_cut_after_so_many_bytes(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    proxy.switch(Mode(is_dropping=frozenset({"to_client"}), cut_after_bytes=1_000))
    client.say(bytes(5_000))
    async with asyncio.timeout(_GIVE_UP_S):
        await echo.lost.wait()
    assert len(echo.heard) == len(b"hello") + 1_000


async def test_a_server_that_is_away_resets_its_client(proxy: Proxy, echo: Echo) -> None:
    dead = Proxy(1)
    dead.start()
    with pytest.raises(ConnectionError):
        await _ask(dead.port)
    await asyncio.to_thread(dead.stop)
    assert proxy.accepted == 0
    assert not echo.heard
