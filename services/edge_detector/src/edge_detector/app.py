"""Builds the service, runs it, and takes it down in reverse."""

import asyncio
import threading
from dataclasses import dataclass
from uuid import uuid4

import structlog
from maskwatch_proto.alert import Device, Location
from maskwatch_proto.alert import Model as WireModel
from maskwatch_runtime import admin
from maskwatch_runtime.clock import Clock, SystemClock
from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.health import Health, Progress
from maskwatch_runtime.lifecycle import supervise
from prometheus_client import CollectorRegistry

from edge_detector import alerts
from edge_detector.metrics import Metrics
from edge_detector.pipeline import Pipeline
from edge_detector.settings import EdgeDetectorSettings
from edge_detector.sources import files, usb
from edge_detector.sources.files import FileOptions, Pace, Source
from edge_detector.spool import Spool, Store
from edge_detector.vision import classifier, model
from edge_detector.vision.classifier import Classifier
from edge_detector.vision.detector import Detector
from edge_detector.vision.manifest import ClassifierManifest, Manifest
from edge_detector.vision.model import Model

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Models:
    """What looks at the frames; None without a classifier."""

    detector: Model
    classifier: Classifier | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Everything that the detection loop uses."""

    source: Source
    pipeline: Pipeline
    spool: Spool
    health: Health
    progress: Progress


async def serve(settings: EdgeDetectorSettings, stop: asyncio.Event) -> None:
    """Watch the source and fill the outbox until `stop` is set, or the source has ended.

    Raises:
        Misconfigured: Source, model, outbox or port cannot be used.
    """
    clock = SystemClock()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    health = Health(clock)
    models = _loaded(settings)
    source = _source(settings, clock, health, metrics)
    health.missing("source", "no frame yet")
    store = _opened(settings, health)
    spool = Spool(store, capacity=settings.alerts_in_memory_max, health=health, metrics=metrics)
    composer = alerts.Composer(_identity(settings, models), quality_at=alerts.clock_quality)
    detector = Detector(models.detector, classifier=models.classifier)
    watch = Watch(
        source,
        Pipeline(detector, composer, settings.rules, metrics),
        spool,
        health,
        health.track("frames"),
    )
    await supervise(
        stop,
        admin.serve(
            admin.application(health, registry),
            host=settings.admin_host,
            port=settings.admin_port,
            stop=stop,
        ),
        _store(spool),
        _watch(watch, settings, stop),
    )


def _loaded(settings: EdgeDetectorSettings) -> Models:
    runtime, threads = settings.inference_runtime, settings.inference_threads
    found = model.load(settings.model, runtime=runtime, threads=threads)
    second = None
    if settings.classifier is not None:
        second = classifier.load(settings.classifier, runtime=runtime, threads=threads)
    names = [found.manifest.name, *([second.manifest.name] if second else [])]
    _log.info("models loaded", action="load", models=names, runtime=found.runtime)
    return Models(found, second)


def _source(
    settings: EdgeDetectorSettings, clock: Clock, health: Health, metrics: Metrics
) -> Source:
    index = settings.camera_index
    if index is not None:
        return usb.LiveSource(
            lambda: usb.open_camera(index),
            fps_max=settings.source_fps,
            pace=Pace(clock, is_kept=True),
            observer=usb.Observer(
                health, metrics.frames_overwritten.inc, metrics.camera_reconnects.inc
            ),
        )
    options = FileOptions(
        pictures_are_scenes=settings.source_pictures == "scenes",
        fps=settings.source_fps,
        is_looped=settings.source_loop,
    )
    return files.open_files(
        settings.source_path,
        options,
        pace=Pace(clock, is_kept=settings.source_paced),
        on_unreadable=metrics.files_unreadable.inc,
    )


def _opened(settings: EdgeDetectorSettings, health: Health) -> Store:
    """Return the store: what can never work is refused now, a bad disk is waited for."""
    store = Store(settings.outbox_path)
    try:
        store.open()
    except Unavailable as error:
        health.missing(error.dependency, error.reason)
    return store


def _identity(settings: EdgeDetectorSettings, models: Models) -> alerts.Identity:
    detector, second = models.detector.manifest, models.classifier
    return alerts.Identity(
        device=Device(
            type=settings.device_type,
            guid=settings.device_guid,
            enrolled_on=settings.device_deployed_on,
        ),
        location=Location(longitude=settings.longitude, latitude=settings.latitude),
        camera=settings.camera,
        model=_on_the_wire(detector, threshold=detector.score_threshold),
        runtime=models.detector.runtime,
        boot_id=uuid4(),
        classifier=None if second is None else _judge(second.manifest),
    )


def _judge(manifest: ClassifierManifest) -> WireModel:
    return _on_the_wire(manifest, threshold=manifest.unsure_below)


def _on_the_wire(manifest: Manifest | ClassifierManifest, *, threshold: float) -> WireModel:
    return WireModel(name=manifest.name, guid=manifest.guid, threshold=threshold)


async def _store(spool: Spool) -> None:
    lost = await asyncio.to_thread(spool.run)
    if lost:
        raise RuntimeError(f"{lost} alerts could not be stored before the end")


async def _watch(watch: Watch, settings: EdgeDetectorSettings, stop: asyncio.Event) -> None:
    halt = threading.Event()
    halting = asyncio.create_task(_set_after(stop, halt))
    try:
        frames = await asyncio.to_thread(_detect, watch, halt)
        if not halt.is_set():
            await _ended(watch, frames, settings, stop)
    finally:
        halting.cancel()
        watch.spool.close()


async def _set_after(stop: asyncio.Event, halt: threading.Event) -> None:
    await stop.wait()
    halt.set()


def _detect(watch: Watch, halt: threading.Event) -> int:
    """Judge frames until the source ends or `halt` is set; return how many."""
    frames = 0
    for frame in watch.source.frames(halt):
        watch.progress.waits()
        for alert in watch.pipeline.process(frame):
            watch.spool.put(alert)
        watch.progress.made()
        watch.health.present("source")
        frames += 1
    return frames


async def _ended(
    watch: Watch, frames: int, settings: EdgeDetectorSettings, stop: asyncio.Event
) -> None:
    """Store what is left, then end the service or idle, as it is set."""
    _log.info("the source has ended", action="end", frames=frames)
    if not frames:
        reason = f"MASKWATCH_SOURCE: no frame of {settings.source} can be read"
        watch.health.missing("source", reason)
        if settings.exit_at_end:
            raise Misconfigured(reason)
    if settings.exit_at_end:
        while not stop.is_set() and not await asyncio.to_thread(
            watch.spool.wait_until_empty, timeout_s=0.2
        ):
            pass
        stop.set()
    await stop.wait()
