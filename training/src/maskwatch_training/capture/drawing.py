"""The OpenCV window as a picture: the frame with its boxes, a bar with counts and keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from maskwatch_training.arrays import Image
from maskwatch_training.capture.boxes import Box, Point, Size
from maskwatch_training.capture.desk import Desk
from maskwatch_training.capture.keys import LEGEND
from maskwatch_training.capture.session import Face, Session

Colour = tuple[int, int, int]  # RGB

VIEW_WIDTH_PX, VIEW_HEIGHT_PX = 960, 640  # of the picture; the bar comes below
BAR_PX = 112
_PAGE: Colour = (24, 32, 38)
_TEXT: Colour = (230, 237, 242)
_MUTED: Colour = (148, 165, 178)
_ERROR: Colour = (255, 138, 120)
# Okabe and Ito, Color Universal Design, 2008: told apart by colour-blind people too.
COLOURS: dict[str | None, Colour] = {
    "mask": (86, 180, 233),
    "no_mask": (230, 159, 0),
    "bad_mask": (204, 121, 167),
    "no_face": (148, 165, 178),
    None: (255, 255, 255),
}
_NAMES = {"mask": "mask", "no_mask": "no mask", "bad_mask": "bad mask", "no_face": "no face"}


@dataclass(frozen=True)
class Layout:
    """Where the picture lies in the window: `scale` window px a picture px, corner in px."""

    scale: float
    left: int
    top: int

    def to_picture(self, x: float, y: float) -> Point:
        """Return a place of the window in px of the picture."""
        return (x - self.left) / self.scale, (y - self.top) / self.scale

    def to_window(self, box: Box) -> Box:
        """Return a box of the picture in px of the window."""
        x1, y1, x2, y2 = (side * self.scale for side in box)
        return x1 + self.left, y1 + self.top, x2 + self.left, y2 + self.top


def layout(size: Size) -> Layout:
    """Fit a picture into the window, in the middle."""
    width, height = size
    scale = min(VIEW_WIDTH_PX / width, VIEW_HEIGHT_PX / height)
    left = round((VIEW_WIDTH_PX - width * scale) / 2)
    return Layout(scale, left, round((VIEW_HEIGHT_PX - height * scale) / 2))


def render(desk: Desk, drawn: Box | None) -> Image:
    """Return the window (H, W, 3) RGB; `drawn` is a box that is being drawn, in picture px."""
    canvas = np.full((VIEW_HEIGHT_PX + BAR_PX, VIEW_WIDTH_PX, 3), _PAGE, np.uint8)
    session = desk.session
    if session.frame is not None:
        placed = layout(session.frame.size)
        _paste(canvas, session.frame.picture, placed)
    sheet = PIL.Image.fromarray(canvas)
    pen = ImageDraw.Draw(sheet)
    if session.frame is None:
        _say_nothing_to_show(pen, desk)
    else:
        _faces(pen, session, placed)
        if drawn is not None:
            pen.rectangle(placed.to_window(drawn), outline=COLOURS[None], width=1)
    _bar(pen, desk)
    return np.asarray(sheet, np.uint8)


def _paste(canvas: Image, picture: Image, placed: Layout) -> None:
    height, width = picture.shape[:2]
    size = (max(1, int(width * placed.scale)), max(1, int(height * placed.scale)))
    way = cv2.INTER_AREA if placed.scale < 1 else cv2.INTER_LINEAR
    shown = np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)
    room = canvas[placed.top :, placed.left :][: shown.shape[0], : shown.shape[1]]
    room[:] = shown[: room.shape[0], : room.shape[1]]


def _say_nothing_to_show(pen: ImageDraw.ImageDraw, desk: Desk) -> None:
    words = f"{desk.source.name}: that was the last picture." if desk.has_ended else "Waiting …"
    middle = (VIEW_WIDTH_PX / 2, VIEW_HEIGHT_PX / 2)
    pen.text(middle, words, fill=_TEXT, font=_font(24), anchor="mm")
    if desk.has_ended:
        below = (middle[0], middle[1] + 36)
        pen.text(
            below, "U takes the last one back, Q ends.", fill=_MUTED, font=_font(16), anchor="mm"
        )


def _faces(pen: ImageDraw.ImageDraw, session: Session, placed: Layout) -> None:
    order = sorted(range(len(session.faces)), key=lambda index: index == session.selected)
    for index in order:
        _face(pen, session.faces[index], placed, is_selected=index == session.selected)


def _face(pen: ImageDraw.ImageDraw, face: Face, placed: Layout, *, is_selected: bool) -> None:
    box, colour = placed.to_window(face.box), COLOURS[face.label]
    x1, y1, x2, y2 = box
    pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0), width=1)
    pen.rectangle(box, outline=colour, width=3 if is_selected else 1)
    if is_selected:
        for x in (x1, (x1 + x2) / 2, x2):
            for y in (y1, (y1 + y2) / 2, y2):
                if (x, y) != ((x1 + x2) / 2, (y1 + y2) / 2):
                    pen.rectangle((x - 4, y - 4, x + 4, y + 4), fill=colour, outline=(0, 0, 0))
    for eye_x, eye_y in face.eyes:
        x, y = eye_x * placed.scale + placed.left, eye_y * placed.scale + placed.top
        pen.ellipse((x - 5, y - 5, x + 5, y + 5), outline=(0, 0, 0), width=4)
        pen.ellipse((x - 5, y - 5, x + 5, y + 5), outline=(120, 255, 160), width=2)
    _tag(pen, face, (x1, y1), colour)


def _tag(pen: ImageDraw.ImageDraw, face: Face, at: Point, colour: Colour) -> None:
    words = _NAMES[face.label] if face.label else "which?"
    y = at[1] - 24 if at[1] >= 24 else at[1]
    width = pen.textlength(words, font=_font(15)) + 12
    pen.rectangle((at[0], y, at[0] + width, y + 22), fill=colour)
    pen.text((at[0] + 6, y + 11), words, fill=(0, 0, 0), font=_font(15), anchor="lm")


def _bar(pen: ImageDraw.ImageDraw, desk: Desk) -> None:
    top = VIEW_HEIGHT_PX
    pen.rectangle((0, top, VIEW_WIDTH_PX, top + BAR_PX), fill=_PAGE)
    x = 20.0
    for name, count in desk.store.counts.items():
        pen.rounded_rectangle((x, top + 16, x + 12, top + 28), 3, fill=COLOURS[name])
        words = f"{_NAMES[name]}  {count}"
        pen.text((x + 20, top + 22), words, fill=_TEXT, font=_font(16), anchor="lm")
        x += 44 + pen.textlength(words, font=_font(16))
    state = "live" if desk.source.is_live and not desk.session.is_held else "held"
    right = f"{desk.source.name} · {state} · group {desk.person.person}"
    end = (VIEW_WIDTH_PX - 20, top + 22)
    pen.text(end, right, fill=_MUTED, font=_font(14), anchor="rm")
    colour = _ERROR if desk.notice.is_error else _TEXT
    words = (
        desk.notice.text or "Drag corners, edges or the whole box; drag beside it for a new one."
    )
    pen.text((20, top + 54), words, fill=colour, font=_font(16), anchor="lm")
    _legend(pen, top + 88)


def _legend(pen: ImageDraw.ImageDraw, middle: int) -> None:
    x, font = 20.0, _font(13)
    for key, meaning in LEGEND:
        width = pen.textlength(key, font=font) + 10
        pen.rounded_rectangle((x, middle - 10, x + width, middle + 10), 4, outline=_MUTED)
        pen.text((x + width / 2, middle), key, fill=_TEXT, font=font, anchor="mm")
        x += width + 5
        pen.text((x, middle), meaning, fill=_MUTED, font=font, anchor="lm")
        x += pen.textlength(meaning, font=font) + 11


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)
