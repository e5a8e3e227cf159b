"""What a device tells besides alerts, as frozen models that every service passes around."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from maskwatch_proto.alert import PRINTABLE, ClockQuality, Device, Frozen, Label, Location, Text

# With the length of a text they keep every event below what a topic takes.
MODELS_MAX = 100
CAMERAS_MAX = 1000
PROBLEMS_MAX = 20

_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Name = Annotated[str, Field(max_length=500, pattern=PRINTABLE)]
_Seconds = Annotated[float, Field(ge=0, lt=1e9)]


class EpisodeEnded(Frozen):
    """Somebody has left the picture.

    `label` is the verdict at the end; `violated`: an alert was raised in it; `mask_put_on_after_s`:
    from that alert to the first verdict `mask` after it, None when there was none.
    """

    kind: Literal["episode_ended"] = "episode_ended"
    episode_id: UUID
    started_at: AwareDatetime
    duration_s: _Seconds
    label: Label
    violated: bool
    mask_put_on_after_s: _Seconds | None = None


class Compliance(Frozen):
    """How many people wore what in a part of a quarter of an hour, by the verdict of each episode.

    The window begins at a full quarter of UTC. A device that was restarted in it sends two parts,
    which add up: an episode is counted once, in the window in which it ended.
    """

    kind: Literal["compliance"] = "compliance"
    window_start: AwareDatetime
    window_s: _Seconds
    observed_s: _Seconds
    people: _Count
    with_mask: _Count
    without_mask: _Count
    badly_worn: _Count
    unsure: _Count


class CameraState(StrEnum):
    """Whether a camera gives pictures that can be believed."""

    DOWN = "down"
    UP = "up"


class CameraChanged(Frozen):
    """A camera went down or came back; `since` is when it did, `down_s` how long it was away."""

    kind: Literal["camera_changed"] = "camera_changed"
    state: CameraState
    reason: str = Text
    since: AwareDatetime
    down_s: _Seconds = 0.0


class CameraPulse(Frozen):
    """One camera in a heartbeat; frames judged a second since the last one."""

    name: str = Text
    is_up: bool
    fps: float = Field(ge=0, lt=1e4)


class Heartbeat(Frozen):
    """How the device does; None is what it cannot tell.

    `problems`: what somebody should look after, though the device works.
    """

    kind: Literal["heartbeat"] = "heartbeat"
    version: str = Text
    models: tuple[_Name, ...] = Field(default=(), max_length=MODELS_MAX)
    runtime: str = Text
    uptime_s: _Seconds
    temperature_c: float | None = Field(default=None, ge=-100, le=200)
    is_throttled: bool = False
    disk_free_bytes: int | None = Field(default=None, ge=0, lt=2**63)
    waiting: _Count = 0
    oldest_waiting_s: _Seconds = 0.0
    cameras: tuple[CameraPulse, ...] = Field(default=(), max_length=CAMERAS_MAX)
    problems: tuple[_Name, ...] = Field(default=(), max_length=PROBLEMS_MAX)


Happening = Annotated[
    EpisodeEnded | Compliance | CameraChanged | Heartbeat, Field(discriminator="kind")
]


class DeviceEvent(Frozen):
    """Something a device tells that is no alert.

    `camera` is empty where the event is the device's. `sequence` is shared with the device's
    alerts: (boot_id, sequence) is the order in which it saw things, whatever its clock said.
    """

    event_id: UUID
    event_time: AwareDatetime
    device: Device
    location: Location = Location()
    camera: str = Text
    boot_id: str = Text
    sequence: int = Field(default=0, ge=0, lt=2**63)
    clock_quality: ClockQuality | None = None
    happening: Happening
