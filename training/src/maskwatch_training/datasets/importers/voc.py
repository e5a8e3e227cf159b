"""Pascal VOC: an XML file a picture, boxes in px.

Corners are taken as they stand, as continuous px: VOC itself counts pixels from 1, the tools that
write the form today (labelImg, CVAT, Roboflow) from 0, and a file does not say which.
Source: Everingham and Winn, The PASCAL VOC 2012 Development Kit, section 4.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

from maskwatch_training.datasets import pictures
from maskwatch_training.datasets.importers import foreign
from maskwatch_training.datasets.importers.foreign import (
    ForeignBox,
    ForeignPicture,
    Found,
    InvalidSource,
)

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_PICTURE_FOLDERS = ("JPEGImages", "images", "Images")


def read(folder: Path) -> Found:
    """Read every `*.xml` below the folder.

    Raises:
        InvalidSource: There is none, one is damaged or not safe, a field or a picture is missing.
    """
    files = sorted(folder.rglob("*.xml"))
    if not files:
        raise InvalidSource(f"{folder}: holds no .xml of Pascal VOC")
    found = [_picture(path, folder) for path in files]
    return Found(found, files, foreign.unannotated(folder, found))


def _picture(path: Path, folder: Path) -> ForeignPicture:
    where = path.relative_to(folder).as_posix()
    root = _parsed(path, where)
    if root.tag != "annotation":
        raise InvalidSource(f"{where}: <{root.tag}> is no Pascal VOC, <annotation> is")
    boxes = [
        _box(item, f"{where}: object[{index}]")
        for index, item in enumerate(root.iterfind("object"))
    ]
    return ForeignPicture(
        path=_picture_path(root, path, where),
        where=where,
        boxes=tuple(boxes),
        declared_wh=_declared(root, where),
    )


def _parsed(path: Path, where: str) -> Element:
    try:
        root = ElementTree.parse(path, forbid_dtd=True).getroot()
    except ParseError as error:
        raise InvalidSource(f"{where}: is no XML: {error}") from error
    except DefusedXmlException as error:
        raise InvalidSource(f"{where}: declares a document type or entities: refused") from error
    if root is None:
        raise InvalidSource(f"{where}: is empty")
    return root


def _picture_path(root: Element, path: Path, where: str) -> Path:
    name = (root.findtext("filename") or "").strip().replace("\\", "/").rsplit("/", 1)[-1]
    names = [name] if name else []
    # Some tools write the name without its suffix, or that of another format.
    stem = Path(name).stem if name else path.stem
    names += [f"{stem}{suffix}" for suffix in sorted(pictures.SUFFIXES)]
    homes = [path.parent, *(path.parent.parent / home for home in _PICTURE_FOLDERS)]
    candidates = [home / name for name in names for home in homes]
    return foreign.first_file(candidates, f"{where}: filename")


def _declared(root: Element, where: str) -> tuple[int, int] | None:
    if root.find("size") is None:
        return None
    sides = [
        int(foreign.number(root.findtext(f"size/{side}"), f"{where}: size.{side}"))
        for side in ("width", "height")
    ]
    # labelImg writes 0 where it did not know.
    return (sides[0], sides[1]) if all(sides) else None


def _box(item: Element, where: str) -> ForeignBox:
    name = foreign.text(item.findtext("name"), f"{where}.name")
    left, top, right, bottom = (
        foreign.number(item.findtext(f"bndbox/{corner}"), f"{where}.bndbox.{corner}")
        for corner in _CORNERS
    )
    return ForeignBox((left, top, right, bottom), name.strip(), where)
