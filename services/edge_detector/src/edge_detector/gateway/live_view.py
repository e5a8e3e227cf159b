"""The way in by the live view of `edge-impulse-run-impulse`: a socket.io client.

The live view tells, as soon as somebody connects: `hello` {projectName, ...}, `classification`
{modelType, result: {classification | bounding_boxes}, timeMs, ...}, `image` {img: data URL}. It has
no token and no acknowledgement: keep it on the loopback interface or a network of its own.
Source: edgeimpulse/edge-impulse-linux-cli, cli/linux/runner-utils.ts.
"""

import asyncio
import json
from typing import Any

import socketio
import structlog
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.retry import Backoff

from edge_detector.gateway.boards import LiveView
from edge_detector.gateway.link import Link
from edge_detector.gateway.reception import Reception, Way
from edge_detector.gateway.results import InvalidResult

WAY = Way("live_view")
# The picture is that of the result only when it is about as old.
_PICTURE_AGE_S = 2.0
_CONNECT_TIMEOUT_S = 10

_log = structlog.get_logger()


class Listener:
    """Takes the results of one live view.

    Args:
        view: Where it is, and whose results it shows.
        reception: Takes them.
        link: The connection in health and metrics.
        clock: How old a picture is.
    """

    def __init__(self, view: LiveView, reception: Reception, link: Link, *, clock: Clock) -> None:
        self._view = view
        self._reception = reception
        self._link = link
        self._clock = clock
        self._picture: str | None = None
        self._picture_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, and again whenever the live view goes away, until `stop` is set."""
        backoff = Backoff(initial_s=0.5, cap_s=60.0)
        await self._link.keep(lambda: self._session(stop), backoff=backoff, stop=stop)

    def hello(self, told: Any = None) -> None:
        """Take the greeting."""
        project = told.get("projectName") if isinstance(told, dict) else None
        _log.info("live view", action="hello", board=self._view.board, project=str(project)[:200])
        try:
            self._reception.connect(self._view.board, way=WAY)
        except InvalidResult:
            return  # counted and logged

    def image(self, told: Any = None) -> None:
        """Keep the newest picture, if it is one that may be kept."""
        picture = told.get("img") if isinstance(told, dict) else None
        limits = self._reception.limits
        if isinstance(picture, str) and len(picture) < limits.picture_bytes_max * 4 // 3:
            self._picture, self._picture_s = picture, self._clock.monotonic_s()

    def classification(self, told: Any = None) -> None:
        """Take a result, with the picture that was shown last."""
        result = told.get("result") if isinstance(told, dict) else None
        is_recent = self._clock.monotonic_s() - self._picture_s <= _PICTURE_AGE_S
        message = {"result": result, "picture": self._picture if is_recent else None}
        try:
            # The same way as everybody's: one parser, one set of limits.
            payload = json.dumps(message).encode()
            self._reception.receive(payload, board=self._view.board, way=WAY)
        except InvalidResult:
            return  # counted and logged

    async def _session(self, stop: asyncio.Event) -> None:
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        client.on("hello", self.hello)
        client.on("image", self.image)
        client.on("classification", self.classification)
        try:
            await client.connect(str(self._view.url), wait_timeout=_CONNECT_TIMEOUT_S)
        except socketio.exceptions.SocketIOError as error:
            await client.disconnect()
            raise Unavailable(self._link.name, str(error)) from error
        self._link.is_up()
        # Older live views answer a greeting, newer ones greet first.
        await client.emit("hello")
        ended, stopping = asyncio.create_task(client.wait()), asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        # Ends `ended` as well; to cancel it would cancel the library's own reader below it.
        await client.disconnect()
        await asyncio.wait({ended})
        if not stop.is_set():
            raise Unavailable(self._link.name, "the live view has closed the connection")
