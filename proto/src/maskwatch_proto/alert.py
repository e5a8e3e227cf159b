"""What an alert says, as frozen models that every service passes around."""

from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

# PostgreSQL's text refuses NUL; a display name has no use for the other control characters either.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Text = Field(default="", max_length=500, pattern=PRINTABLE)


class Label(StrEnum):
    """The judgement of a face; the classes' names on the wire, in tables and in models."""

    MASK = "mask"
    NO_MASK = "no_mask"
    BAD_MASK = "bad_mask"
    UNSURE = "unsure"


class ClockQuality(StrEnum):
    """Whether the device's clock was known to be right when the event was stamped."""

    SYNCHRONISED = "synchronised"
    UNCERTAIN = "uncertain"


class Frozen(BaseModel):
    """A model that never changes once it is made."""

    # Floats on the wire are 32 bits wide: NaN and infinity are legal there and senseless here.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Device(Frozen):
    """The device that made the alert; `enrolled_on` is free text, as in the original programs."""

    type: str = Text
    guid: str = Field(min_length=1, max_length=500, pattern=PRINTABLE)
    enrolled_on: str = Text


class Location(Frozen):
    """Degrees, WGS 84; (0, 0) is what a device without a position says."""

    longitude: float = Field(default=0.0, ge=-180, le=180)
    latitude: float = Field(default=0.0, ge=-90, le=90)


class Model(Frozen):
    """A model that took part; `threshold` is the score in [0, 1] from which it speaks."""

    name: str = Text
    guid: str = Text
    threshold: float = Field(default=0.0, ge=0, le=1)


class Image(Frozen):
    """The evidence: an encoded picture. Empty `data` means that none was kept; sizes in pixels."""

    format: str = Field(default="", max_length=16, pattern=r"^[A-Za-z0-9.+-]*$")
    width: int = Field(default=0, ge=0, le=65_535)
    height: int = Field(default=0, ge=0, le=65_535)
    data: bytes = Field(default=b"", repr=False)


class FaceBox(Frozen):
    """Corners in pixels of the image, continuous, origin at the top left."""

    left: float
    top: float
    right: float
    bottom: float


class Alert(Frozen):
    """One person who did not wear the mask as required.

    `event_id` is the key of the alert everywhere. `probability` is that of `label`, in [0, 1].
    `label` is None in messages of the original programs, which only knew the missing mask.
    `episode_started_at` is when the person came into the picture.
    `sequence` rises by one per event within a `boot_id`; the originals send neither.
    """

    event_id: UUID
    event_time: AwareDatetime
    device: Device
    location: Location = Location()
    face_model: Model = Model()
    mask_model: Model = Model()
    probability: float = Field(ge=0, le=1)
    image: Image = Image()
    label: Label | None = None
    face_box: FaceBox | None = None
    episode_id: UUID | None = None
    camera: str = Text
    runtime: str = Text
    boot_id: str = Text
    sequence: int = Field(default=0, ge=0, lt=2**63)
    clock_quality: ClockQuality | None = None
    episode_started_at: AwareDatetime | None = None
