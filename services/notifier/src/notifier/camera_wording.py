"""What cameras that went down or came back are called in a mail; the templates hold the rest."""

import re
from dataclasses import dataclass

from maskwatch_proto.device_event import CameraChanged, CameraState

from notifier import wording
from notifier.device_events import CameraReport, Report
from notifier.wording import Place

_LINES_MAX = 20  # cameras named one by one
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_LOGIN = re.compile(r"//[^/@\s]*@")
_CHECKS_TOGETHER = "What do they share: power, the network switch, the device's own network?"
_CHECKS = (
    "Is the camera powered, and is its cable or its Wi-Fi connected?",
    "Is the lens free? Does the picture move again once the camera was turned off and on?",
    "A network camera: do its address and its login still match cameras.yml?",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One camera; `state` and `since` make a sentence, `tone` its colour."""

    camera: str
    state: str
    tone: str
    since: str
    utc: str
    reason: str
    changes: str


@dataclass(frozen=True, slots=True)
class View:
    """What the templates put in place; plain text, not yet escaped."""

    subject: str
    title: str
    lead: str
    tone: str
    sentence: str
    lines: tuple[Line, ...]
    more: str
    checks: tuple[str, ...]
    clock_note: str
    device_type: str
    device_id: str
    event_id: str
    note: str = ""


def view(report: Report, *, place: Place) -> View:
    """Return the words for what a device's cameras did; those that are down come first."""
    cameras = sorted(report.cameras, key=lambda one: (not _is_down(one), one.camera))
    down = sum(_is_down(one) for one in cameras)
    title, sentence = _summary(cameras, down)
    device = wording.one_line(report.device_id)
    names = [_name(one) for one in cameras]
    further = len(cameras) - _LINES_MAX
    return View(
        subject=_subject(cameras, down, device=device, place=place),
        title=title,
        lead=names[0] if len(names) == 1 else f"{len(names)} cameras of {device}",
        tone="green" if not down else "red" if down == len(cameras) else "amber",
        sentence=sentence,
        lines=tuple(_line(one, place=place) for one in cameras[:_LINES_MAX]),
        more=f"and {further} more" if further > 0 else "",
        checks=_checks(down),
        clock_note=wording.CLOCK_NOTE if any(one.is_clock_uncertain for one in cameras) else "",
        device_type=wording.one_line(report.device_type),
        device_id=device,
        event_id=report.event_id,
    )


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = round(seconds)
    if whole < _MINUTE_S:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if whole < _HOUR_S:
        minutes, rest = divmod(whole, _MINUTE_S)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if whole < _DAY_S:
        hours, rest = divmod(whole // _MINUTE_S, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(whole // _HOUR_S, 24)
    told = "1 day" if days == 1 else f"{days} days"
    return f"{told} {rest} h" if rest else told


def _is_down(camera: CameraReport) -> bool:
    return camera.last.state is CameraState.DOWN


def _name(camera: CameraReport) -> str:
    return wording.one_line(camera.camera) or wording.UNNAMED


def _summary(cameras: list[CameraReport], down: int) -> tuple[str, str]:
    """Return the title and what it means for the place that is watched."""
    count = len(cameras)
    if down == 0:
        title = "Camera back" if count == 1 else f"{count} cameras back"
        return title, "Pictures come again. Nobody was watched there meanwhile."
    title = "Camera down" if count == 1 else f"{down} of {count} cameras down"
    if down == count > 1:
        title = f"{count} cameras down"
    until = "until it is back" if down == 1 else "until they are back"
    return title, f"No usable picture comes: nobody is watched there {until}."


def _subject(cameras: list[CameraReport], down: int, *, device: str, place: Place) -> str:
    first = cameras[0]
    if len(cameras) > 1:
        title, _ = _summary(cameras, down)
        since = min(one.last.since for one in cameras)
        return f"{title}: {wording.shortened(device)}, {place.local(since):%H:%M:%S}"
    name = wording.shortened(_name(first))
    if down:
        return f"Camera down: {name}, {place.local(first.last.since):%H:%M:%S}"
    # A device that started anew meanwhile does not know for how long the camera was away.
    after = f", after {duration(first.last.down_s)}" if first.last.down_s else ""
    return f"Camera back: {name}{after}"


def _line(camera: CameraReport, *, place: Place) -> Line:
    last, is_down = camera.last, _is_down(camera)
    moment = f"{place.day(last.since)}, {place.clock(last.since)}"
    since = f"since {moment}" if is_down else moment
    if not is_down and last.down_s:
        since += f", after {duration(last.down_s)} away"
    return Line(
        camera=_name(camera),
        state="Down" if is_down else "Back",
        tone="red" if is_down else "green",
        since=since,
        utc=wording.utc(last.since),
        reason=_reason(last),
        changes=_changes(camera, place=place),
    )


def _reason(last: CameraChanged) -> str:
    """Return the device's words without a login that an address in them may hold."""
    words = _LOGIN.sub("//…@", wording.one_line(last.reason))
    says = "The device says" if last.state is CameraState.DOWN else "The device had said"
    return f"{says}: {words}" if words else ""


def _changes(camera: CameraReport, *, place: Place) -> str:
    if camera.changes == 1:
        return ""
    first = place.local(camera.first_since)
    return f"It changed {camera.changes} times since {first.day} {first:%B, %H:%M:%S}."


def _checks(down: int) -> tuple[str, ...]:
    if not down:
        return ()
    return _CHECKS if down == 1 else (_CHECKS_TOGETHER, *_CHECKS)
