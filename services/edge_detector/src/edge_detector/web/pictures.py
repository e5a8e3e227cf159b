"""Pictures from strangers: measured before they are decoded, and decoded within bounds."""

import io
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edge_detector.vision.arrays import Picture
from edge_detector.web.problems import Problem

PIXELS_MAX = 40_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# From so many pixels on, one picture is decoded at a time, and a JPEG at half its size.
_LARGE_PX = 12_000_000
# A progressive JPEG of a few hundred KB can hold thousands of passes over the whole picture.
_JPEG_SCANS_MAX = 64
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_WHITE = (255, 255, 255)
# What Pillow's readers raise on bytes that are not what they begin like.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as it is displayed: rotation tags obeyed, the first frame, on white.

    Attributes:
        image_bgr: Shape (H, W, 3), perhaps smaller than the picture.
        size_wh: Of the picture as displayed, px.
    """

    image_bgr: Picture
    size_wh: tuple[int, int]


class Decoder:
    """Decodes pictures of any size up to 40 megapixels; the large ones one after the other."""

    def __init__(self) -> None:
        self._large = threading.Lock()

    def decode(self, data: bytes) -> Decoded:
        """Return the picture that the bytes are.

        Raises:
            Problem: 413 too many pixels; 415 no picture of a kind that is taken; 422 damaged.
        """
        with _opened(data) as image:
            width, height = image.size
            if not 0 < width * height <= PIXELS_MAX:
                raise Problem(413, f"the picture has {width} x {height} px; at most 40 megapixels")
            if width * height < _LARGE_PX:
                return _decoded(image, data)
            with self._large:
                return _decoded(image, data)


def _opened(data: bytes) -> Image.Image:
    """Return the picture with its header read and not a pixel decoded."""
    try:
        with warnings.catch_warnings():
            # Its size is looked at right after, whatever Pillow thinks of it.
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise Problem(413, "the picture has more than 40 megapixels") from None
    except UnidentifiedImageError:
        raise Problem(415, f"this is no picture of the kinds {', '.join(FORMATS)}") from None
    except _UNREADABLE as error:
        raise Problem(422, f"the picture's header cannot be read: {_reason(error)}") from None


def _decoded(image: Image.Image, data: bytes) -> Decoded:
    if image.format in ("JPEG", "MPO"):
        _check_jpeg(data)
        if image.mode in ("RGB", "L"):
            return _jpeg(image, data)
    return _any(image)


def _check_jpeg(data: bytes) -> None:
    """Refuse what decoders would fill with grey, and what keeps them busy for minutes."""
    if data.rfind(_END_OF_IMAGE) < data.rfind(_START_OF_SCAN):
        raise Problem(422, "the picture is cut off: its last bytes are missing")
    if data.count(_START_OF_SCAN) > _JPEG_SCANS_MAX:
        raise Problem(422, f"the JPEG has more than {_JPEG_SCANS_MAX} scans")


def _jpeg(image: Image.Image, data: bytes) -> Decoded:
    """OpenCV takes a third of the time that Pillow takes, and obeys the rotation tag."""
    is_large = image.width * image.height >= _LARGE_PX
    flags = cv2.IMREAD_REDUCED_COLOR_2 if is_large else cv2.IMREAD_COLOR
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise Problem(422, f"the picture cannot be decoded: {error.err}") from None
    if decoded is None:
        raise Problem(422, "the picture cannot be decoded")
    picture = np.asarray(decoded, np.uint8)
    is_upright = (picture.shape[1] > picture.shape[0]) == (image.width > image.height)
    if image.width == image.height or is_upright:
        return Decoded(picture, image.size)
    return Decoded(picture, (image.height, image.width))


def _any(image: Image.Image) -> Decoded:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            upright = ImageOps.exif_transpose(image)
            picture = np.ascontiguousarray(np.asarray(_rgb(upright))[..., ::-1])
    except Problem:
        raise
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise Problem(422, f"the picture cannot be decoded: {_reason(error)}") from None
    return Decoded(picture, (picture.shape[1], picture.shape[0]))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow would clip sixteen bits to white; the upper eight are the picture.
        sixteen = np.asarray(image).clip(0, 65_535).astype(np.uint16)
        return Image.fromarray((sixteen >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise Problem(415, "pictures of floating point numbers are not taken")
    if image.mode == "RGB":
        return image
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGB", layer.size, _WHITE)
        ground.paste(layer, mask=layer.getchannel("A"))
        return ground
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
