"""A TCP proxy that breaks connections on demand, in a thread of its own.

What is between client and server is chosen by a `Mode`, at any moment, for connections that are
open as well as for later ones.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, TypeVar

from devstack import ports

T = TypeVar("T")
Way = Literal["to_server", "to_client"]
_CHUNK_BYTES = 64 * 1024
_START_S = 10.0
_DELAYED_CHUNKS = 512
_Delayed = tuple[float, bytes]  # when on the loop's clock; no bytes are the end
# SO_LINGER with no time: close sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Mode:
    """What happens to bytes.

    Attributes:
        latency_s: Each chunk is passed on so much later; its order is kept.
        is_silent: Ways on which nothing is passed on, nor read: the sender's buffers fill up.
        is_dropping: Ways on which bytes are read and thrown away.
        is_refusing: A new connection is reset at once, open ones too.
        cut_after_bytes: On each connection, both ways together; then it is reset.
    """

    latency_s: float = 0.0
    is_silent: frozenset[Way] = frozenset()
    is_dropping: frozenset[Way] = frozenset()
    is_refusing: bool = False
    cut_after_bytes: int | None = None


_BOTH: frozenset[Way] = frozenset({"to_server", "to_client"})
PASS = Mode()
STALL = Mode(is_silent=_BOTH)
RESET = Mode(is_refusing=True)
BLACKHOLE = Mode(is_dropping=_BOTH)


class Filter(Protocol):
    """Changes what passes on one connection; see `faults.answers`."""

    def passed(self, way: Way, chunk: bytes) -> bytes:
        """Return what is passed on in place of a chunk; nothing holds it back for now."""
        ...


class Proxy:
    """Listens on 127.0.0.1 and passes on to a port there; a context manager.

    Args:
        target_port: The server's.
        port: To listen on; a free one by default.

    Attributes:
        accepted: Connections so far.
        filtered: Makes the filter of a connection, for those that are opened from now on.
    """

    def __init__(self, target_port: int, *, port: int | None = None) -> None:
        self.target_port = target_port
        self.port = port or ports.free(1)[0]
        self.accepted = 0
        self.filtered: Callable[[], Filter] | None = None
        self._mode = PASS
        self._changed = asyncio.Event()
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def open_connections(self) -> int:
        return len(self._links)

    def start(self) -> None:
        self._thread.start()
        self._server = self._wait(asyncio.start_server(self._serve, ports.LOOPBACK, self.port))

    def stop(self) -> None:
        """Reset all connections and end the thread."""
        if self._thread.is_alive():
            self._wait(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_START_S)
        self._loop.close()

    # --- what a case calls ---

    def heal(self) -> None:
        """Pass everything on again; what was held is delivered, what was dropped is not."""
        self.switch(PASS)

    def delay(self, seconds: float) -> None:
        """Pass each chunk on so much later, both ways."""
        self.switch(Mode(latency_s=seconds))

    def stall(self) -> None:
        """Accept connections, take nothing from them, answer nothing."""
        self.switch(STALL)

    def reset(self) -> None:
        """Reset open connections, and new ones at once."""
        self.switch(RESET)

    def blackhole(self) -> None:
        """Take all bytes and drop them, both ways, in silence."""
        self.switch(BLACKHOLE)

    def half_open(self, *, dead: Way = "to_client") -> None:
        """Drop the bytes of one way; the other works."""
        self.switch(Mode(is_dropping=frozenset({dead})))

    def cut_after(self, count: int) -> None:
        """Reset each connection once so many bytes have passed from now on."""
        self.switch(Mode(cut_after_bytes=count))

    def switch(self, mode: Mode) -> None:
        """Hold this mode from now on, for open connections too."""
        self._wait(self._switch(mode))

    def reset_once(self) -> int:
        """Reset the connections that are open now and return how many; new ones pass."""
        return self._wait(self._reset_links())

    # --- in the thread ---

    async def _switch(self, mode: Mode) -> None:
        self._mode = mode
        for link in self._links:
            link.passed_bytes = 0
        self._changed.set()
        self._changed = asyncio.Event()
        if mode.is_refusing:
            await self._reset_links()

    async def _reset_links(self) -> int:
        links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    async def _shut(self) -> None:
        self._server.close()
        await self._switch(RESET)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = _Link(writer, self.filtered() if self.filtered else None)
        if self._mode.is_refusing:
            link.reset()
            return
        self._links.add(link)
        try:
            await self._connect(link, reader)
        except (OSError, asyncio.CancelledError):  # cancelled at the end of the proxy
            link.reset()
        finally:
            self._links.discard(link)
            link.close()

    async def _connect(self, link: "_Link", reader: asyncio.StreamReader) -> None:
        await self._until(lambda mode: not mode.is_silent >= _BOTH)
        server_reader, server_writer = await asyncio.open_connection(
            ports.LOOPBACK, self.target_port
        )
        link.server = server_writer
        pumps = [
            asyncio.create_task(self._pump(link, reader, server_writer, "to_server")),
            asyncio.create_task(self._pump(link, server_reader, link.client, "to_client")),
        ]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        # Chunks wait here for their moment: latency must not lessen what passes in a second.
        delayed: asyncio.Queue[_Delayed] = asyncio.Queue(_DELAYED_CHUNKS)
        sending = asyncio.create_task(self._send(link, delayed, writer))
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._until(lambda mode: way not in mode.is_silent)
                passed = link.passed(way, chunk)
                if passed and way not in self._mode.is_dropping:
                    await delayed.put((self._loop.time() + self._mode.latency_s, passed))
            if way not in self._mode.is_dropping:
                await delayed.put((self._loop.time() + self._mode.latency_s, b""))
                await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(
        self, link: "_Link", delayed: "asyncio.Queue[_Delayed]", writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due_s, chunk = await delayed.get()
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            if not chunk:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(self._within_cut(link, chunk))
            with contextlib.suppress(OSError):
                await writer.drain()
            if self._is_cut(link):
                link.reset()
                return

    def _within_cut(self, link: "_Link", chunk: bytes) -> bytes:
        limit = self._mode.cut_after_bytes
        passed = chunk if limit is None else chunk[: max(0, limit - link.passed_bytes)]
        link.passed_bytes += len(passed)
        return passed

    def _is_cut(self, link: "_Link") -> bool:
        limit = self._mode.cut_after_bytes
        return limit is not None and link.passed_bytes >= limit

    async def _until(self, condition: Callable[[Mode], bool]) -> None:
        while not condition(self._mode):
            await self._changed.wait()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)


class _Link:
    """One connection: the client's side, and the server's once there is one."""

    def __init__(self, client: asyncio.StreamWriter, filter_: Filter | None) -> None:
        self.client = client
        self._filter = filter_
        self.server: asyncio.StreamWriter | None = None
        self.passed_bytes = 0

    def passed(self, way: Way, chunk: bytes) -> bytes:
        return chunk if self._filter is None else self._filter.passed(way, chunk)

    def reset(self) -> None:
        for writer in self._writers():
            connection: socket.socket | None = writer.get_extra_info("socket")
            if connection is not None and connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def close(self) -> None:
        for writer in self._writers():
            writer.close()

    def _writers(self) -> list[asyncio.StreamWriter]:
        return [self.client] if self.server is None else [self.client, self.server]
