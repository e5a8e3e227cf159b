"""Builds the service, runs it, and takes it down in reverse."""

import asyncio
import importlib.metadata
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from maskwatch_proto.alert import Location
from maskwatch_proto.device_event import Heartbeat
from maskwatch_runtime import admin
from maskwatch_runtime.clock import Clock, SystemClock
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.health import Health
from maskwatch_runtime.lifecycle import supervise
from prometheus_client import CollectorRegistry

from edge_detector import loading, storing
from edge_detector.device import care, reload
from edge_detector.device.care import Body, Care
from edge_detector.device.clock import Timekeeper
from edge_detector.device.heartbeat import About
from edge_detector.device.heat import Heat
from edge_detector.device.metrics import DeviceMetrics
from edge_detector.display import Display
from edge_detector.edge import Edge, Kit, Listeners
from edge_detector.events import Composer, Numbering, Origin
from edge_detector.loading import Models
from edge_detector.metrics import Metrics
from edge_detector.pipeline import Event
from edge_detector.settings import EdgeDetectorSettings
from edge_detector.spool import Spool, Store
from edge_detector.stations.roster import Roster
from edge_detector.vision.accelerator import Accelerator
from edge_detector.web.board import Board

if TYPE_CHECKING:
    from edge_detector.forward.forwarder import Forwarder

_log = structlog.get_logger()

Task = Coroutine[Any, Any, None]
Put = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What everything in the service stands on."""

    settings: EdgeDetectorSettings
    clock: Clock
    registry: CollectorRegistry
    health: Health
    metrics: Metrics
    own: DeviceMetrics


async def serve(settings: EdgeDetectorSettings, stop: asyncio.Event) -> None:
    """Watch the cameras and fill the outbox until `stop` is set, or every source has ended.

    Raises:
        Misconfigured: A camera, a model, the outbox or a port cannot be used.
    """
    clock, registry = SystemClock(), CollectorRegistry()
    own = DeviceMetrics(registry)
    parts = Parts(settings, clock, registry, Health(clock), Metrics(registry), own)
    plans = settings.plans
    accelerator = _accelerator(parts)
    models = loading.load(settings, accelerator)
    is_stored = asyncio.Event()
    forwarder = _forwarder(parts)
    told = [forwarder.offer] if forwarder else []
    spool = Spool(
        storing.opened(Store(settings.outbox_path, *told), parts.health),
        capacity=settings.alerts_in_memory_max,
        health=parts.health,
        metrics=parts.metrics,
    )
    composer = Composer(
        loading.identity(settings, models),
        quality_at=Timekeeper(clock, on_step=own.clock_stepped).quality_at,
        runtime=models.runtime,
    )
    roster, put = Roster(), Numbering(spool.put).put
    looked_after = _care(parts, models, roster, _heartbeats(parts, composer, put))
    display = Display(Board((), clock)) if settings.is_web_on else None
    kit = Kit(
        models.built(),
        composer,
        clock,
        parts.metrics,
        parts.health,
        looked_after.heat,
        _listeners(parts, put, looked_after, display),
    )
    edge = Edge(plans, roster, kit, evidence_bytes_max=settings.evidence_bytes_max)
    await supervise(
        stop,
        _admin(parts, stop),
        storing.run(spool, is_stored),
        _watch(edge, spool, parts, stop),
        looked_after.run(stop, settings.care_pace),
        reload.on_hangup(stop, lambda: settings.plans, edge.apply, count=own.reloaded),
        *([forwarder.run(is_stored)] if forwarder else []),
        *([_keep_accelerated(accelerator, stop)] if accelerator else []),
        *_page(parts, display, roster, stop),
    )


def _accelerator(parts: Parts) -> Accelerator | None:
    plugin = parts.settings.delegate
    return None if plugin is None else Accelerator(plugin, on_lost=parts.own.lost_accelerator)


async def _keep_accelerated(accelerator: Accelerator, stop: asyncio.Event) -> None:
    halt = threading.Event()
    # Nobody waits for it at the end: it may hang in the library.
    threading.Thread(
        target=accelerator.keep_trying, args=(halt,), name="accelerator", daemon=True
    ).start()
    try:
        await stop.wait()
    finally:
        halt.set()


def _forwarder(parts: Parts) -> "Forwarder | None":
    """Return what forwards events, where that is wanted."""
    if not parts.settings.is_forwarding:
        return None
    # A device that forwards nothing needs none of what this stands on.
    from edge_detector.forward import wiring  # noqa: PLC0415

    return wiring.forwarder(parts.settings, parts.registry)


def _heartbeats(parts: Parts, composer: Composer, put: Put) -> Callable[[Heartbeat], None]:
    settings = parts.settings
    here = Location(longitude=settings.longitude, latitude=settings.latitude)

    def emit(beat: Heartbeat) -> None:
        put(composer.event(beat, Origin(location=here), at=parts.clock.now()))

    return emit


def _care(parts: Parts, models: Models, roster: Roster, emit: Callable[[Heartbeat], None]) -> Care:
    body = Body(
        About(importlib.metadata.version("edge-detector"), models.names),
        parts.settings.outbox_path,
        runtime=models.runtime,
        cameras=lambda: {station.name: not station.fault for station in roster},
    )
    return Care(
        body,
        care.Listeners(emit, parts.own.sensed),
        clock=parts.clock,
        heat=Heat(parts.settings.heat_limits),
    )


def _listeners(parts: Parts, put: Put, looked_after: Care, display: Display | None) -> Listeners:
    taken = looked_after.rates.taken
    ended = None if parts.settings.exit_at_end else partial(_ended, parts)
    if display is None:
        return Listeners(put, taken, ended=ended)

    def put_and_show(event: Event) -> None:
        put(event)
        display.told(event)

    return Listeners(put_and_show, taken, display.judged, display.changed, display.planned, ended)


def _page(parts: Parts, display: Display | None, roster: Roster, stop: asyncio.Event) -> list[Task]:
    if display is None:
        return []
    # Nor does one that shows nothing need a web server.
    from edge_detector.web import wiring  # noqa: PLC0415

    shown = wiring.Shown(display.board, roster, parts.clock)
    return [wiring.serve(parts.settings, shown, stop=stop)]


def _admin(parts: Parts, stop: asyncio.Event) -> Task:
    return admin.serve(
        admin.application(parts.health, parts.registry),
        host=parts.settings.admin_host,
        port=parts.settings.admin_port,
        stop=stop,
    )


async def _watch(edge: Edge, spool: Spool, parts: Parts, stop: asyncio.Event) -> None:
    halt = threading.Event()
    halting = asyncio.create_task(_set_after(stop, halt))
    try:
        frames = await asyncio.to_thread(edge.run, halt)
        if not halt.is_set():
            _ended(parts, frames)
            await _stored(spool, stop)
    finally:
        halting.cancel()
        spool.close()


async def _set_after(stop: asyncio.Event, halt: threading.Event) -> None:
    await stop.wait()
    halt.set()


async def _stored(spool: Spool, stop: asyncio.Event) -> None:
    """Wait until everything is in the outbox, then end the service."""
    while not stop.is_set() and not await asyncio.to_thread(spool.wait_until_empty, timeout_s=0.2):
        pass
    stop.set()


def _ended(parts: Parts, frames: int) -> None:
    """Say that every source has ended, and whether any could be read at all."""
    settings = parts.settings
    _log.info("every source has ended", action="end", frames=frames)
    if not frames:
        reason = f"MASKWATCH_SOURCE: no frame of {settings.cameras or settings.source} can be read"
        parts.health.missing("cameras", reason)
        if settings.exit_at_end:
            raise Misconfigured(reason)
