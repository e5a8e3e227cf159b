"""The picture that goes with an alert."""

from dataclasses import dataclass

import cv2
import numpy as np
from maskwatch_proto.alert import Label

from edge_detector.vision.arrays import Floats, Picture

FORMAT = "jpg"
WIDTH_PX_MAX = 960
HEIGHT_PX_MAX = 1920
# From "cannot be told from the original" to "still shows who it is"; below, pixels go instead.
_QUALITIES = (88, 78, 65, 50, 38)
_COLOURS_BGR = {Label.NO_MASK: (48, 48, 220), Label.BAD_MASK: (0, 150, 245)}
_WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A JPEG of the whole frame, the face framed in it.

    Attributes:
        data: The file.
        width_px: Of the picture.
        height_px: Of the picture.
        face_px: The face in px of the picture, xyxy, shape (4,).
    """

    data: bytes
    width_px: int
    height_px: int
    face_px: Floats


def encode(frame_bgr: Picture, face_px: Floats, label: Label, *, size_bytes_max: int) -> Evidence:
    """Return the frame as evidence, scaled down and compressed until it is small enough.

    Args:
        frame_bgr: Shape (H, W, 3).
        face_px: The face, xyxy in px of the frame, shape (4,).
        label: Gives the frame around the face its colour.
        size_bytes_max: Of the file; at least 1024, which a picture of a few px always meets.
    """
    height, width = frame_bgr.shape[:2]
    scale = min(1.0, WIDTH_PX_MAX / width, HEIGHT_PX_MAX / height)
    while True:
        evidence = _at_scale(frame_bgr, face_px, label, scale=scale)
        for quality in _QUALITIES:
            data = _jpeg(evidence, quality=quality)
            if len(data) <= size_bytes_max:
                shown = (evidence.shape[1], evidence.shape[0])
                return Evidence(data, *shown, face_px * np.tile(_ratio(shown, frame_bgr), 2))
        scale *= 0.75


def _at_scale(frame_bgr: Picture, face_px: Floats, label: Label, *, scale: float) -> Picture:
    height, width = frame_bgr.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = (
        frame_bgr.copy()
        if size == (width, height)
        else cv2.resize(frame_bgr, size, interpolation=cv2.INTER_AREA)
    )
    corners = np.rint(face_px.reshape(2, 2) * _ratio(size, frame_bgr)).astype(int)
    low, high = ((int(x), int(y)) for x, y in corners)
    thickness = max(2, size[0] // 240)
    # White around the colour: visible on any background.
    cv2.rectangle(picture, low, high, _WHITE, thickness + 2)
    cv2.rectangle(picture, low, high, _COLOURS_BGR.get(label, _WHITE), thickness)
    return np.asarray(picture, np.uint8)


def _ratio(size: tuple[int, int], frame_bgr: Picture) -> Floats:
    """Return px of the picture per px of the frame, (x, y): rounding makes them differ a little."""
    height, width = frame_bgr.shape[:2]
    return np.array([size[0] / width, size[1] / height], np.float32)


def _jpeg(picture: Picture, *, quality: int) -> bytes:
    is_encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_encoded:
        raise RuntimeError("OpenCV does not encode JPEG")
    return data.tobytes()
