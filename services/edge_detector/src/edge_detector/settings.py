import unicodedata
from pathlib import Path
from typing import Annotated, Literal, Self

from maskwatch_proto.alert import Label
from maskwatch_runtime.settings import ServiceSettings
from pydantic import AfterValidator, Field, field_validator, model_validator

from edge_detector import pipeline
from edge_detector.people import policy, tracker
from edge_detector.vision.inference import Runtime

MODELS = Path(__file__).parent / "models"
PACKAGED_MODEL = MODELS / "maskwatch-face-mask-320-int8.json"
PACKAGED_CLASSIFIER: Path | None = MODELS / "maskwatch-mask-classifier-96-int8.json"
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _plain(text: str) -> str:
    """Return the text if a mail's subject and a web page can show it as it is."""
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text):
        raise ValueError("may not hold line breaks or control characters")
    if any(sign in "<>" for sign in text):
        raise ValueError("may not hold markup (< or >)")
    if _OVERRIDES & set(text):
        raise ValueError("may not hold characters that change the direction of writing")
    return text


Name = Annotated[str, Field(max_length=200), AfterValidator(_plain)]


class EdgeDetectorSettings(ServiceSettings):
    """The detector's settings; its README has them in a table."""

    source: str = Field(min_length=1)
    source_paced: bool = True
    source_loop: bool = False
    source_fps: float = Field(default=10.0, gt=0, le=60)
    source_pictures: Literal["scenes", "frames"] = "scenes"
    exit_at_end: bool = False

    device_guid: Annotated[Name, Field(min_length=1)]
    device_type: Name = "camera"
    device_deployed_on: Name = ""
    camera: Name = "camera"
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
    evidence_bytes_max: int = Field(default=150_000, ge=4096, le=2 * 1024 * 1024)

    outbox_path: Path
    alerts_in_memory_max: int = Field(default=100, ge=1, le=10_000)

    @field_validator("classifier", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "none" else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.votes_agreeing > self.votes_among:
            raise ValueError("VOTES_AGREEING is larger than VOTES_AMONG: no alert would ever be")
        return self

    @property
    def camera_index(self) -> int | None:
        """The USB camera's number, None when the source is a file or a folder."""
        return int(self.source) if self.source.isascii() and self.source.isdigit() else None

    @property
    def source_path(self) -> Path:
        """The source as a file or a folder."""
        return Path(self.source)

    @property
    def rules(self) -> pipeline.Rules:
        """How people are followed and judged."""
        moving = policy.Rules(
            agreeing=self.votes_agreeing,
            among=self.votes_among,
            side_px_min=self.face_side_min_px,
            alerts_on=frozenset(
                {Label.NO_MASK, Label.BAD_MASK} if self.alert_bad_mask else {Label.NO_MASK}
            ),
        )
        return pipeline.Rules(
            people=tracker.Rules(keep_s=self.track_keep_s),
            moving=moving,
            # A picture that stands alone gets no second look.
            scene=policy.Rules(1, 1, moving.side_px_min, moving.alerts_on),
            evidence_bytes_max=self.evidence_bytes_max,
        )
