"""From a camera's plan to what its station reads."""

from collections.abc import Callable
from pathlib import Path

from maskwatch_runtime.clock import Clock

from edge_detector.cameras import CameraPlan, SourceKind
from edge_detector.sources import files
from edge_detector.sources.base import Pace, Stop
from edge_detector.sources.files import FileOptions
from edge_detector.sources.pushed import PushedSource
from edge_detector.stations import wire
from edge_detector.stations.reader import FileReader, ProcessReader, PushedReader, Reader

PUSHED = frozenset({SourceKind.BROWSER, SourceKind.POSTED})


def pushed(plan: CameraPlan, clock: Clock) -> PushedSource | None:
    """Return what the camera's frames are brought to; None when it is read."""
    return PushedSource(fps=plan.fps, clock=clock) if plan.kind in PUSHED else None


def opener(
    plan: CameraPlan, source: PushedSource | None, opening: "Opening"
) -> Callable[[], Reader]:
    """Return what begins to read the camera.

    Raises:
        Misconfigured: There is no such file, or a folder without pictures.
    """
    if source is not None:
        return lambda: PushedReader(source)
    if plan.kind is SourceKind.FILES:
        return _files(plan, opening)
    address = _address(plan)
    return lambda: ProcessReader(address)


class Opening:
    """What files need besides their plan.

    Args:
        clock: Stamps the frames.
        stop: Ends the reading.
        on_unreadable: Told of each file that is skipped.
    """

    def __init__(self, clock: Clock, stop: Stop, on_unreadable: Callable[[], None]) -> None:
        self.clock = clock
        self.stop = stop
        self.on_unreadable = on_unreadable


def _files(plan: CameraPlan, opening: Opening) -> Callable[[], Reader]:
    source = files.open_files(
        Path(plan.source.get_secret_value()),
        FileOptions(
            pictures_are_scenes=plan.pictures == "scenes", fps=plan.fps, is_looped=plan.loop
        ),
        pace=Pace(opening.clock, is_kept=plan.paced),
        on_unreadable=opening.on_unreadable,
    )
    return lambda: FileReader(source, opening.stop)


def _address(plan: CameraPlan) -> wire.Address:
    if plan.kind is SourceKind.STREAM:
        return wire.Address("stream", plan.fps, address=plan.source.get_secret_value())
    kind = "pi" if plan.kind is SourceKind.PI else "usb"
    return wire.Address(
        "pi" if kind == "pi" else "usb",
        plan.fps,
        index=plan.index or 0,
        resolution_wh=plan.resolution,
    )
