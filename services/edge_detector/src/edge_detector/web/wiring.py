"""The page and the routes on a detector that runs."""

import asyncio
from dataclasses import dataclass

from maskwatch_runtime.clock import Clock

from edge_detector import loading
from edge_detector.settings import EdgeDetectorSettings
from edge_detector.sources.pushed import PushedSource
from edge_detector.stations.roster import Condition, Roster
from edge_detector.web import server
from edge_detector.web.board import Board, State
from edge_detector.web.judges import Judges
from edge_detector.web.predict import About


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows, and what its buttons start and stop."""

    board: Board
    roster: Roster
    clock: Clock


class Cameras:
    """The stations as the page's buttons and those who bring frames know them."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    def start(self, camera: str) -> None:
        self._shown.roster.start(camera)
        self._shown.board.state(camera, State.WAITING)

    def stop(self, camera: str) -> None:
        self._shown.roster.stop(camera)
        self._shown.board.state(camera, State.STOPPED)

    def taking(self, camera: str) -> PushedSource | None:
        """Return what a camera's frames are brought to; None when it is read, or is stopped."""
        is_stopped = self._shown.roster.condition(camera)[0] is Condition.STOPPED
        return None if is_stopped else self._shown.roster.pushed(camera)


async def serve(settings: EdgeDetectorSettings, shown: Shown, *, stop: asyncio.Event) -> None:
    """Serve page and routes until `stop` is set; pictures are judged by models of their own.

    Raises:
        Misconfigured: The port is taken, or the certificate cannot be read.
    """
    # On the processor: what a program sends may not hold up the cameras' accelerator.
    models = [
        await asyncio.to_thread(loading.load, settings) for _ in range(settings.predict_workers)
    ]
    judges = Judges([one.built() for one in models], queue_max=settings.predict_queue_max)
    second = models[0].classifier
    about = About(
        models[0].detector.manifest,
        None if second is None else second.manifest,
        models[0].detector.runtime,
    )
    cameras = Cameras(shown)
    parts = server.Parts(judges, about, shown.board, shown.clock, cameras, cameras)
    try:
        await server.serve(server.application(settings, parts), settings, stop=stop)
    finally:
        await asyncio.to_thread(judges.close)
