"""People from public-domain portraits, drawn into a room at any moment of a script."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from devstack.portraits import Person, Picture
from edge_detector.sources.base import Frame

from devstack import portraits

_WIDTH_PX, _HEIGHT_PX = 640, 480
Grain = npt.NDArray[np.int16]
_BEGIN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
# Grey levels of a small camera in a lit room; twelve patterns in turn look like new ones.
_NOISE_SIGMA, _NOISES = 2.5, 12
# Moments may tremble by so much of the time between two frames: no camera is a clock.
_TREMBLE = 0.1
# In a long stretch without anybody so many frames a second are enough.
_EMPTY_FPS = 1.0


@dataclass(frozen=True)
class Prop:
    """Somebody at a moment: as they are dressed, where the face is, px, and if it can be seen."""

    name: str
    x: int
    y: int
    is_hidden: bool


@dataclass(frozen=True)
class Actor:
    """Somebody's way through the picture.

    Attributes:
        wears: Who, and with what, from which second on: (second, wardrobe's name).
        way: Where the middle of the face is: (second, x, y) in px, straight lines between them.
        hidden: From when until when something is before the face, seconds.
    """

    wears: tuple[tuple[float, str], ...]
    way: tuple[tuple[float, float, float], ...]
    hidden: tuple[tuple[float, float], ...] = ()

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last second in the picture."""
        return self.way[0][0], self.way[-1][0]

    def is_here(self, at_s: float) -> bool:
        return self.span_s[0] <= at_s <= self.span_s[1]

    def place_px(self, at_s: float) -> tuple[float, float]:
        seconds, xs, ys = zip(*self.way, strict=True)
        x, y = (float(np.interp(at_s, seconds, values)) for values in (xs, ys))
        # Nobody stands quite still; a new posture every three seconds.
        return x + 3 * np.sin(at_s // 3 * 1.7), y + 2 * np.cos(at_s // 3 * 2.3)

    def worn(self, at_s: float) -> str:
        return [name for since_s, name in self.wears if since_s <= at_s][-1]

    def prop(self, at_s: float) -> Prop:
        x, y = self.place_px(at_s)
        is_hidden = any(begin <= at_s < end for begin, end in self.hidden)
        return Prop(self.worn(at_s), round(x), round(y), is_hidden)


@dataclass(frozen=True)
class Clip:
    """A script and what has to be told of it.

    Attributes:
        duration_s: Its length.
        actors: The nearer ones last.
        episodes: Stays of people.
        alerts: Of them without a mask, or with one badly worn.
        put_on: Alerts after which the mask was put on.
    """

    name: str
    duration_s: float
    actors: tuple[Actor, ...]
    episodes: int
    alerts: int
    put_on: int = 0

    def frames(self, *, fps: float, seed: int) -> Iterator[Frame]:
        """Yield the frames; the same seed gives the same ones."""
        numbers = np.random.default_rng(seed)
        grain = itertools.cycle(_grain())
        at_s, shown_s = float(numbers.uniform(0, 1 / fps)), -np.inf
        while at_s < self.duration_s:
            if self._is_worth_it(at_s, shown_s):
                shown_s = at_s
                tremble_s = float(numbers.uniform(-_TREMBLE, _TREMBLE)) / fps / 2
                yield self._frame(at_s + tremble_s, next(grain))
            at_s += 1 / fps

    def _is_worth_it(self, at_s: float, shown_s: float) -> bool:
        is_lonely = not any(
            first - 2 <= at_s <= last + 5 for first, last in (actor.span_s for actor in self.actors)
        )
        return not is_lonely or at_s - shown_s >= 1 / _EMPTY_FPS

    def _frame(self, at_s: float, grain: Grain) -> Frame:
        props = tuple(actor.prop(at_s) for actor in self.actors if actor.is_here(at_s))
        noisy = cv2.add(_scene(props), grain, dtype=cv2.CV_8U)
        taken_at = _BEGIN + timedelta(seconds=at_s)
        return Frame(np.asarray(noisy, np.uint8), taken_at, max(0.0, at_s))


@lru_cache(maxsize=4)
def _scene(props: tuple[Prop, ...]) -> Picture:
    """Return the room with everybody in it, without grain; who stands is not drawn anew."""
    picture = _room().copy()
    for prop in props:
        person = wardrobe(prop.name)
        left, top, right, bottom = person.face_px
        _put(picture, person, prop.x - (left + right) // 2, prop.y - (top + bottom) // 2)
        if prop.is_hidden:
            side = bottom - top
            corner, end = (prop.x - side, prop.y - side), (prop.x + side, _HEIGHT_PX)
            cv2.rectangle(picture, corner, end, (92, 104, 110), -1)
    return picture


def _put(picture: Picture, person: Person, left: int, top: int) -> None:
    height, width = person.picture.shape[:2]
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + width, _WIDTH_PX), min(top + height, _HEIGHT_PX)
    if x1 >= x2 or y1 >= y2:
        return
    source = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    alpha = person.alpha[source]
    target = picture[y1:y2, x1:x2]
    picture[y1:y2, x1:x2] = (target * (1 - alpha) + person.picture[source] * alpha).astype(np.uint8)


@lru_cache
def wardrobe(name: str) -> Person:
    """Return a person as they are dressed.

    The names: `collins` and `hopper` without a mask, `hopper in mask`, `hopper under nose`, each
    `with hand`; `collins in blue` is another person in other clothes.
    """
    bare, _, hand = name.partition(" with ")
    makers: dict[str, Callable[[], Person]] = {
        "collins": portraits.eileen_collins,
        "collins in blue": _collins_in_blue,
        "hopper": lambda: portraits.grace_hopper(mask_drop_px=None).scaled(0.75),
        "hopper in mask": lambda: portraits.grace_hopper().scaled(0.75),
        "hopper under nose": lambda: portraits.grace_hopper(mask_drop_px=45).scaled(0.75),
    }
    person = makers[bare]()
    return _with_hand(person) if hand else person


def _collins_in_blue() -> Person:
    """Return somebody in a blue suit: below the chin, hues move to the other side of the circle."""
    person = portraits.eileen_collins()
    chin = person.face_px[3]
    hsv = cv2.cvtColor(person.picture, cv2.COLOR_BGR2HSV)
    hsv[chin:, :, 0] = (hsv[chin:, :, 0].astype(np.int16) + 100) % 180
    picture = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)
    return Person("somebody in blue", picture, person.alpha, person.label, person.face_px)


def _with_hand(person: Person) -> Person:
    """Return the person with the back of a hand before mouth and nose."""
    left, top, right, bottom = person.face_px
    width, height = right - left, bottom - top
    picture = person.picture.copy()
    forehead = picture[
        top + height // 8 : top + height // 4, left + width // 3 : right - width // 3
    ]
    skin = np.median(forehead.reshape(-1, 3), axis=0)
    centre = ((left + right) // 2, top + round(0.74 * height))
    for index, shade in enumerate((0.92, 1.0, 0.97, 0.9)):
        middle = (centre[0] + round(0.04 * width), centre[1] + round((index - 1.5) * 0.13 * height))
        colour = tuple(float(value) for value in (skin * shade).clip(0, 255))
        axes = (round(0.42 * width), round(0.09 * height))
        cv2.ellipse(picture, middle, axes, -6, 0, 360, colour, -1, cv2.LINE_AA)
        cv2.ellipse(
            picture, middle, axes, -6, 0, 180, tuple(0.75 * v for v in colour), 2, cv2.LINE_AA
        )
    return Person(person.name, picture, person.alpha, person.label, person.face_px)


@lru_cache
def _room() -> Picture:
    """Return an empty corridor: a wall lit from above, a rail, the floor."""
    rows = np.linspace(0, 1, _HEIGHT_PX, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, _WIDTH_PX, dtype=np.float32)[None, :]
    light: npt.NDArray[np.float32] = 1.0 - 0.22 * rows - 0.10 * columns**2
    light[300:316] *= 0.86
    light[430:] *= 0.70
    room = light[..., None] * np.array((196, 200, 198), np.float32)
    return np.asarray(cv2.GaussianBlur(room, (0, 0), 1.5), np.uint8)


@lru_cache
def _grain() -> list[Grain]:
    numbers = np.random.default_rng(1)
    shape = (_HEIGHT_PX, _WIDTH_PX, 3)
    return [
        np.rint(numbers.normal(0, _NOISE_SIGMA, shape)).astype(np.int16) for _ in range(_NOISES)
    ]
