"""The models that look at the frames, and who the device says it is."""

from dataclasses import dataclass
from uuid import uuid4

import structlog
from maskwatch_proto.alert import Device
from maskwatch_proto.alert import Model as WireModel

from edge_detector.events import Identity
from edge_detector.settings import EdgeDetectorSettings
from edge_detector.vision import classifier, model
from edge_detector.vision.accelerator import Accelerator
from edge_detector.vision.classifier import Classifier
from edge_detector.vision.delegate import How
from edge_detector.vision.detector import Detector
from edge_detector.vision.manifest import ClassifierManifest, Manifest
from edge_detector.vision.model import Model

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Models:
    """What looks at the frames; `classifier` is None without one, `accelerator` with the CPU."""

    detector: Model
    classifier: Classifier | None
    accelerator: Accelerator | None = None

    @property
    def names(self) -> tuple[str, ...]:
        second = [] if self.classifier is None else [self.classifier.manifest.name]
        return (self.detector.manifest.name, *second)

    def runtime(self) -> str:
        """Return what runs the models now: an accelerator may have been lost."""
        name = self.detector.runtime
        return name if self.accelerator is None else self.accelerator.told(name)

    def built(self) -> Detector:
        """Return the detector of these models; for one thread at a time."""
        return Detector(self.detector, classifier=self.classifier)


def load(settings: EdgeDetectorSettings, accelerator: Accelerator | None = None) -> Models:
    """Return models of their own, checked.

    Raises:
        Misconfigured: A file or the runtime cannot be used.
    """
    how = How(
        runtime=settings.inference_runtime,
        threads=settings.inference_threads,
        accelerator=accelerator,
    )
    found = model.load(settings.model, **how)
    second = None if settings.classifier is None else classifier.load(settings.classifier, **how)
    models = Models(found, second, accelerator)
    _log.info("models loaded", action="load", models=models.names, runtime=models.runtime())
    return models


def identity(settings: EdgeDetectorSettings, models: Models) -> Identity:
    """Return who speaks until the next start."""
    detector, second = models.detector.manifest, models.classifier
    return Identity(
        device=Device(
            type=settings.device_type,
            guid=settings.device_guid,
            enrolled_on=settings.device_deployed_on,
        ),
        model=_on_the_wire(detector, threshold=detector.score_threshold),
        runtime=models.detector.runtime,
        boot_id=uuid4(),
        classifier=None if second is None else _judge(second.manifest),
    )


def _judge(manifest: ClassifierManifest) -> WireModel:
    return _on_the_wire(manifest, threshold=manifest.unsure_below)


def _on_the_wire(manifest: Manifest | ClassifierManifest, *, threshold: float) -> WireModel:
    return WireModel(name=manifest.name, guid=manifest.guid, threshold=threshold)
