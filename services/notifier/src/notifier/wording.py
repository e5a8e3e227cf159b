"""What an alert is called in a mail: every word that a person reads, besides the templates'."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from notifier.alerts import Alert

TONES = {"red": "#b3261e", "amber": "#8a5a00", "green": "#1b6e3c"}
_CAMERA_MAX = 80  # characters of a name in a subject
CLOCK_NOTE = "The device did not know the exact time."
UNNAMED = "unnamed camera"
_VERY_LIKELY, _LIKELY = 0.95, 0.8
_WITHOUT_LABEL = "no_mask"  # the original programs know nothing else
_VERDICTS = {
    "no_mask": ("No mask", "A person without a mask was seen"),
    "bad_mask": ("Mask worn incorrectly", "A person was seen whose mask does not sit right"),
    "unsure": ("Mask unclear", "A person was seen whose mask could not be made out"),
    "mask": ("Mask worn", "A person with a mask was seen"),
}


@dataclass(frozen=True, slots=True)
class Further:
    """Earlier alerts of the camera that nobody was told of, and when the first was seen."""

    count: int = 0
    since: datetime | None = None


class Place:
    """Where the readers live, for the time that they read."""

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone)

    def clock(self, moment: datetime) -> str:
        """Return the time of day with its zone, such as 14:03:22 CEST."""
        local = self.local(moment)
        return f"{local:%H:%M:%S} {local.tzname()}"

    def day(self, moment: datetime) -> str:
        """Return the date, such as Monday, 4 May 2026."""
        local = self.local(moment)
        return f"{local:%A}, {local.day} {local:%B %Y}"


@dataclass(frozen=True, slots=True)
class View:
    """What the templates put in place; plain text, not yet escaped."""

    subject: str
    title: str
    sentence: str
    tone: str
    lead: str
    camera: str
    day: str
    time: str
    utc: str
    clock_note: str
    confidence: str
    percent: int | None
    device_type: str
    device_id: str
    position: str
    map_url: str
    further: str
    note: str
    link: str
    has_picture: bool
    without_picture: str
    picture_name: str
    event_id: str


def view(  # noqa: PLR0913 - what a mail is made of, all by name
    alert: Alert, further: Further, *, place: Place, note: str, has_picture: bool, link: str
) -> View:
    """Return the words for an alert."""
    title, sentence = _VERDICTS.get(alert.label or _WITHOUT_LABEL, _VERDICTS["unsure"])
    camera = one_line(alert.camera) or one_line(alert.device_type) or UNNAMED
    local = place.local(alert.event_time)
    return View(
        subject=f"{title}: {shortened(camera)}, {local:%H:%M:%S}",
        title=title,
        sentence=sentence,
        tone="amber" if alert.label in ("bad_mask", "unsure") else "red",
        lead=camera,
        camera=camera,
        day=place.day(alert.event_time),
        time=place.clock(alert.event_time),
        utc=utc(alert.event_time),
        clock_note=CLOCK_NOTE if alert.is_clock_uncertain else "",
        confidence=_confidence(alert.probability),
        percent=None if alert.probability is None else _percent(alert.probability),
        device_type=one_line(alert.device_type),
        device_id=one_line(alert.device_id),
        position=_position(alert),
        map_url=_map_url(alert),
        further=_further(further, place=place),
        note=note,
        link=link,
        has_picture=has_picture,
        without_picture=_without_picture(alert),
        picture_name=f"alert-{alert.id}",
        event_id=alert.event_id,
    )


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def one_line(text: str) -> str:
    """Return the text with every run of spaces, line breaks and control characters as a space."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def shortened(text: str) -> str:
    return text if len(text) <= _CAMERA_MAX else f"{text[: _CAMERA_MAX - 1]}…"


def _percent(probability: float) -> int:
    # Never 100: no model is that sure.
    return min(99, round(100 * probability))


def _confidence(probability: float | None) -> str:
    if probability is None:
        return ""
    if probability >= _VERY_LIKELY:
        return f"Very likely ({_percent(probability)} %)"
    if probability >= _LIKELY:
        return f"Likely ({_percent(probability)} %)"
    return f"Possible ({_percent(probability)} %)"


def _position(alert: Alert) -> str:
    if alert.latitude is None or alert.longitude is None:
        return ""
    north = f"{abs(alert.latitude):.5f}° {'N' if alert.latitude >= 0 else 'S'}"
    east = f"{abs(alert.longitude):.5f}° {'E' if alert.longitude >= 0 else 'W'}"
    return f"{north}, {east}"


def _map_url(alert: Alert) -> str:
    if alert.latitude is None or alert.longitude is None:
        return ""
    latitude, longitude = f"{alert.latitude:.5f}", f"{alert.longitude:.5f}"
    where = f"mlat={latitude}&mlon={longitude}#map=17/{latitude}/{longitude}"
    return f"https://www.openstreetmap.org/?{where}"


def _further(further: Further, *, place: Place) -> str:
    if not further.count:
        return ""
    what = "1 further alert" if further.count == 1 else f"{further.count} further alerts"
    if further.since is None:
        return f"{what} of this camera"
    since = place.local(further.since)
    return f"{what} of this camera since {since.day} {since:%B, %H:%M}"


def _without_picture(alert: Alert) -> str:
    if alert.is_picture_missing:
        return "Its picture was not in the archive when this mail was made."
    if not alert.picture_bytes:
        return "The device kept no picture of it."
    if alert.picture is None:
        return f"The picture ({alert.picture_bytes // 1024} KB) is too large for a mail."
    return "The picture cannot be read."
