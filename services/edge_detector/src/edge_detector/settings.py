from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from edge_detector import cameras
from edge_detector.cameras import CameraPlan, Privacy, Resolution
from edge_detector.device.settings import DeviceSettings
from edge_detector.forward.settings import ForwardSettings
from edge_detector.names import Name
from edge_detector.vision.inference import Runtime
from edge_detector.web.settings import WebSettings

MODELS = Path(__file__).parent / "models"
PACKAGED_MODEL = MODELS / "maskwatch-face-mask-320-int8.json"
PACKAGED_CLASSIFIER: Path | None = MODELS / "maskwatch-mask-classifier-96-int8.json"


class EdgeDetectorSettings(WebSettings, DeviceSettings, ForwardSettings):
    """The detector's settings; its README has them in a table."""

    cameras: Path | None = None
    # Not shown: an address may hold a password.
    source: str = Field(default="", validate_default=True, repr=False)
    source_resolution: Annotated[Resolution | None, NoDecode] = None
    source_paced: bool = True
    source_loop: bool = False
    source_fps: float = Field(default=10.0, gt=0, le=60)
    source_pictures: Literal["scenes", "frames"] = "scenes"
    exit_at_end: bool = False

    device_guid: Annotated[Name, Field(min_length=1)]
    device_type: Name = "camera"
    device_deployed_on: Name = ""
    camera: Annotated[Name, Field(min_length=1)] = "camera"
    longitude: float = Field(default=0.0, ge=-180, le=180)
    latitude: float = Field(default=0.0, ge=-90, le=90)

    model: Path = PACKAGED_MODEL
    classifier: Path | None = PACKAGED_CLASSIFIER
    inference_runtime: Literal["auto"] | Runtime = "auto"
    inference_threads: int = Field(default=1, ge=1, le=64)

    votes_agreeing: int = Field(default=3, ge=1)
    votes_among: int = Field(default=5, ge=1, le=100)
    face_side_min_px: float = Field(default=24.0, ge=0)
    alert_bad_mask: bool = False
    track_keep_s: float = Field(default=3.0, gt=0, le=60)
    absence_s: float = Field(default=60.0, gt=0, le=3600)
    privacy: Privacy = Privacy.EVIDENCE
    blur_violators: bool = False
    evidence_bytes_max: int = Field(default=150_000, ge=4096, le=2 * 1024 * 1024)

    outbox_path: Path
    alerts_in_memory_max: int = Field(default=100, ge=1, le=10_000)

    @field_validator("classifier", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "none" else value

    @field_validator("source")
    @classmethod
    def _one_of_two(cls, source: str, others: ValidationInfo) -> str:
        if not source and others.data.get("cameras") is None:
            raise ValueError("is missing (or MASKWATCH_CAMERAS, for several cameras)")
        if source and others.data.get("cameras") is not None:
            raise ValueError("cannot be set beside MASKWATCH_CAMERAS: the file names the sources")
        return source

    @field_validator("votes_among")
    @classmethod
    def _can_agree(cls, among: int, others: ValidationInfo) -> int:
        if among < others.data.get("votes_agreeing", 1):
            raise ValueError("is smaller than VOTES_AGREEING: no alert would ever be")
        return among

    @property
    def plans(self) -> tuple[CameraPlan, ...]:
        """The cameras of the file, or the one that the environment describes.

        Raises:
            Misconfigured: A camera's plan is wrong.
        """
        if self.cameras is not None:
            return cameras.read(self.cameras, defaults=self._defaults)
        return (
            cameras.one(
                {
                    **self._defaults,
                    "name": self.camera,
                    "source": self.source,
                    "resolution": self.source_resolution,
                }
            ),
        )

    @property
    def _defaults(self) -> dict[str, object]:
        """What holds for every camera whose plan does not say otherwise."""
        return {
            "fps": self.source_fps,
            "loop": self.source_loop,
            "paced": self.source_paced,
            "pictures": self.source_pictures,
            "location": {"longitude": self.longitude, "latitude": self.latitude},
            "votes_agreeing": self.votes_agreeing,
            "votes_among": self.votes_among,
            "face_side_min_px": self.face_side_min_px,
            "track_keep_s": self.track_keep_s,
            "absence_s": self.absence_s,
            "alert_bad_mask": self.alert_bad_mask,
            "privacy": self.privacy,
            "blur_violators": self.blur_violators,
        }
