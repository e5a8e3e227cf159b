"""Faces of pictures as JSON lines, for people and for evaluation."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from maskwatch_runtime.errors import Misconfigured

from edge_detector.sources import files
from edge_detector.sources.base import UnreadablePicture
from edge_detector.vision import classifier, model
from edge_detector.vision.detector import Detector
from edge_detector.vision.faces import Faces


def add_arguments(
    parser: argparse.ArgumentParser, *, model_default: Path, classifier_default: Path | None
) -> None:
    """Add the options of `predict`."""
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="DIR|FILE")
    parser.add_argument("--out", type=Path, required=True, help="one JSON object a picture")
    parser.add_argument("--min-score", type=_unit, help="by default the model's own threshold")
    parser.add_argument(
        "--root", type=Path, help='what "file" is relative to; by default the folder given'
    )
    parser.add_argument("--model", type=Path, default=model_default, help="its manifest")
    parser.add_argument(
        "--classifier",
        type=manifest_or_none,
        default=classifier_default,
        metavar="MANIFEST|none",
        help="judges each face again",
    )
    parser.add_argument("--runtime", choices=("auto", "litert", "tflite-runtime"), default="auto")
    parser.add_argument("--threads", type=int, default=1)


def run(arguments: argparse.Namespace) -> int:
    """Write the predictions; return 0, or 65 (EX_DATAERR) when no picture could be read.

    Raises:
        Misconfigured: A path or the model cannot be used.
    """
    how = {"runtime": arguments.runtime, "threads": arguments.threads}
    second = arguments.classifier and classifier.load(arguments.classifier, **how)
    detector = Detector(
        model.load(arguments.model, **how), classifier=second, score_min=arguments.min_score
    )
    named = list(_named(arguments.images, arguments.root))
    try:
        with arguments.out.open("w", encoding="utf-8") as out:
            read = _write(detector, named, out)
    except OSError as error:
        raise Misconfigured(f"--out: {arguments.out}: {error.strerror}") from error
    print(f"{read} of {len(named)} pictures read, {arguments.out} written", file=sys.stderr)  # noqa: T201 - a person waits at the terminal
    return 0 if read else 65


def line(name: str, faces: Faces) -> dict[str, Any]:
    """Return what stands in a line: boxes in px of the stored picture, best first."""
    return {
        "file": name,
        "boxes": [
            {
                "xyxy": [round(float(side), 2) for side in xyxy],
                "score": round(float(score), 5),
                "label": label.value,
            }
            for xyxy, score, label in zip(
                faces.xyxy_px, faces.scores, faces.best_labels, strict=True
            )
        ],
    }


def manifest_or_none(text: str) -> Path | None:
    """Return the path that the command line names, None for "none"."""
    return None if text == "none" else Path(text)


def _write(detector: Detector, named: Iterable[tuple[str, Path]], out: TextIO) -> int:
    read = 0
    for name, path in named:
        try:
            faces = detector.detect(files.read_picture(path))
        except UnreadablePicture as error:
            print(f"skipped: {error}", file=sys.stderr)  # noqa: T201 - as above
            continue
        out.write(json.dumps(line(name, faces)) + "\n")
        read += 1
    return read


def _named(given: Iterable[Path], root: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield each picture with its name in the output."""
    for path in given:
        if not path.exists():
            raise Misconfigured(f"--images: {path} does not exist")
        folder = path if path.is_dir() else None
        pictures = [path] if folder is None else files.pictures_in(folder)
        if not pictures:
            raise Misconfigured(f"--images: the folder {path} holds no picture")
        for picture in pictures:
            yield _name(picture, root or folder), picture


def _name(picture: Path, base: Path | None) -> str:
    if base is None:
        return picture.as_posix()
    try:
        return picture.resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        raise Misconfigured(f"--root: {picture} does not lie below {base}") from None


def _unit(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("a score lies between 0 and 1")
    return number
