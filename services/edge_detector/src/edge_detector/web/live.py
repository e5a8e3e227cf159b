"""The live page's web socket: what the board shows goes to each browser, the latest frame first."""

import asyncio
from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass, field

import structlog
from maskwatch_runtime.clock import Clock
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge_detector.web import wire
from edge_detector.web.board import Board, Frame
from edge_detector.web.guard import Keys
from edge_detector.web.wire import Ping

# Frames of one camera on their way; the next waits until one is drawn, so that none grows old.
_ON_THEIR_WAY_MAX = 2
# A browser pings every second; one that is silent for so long is gone.
_SILENCE_S = 30.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Show:
    """What the viewers have in common.

    Attributes:
        encoding: Where JPEGs are made: not in the event loop, not in the detection's thread.
        width_px_max: Of a picture on the page.
        has_controls: Whether cameras can be started and stopped.
    """

    board: Board
    keys: Keys
    clock: Clock
    encoding: Executor
    width_px_max: int
    has_controls: bool
    viewers_max: int = 16
    viewers: set[object] = field(default_factory=set)


async def watch(socket: WebSocket, show: Show) -> None:
    """Serve one browser until it leaves or its session ends."""
    if len(show.viewers) >= show.viewers_max:
        await socket.close(1013, "too many viewers")
        return
    await socket.accept()
    viewer = _Viewer(socket, show)
    show.viewers.add(viewer)
    show.board.listen(viewer.wake)
    try:
        await viewer.serve()
    finally:
        show.board.leave(viewer.wake)
        show.viewers.discard(viewer)


class _Viewer:
    def __init__(self, socket: WebSocket, show: Show) -> None:
        self._socket = socket
        self._show = show
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._changed.set()
        self._version = -1
        self._sent: dict[str, Frame] = {}
        self._on_their_way: Counter[str] = Counter()

    def wake(self) -> None:
        """Have the next look at the board; called from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def serve(self) -> None:
        tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._tell())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            task.result()

    async def _hear(self) -> None:
        try:
            while self._may_stay():
                message = await asyncio.wait_for(self._socket.receive(), _SILENCE_S)
                if message["type"] == "websocket.disconnect":
                    return
                said = wire.heard(message.get("text") or "")
                if said is None:
                    await self._socket.close(1003, "no word of ours")
                    return
                if isinstance(said, Ping):
                    now_s = self._show.clock.monotonic_s()
                    await self._socket.send_text(wire.pong(said, now_s=now_s))
                elif self._on_their_way[said.camera] > 0:
                    self._on_their_way[said.camera] -= 1
                    self._changed.set()
            await self._socket.close(1008, "the session has ended")
        except TimeoutError:
            await self._socket.close(1001, "silent for too long")
        except WebSocketDisconnect:
            return

    async def _tell(self) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._tell_board()
                for camera, frame in self._show.board.newest().items():
                    await self._tell_frame(camera, frame)
        except WebSocketDisconnect:
            return

    async def _tell_board(self) -> None:
        version = self._show.board.version
        if version != self._version:
            self._version = version
            text = wire.board(
                self._show.board,
                has_controls=self._show.has_controls,
                has_login=self._show.keys.token is not None,
            )
            await self._socket.send_text(text)

    async def _tell_frame(self, camera: str, frame: Frame) -> None:
        is_new = self._sent.get(camera) is not frame
        if not is_new or self._on_their_way[camera] >= _ON_THEIR_WAY_MAX:
            return
        self._sent[camera] = frame
        self._on_their_way[camera] += 1
        width_px = self._show.width_px_max
        jpeg = await self._loop.run_in_executor(
            self._show.encoding, lambda: frame.jpeg(width_px_max=width_px)
        )
        await self._socket.send_bytes(wire.frame(camera, frame, jpeg=jpeg))

    def _may_stay(self) -> bool:
        return self._show.keys.may_stay(self._socket)
