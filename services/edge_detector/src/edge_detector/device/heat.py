"""Slower when it is hot: fewer frames a second before the processor is throttled, or burns out."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import structlog

_log = structlog.get_logger()
_THERMAL = Path("/sys/class/thermal")
_FIRMWARE = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
# Of a Raspberry Pi's firmware, now: the clock is capped, throttled, or at the soft limit. The bit
# below tells of too little voltage, those from 16 on what has been since the boot.
_THROTTLED_NOW = 0b1110
_PROCESSOR = ("cpu", "soc", "pkg", "core")
_PUNCTUAL = 0.9
# Sensors that are not there say -273 or 0xFFFF.
_PLAUSIBLE_C = (-40.0, 150.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """From which temperatures on there are fewer frames, in degrees Celsius.

    Attributes:
        warm_c: Half of them.
        hot_c: A quarter of them.
        hysteresis_c: So far below a limit is it over.
        calm_s: And for so long.
    """

    warm_c: float = 75.0
    hot_c: float = 80.0
    hysteresis_c: float = 5.0
    calm_s: float = 30.0


class Level(Enum):
    """How hot it is; the value is the share of the frames that are judged."""

    NORMAL = 1.0
    WARM = 0.5
    HOT = 0.25


@dataclass(frozen=True, slots=True)
class Sensed:
    """The hottest processor's temperature, None where none can be read; the firmware's word."""

    temperature_c: float | None
    is_throttled: bool


def level(temperature_c: float, limits: Limits, *, relief_c: float = 0.0) -> Level:
    """Return how hot a temperature is, with the limits lower by `relief_c`."""
    if temperature_c >= limits.hot_c - relief_c:
        return Level.HOT
    return Level.WARM if temperature_c >= limits.warm_c - relief_c else Level.NORMAL


class Heat:
    """Follows the temperature; a limit works at once upwards and with hysteresis downwards."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._level = Level.NORMAL
        self._cooler_since_s: float | None = None

    @property
    def share(self) -> float:
        """The share of the frames that are to be judged now, in (0, 1]; for any thread."""
        return self._level.value

    @property
    def is_throttling(self) -> bool:
        return self._level is not Level.NORMAL

    def observe(self, temperature_c: float | None, now_s: float) -> float:
        """Return the share of the frames to be judged, in (0, 1].

        Args:
            temperature_c: None when it cannot be read: nothing changes.
            now_s: Monotonic.
        """
        if temperature_c is None:
            return self.share
        hotter = level(temperature_c, self._limits)
        cooler = level(temperature_c, self._limits, relief_c=self._limits.hysteresis_c)
        if hotter.value < self._level.value:
            self._change(hotter, temperature_c)
        elif cooler.value <= self._level.value:
            self._cooler_since_s = None
        elif self._cooler_since_s is None:
            self._cooler_since_s = now_s
        elif now_s - self._cooler_since_s >= self._limits.calm_s:
            self._change(cooler, temperature_c)
        return self.share

    def _change(self, to: Level, temperature_c: float) -> None:
        self._level, self._cooler_since_s = to, None
        _log.warning(
            "frame rate follows the temperature",
            action="throttle",
            share=to.value,
            temperature_c=round(temperature_c, 1),
        )


def is_due(waited_s: float, *, fps: float, share: float) -> bool:
    """Return whether a camera's next frame is to be judged, this long after the last one.

    Args:
        waited_s: Since the last frame that was judged.
        fps: Frames a second of the camera when it is cool.
        share: Of them, those to be judged, in (0, 1].
    """
    # Cameras are not punctual: what comes a little early is not another whole frame's wait.
    return share >= 1 or waited_s * fps * share >= _PUNCTUAL


def read(*, thermal: Path = _THERMAL, firmware: Path = _FIRMWARE) -> Sensed:
    """Return what this machine's sensors say; what cannot be read is left out."""
    return Sensed(_temperature_c(thermal), _is_throttled(firmware))


def _temperature_c(thermal: Path) -> float | None:
    zones = [(_text(zone / "type").lower(), zone) for zone in sorted(thermal.glob("thermal_zone*"))]
    mine = [zone for kind, zone in zones if any(word in kind for word in _PROCESSOR)]
    found = [_degrees(zone / "temp") for zone in mine or [zone for _, zone in zones]]
    low_c, high_c = _PLAUSIBLE_C
    return max((one for one in found if one is not None and low_c < one < high_c), default=None)


def _degrees(path: Path) -> float | None:
    try:
        return int(_text(path)) / 1000
    except ValueError:
        return None


def _is_throttled(path: Path) -> bool:
    try:
        return bool(int(_text(path), 16) & _THROTTLED_NOW)
    except ValueError:
        return False


def _text(path: Path) -> str:
    """Return what a file of /sys says; drivers answer with errors of all kinds."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
