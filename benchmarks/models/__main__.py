"""`python -m benchmarks.models`: our models beside the peers on the photos held back."""

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
from edge_detector.predict import manifest_or_none
from edge_detector.settings import MODELS, PACKAGED_CLASSIFIER, PACKAGED_MODEL
from edge_detector.sources import files
from edge_detector.vision import manifest as manifests
from maskwatch_runtime.errors import Misconfigured

from benchmarks import bars
from benchmarks.models import check, cuts, figures, pictures, promises, speed, table
from benchmarks.models.aizoo import Aizoo
from benchmarks.models.figures import Judged
from benchmarks.models.opencv import Haar, YuNet
from benchmarks.models.ours import Ours
from benchmarks.models.pictures import DataMissing, HeldBack, Shown
from benchmarks.models.subject import Subject
from benchmarks.models.table import Row

_ROOT = Path(__file__).resolve().parents[2]
_SHARED = _ROOT.parent / "shared"
_MICROCONTROLLER = _ROOT / "training" / "models" / "microcontroller"
_QUICK_PHOTOS = 60
_TIMED_PHOTOS = 40
_WITH = " + "  # between the names of a detector and of the classifier behind it


def main() -> int:
    """Measure what the command line asks for; return 1 when a bar was missed."""
    chosen = _parser().parse_args()
    # One thread for everybody: OpenCV would take all cores.
    cv2.setNumThreads(1)
    try:
        if chosen.images:
            return _predict(chosen)
        most = _QUICK_PHOTOS if chosen.quick else None
        held = pictures.held_back(chosen.data, most=most)
        return _speed(chosen, held) if chosen.speed else _measure(chosen, held)
    except (DataMissing, Misconfigured) as error:
        print(f"make eval: {error}", file=sys.stderr)
        return 78


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__)
    parser.add_argument(
        "--models", type=Path, default=MODELS, metavar="DIR", help="every manifest in it (packaged)"
    )
    parser.add_argument(
        "--model", type=Path, action="append", help="only this manifest, repeatable"
    )
    parser.add_argument(
        "--classifier",
        type=manifest_or_none,
        default=PACKAGED_CLASSIFIER,
        metavar="MANIFEST|none",
        help="judges what each detector found (as shipped)",
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the photos")
    parser.add_argument(
        "--aizoo-only", action="store_true", help="no other peer: three times as fast"
    )
    parser.add_argument("--speed", action="store_true", help="only the milliseconds")
    parser.add_argument("--rounds", type=int, default=3, help="of the clock (%(default)s)")
    parser.add_argument("--images", type=Path, nargs="+", help="only predict, on these pictures")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "eval", metavar="DIR")
    _add_folder(parser, "--data", "MASKWATCH_TRAINING_DATA", _SHARED / "data")
    _add_folder(parser, "--peers", "MASKWATCH_PEERS", _SHARED / "peers")
    return parser


def _add_folder(parser: argparse.ArgumentParser, name: str, variable: str, default: Path) -> None:
    value = Path(os.environ.get(variable) or default)
    parser.add_argument(name, type=Path, default=value, help=f"or {variable} (%(default)s)")


def _measure(chosen: argparse.Namespace, held: HeldBack) -> int:
    ours, others = _ours(chosen), _peers(chosen)
    subjects: list[Subject] = [*ours, *others]
    photos = _judge(subjects, held.whole(), "photos")
    door = _judge(subjects, held.door(), "door cuts")
    crops = _judge(subjects, held.crops(), "tight crops")
    ms = _clocked(chosen, subjects, held)
    rows = [
        Row(
            name,
            threshold,
            figures.of_photos(photos[name], score_min=threshold),
            figures.of_door(door[name], score_min=threshold),
            figures.of_crops(crops[name]),
        )
        for subject in subjects
        for name, threshold in zip(subject.names, subject.thresholds, strict=True)
    ]
    print(f"\n{len(held.photos)} photos held back\n{table.text(rows, ms)}")
    second = cuts.measure(_classifiers(chosen), held.whole(), seed=held.seed)
    if second:
        print(f"\nclassifiers on the annotated faces\n{cuts.text(second)}")
    agrees = _agrees(chosen, rows, photos)
    _write(chosen.out, rows, second, ms)
    is_kept = _kept(rows[: sum(len(one.names) for one in ours)], second, ms)
    return 0 if agrees and is_kept else 1


def _speed(chosen: argparse.Namespace, held: HeldBack) -> int:
    print(table.speeds(_clocked(chosen, [*_ours(chosen), *_peers(chosen)], held)))
    return 0


def _predict(chosen: argparse.Namespace) -> int:
    subjects: list[Subject] = [*_ours(chosen), *_peers(chosen)]
    paths = [
        path
        for given in chosen.images
        for path in (files.pictures_in(given) if given.is_dir() else [given])
    ]
    lines: dict[str, list[str]] = {name: [] for one in subjects for name in one.names}
    for path in paths:
        frame = files.read_picture(path)
        for subject in subjects:
            for name, found in zip(subject.names, subject.find(frame), strict=True):
                lines[name].append(json.dumps(check.prediction(path.as_posix(), found)))
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, written in lines.items():
        out = chosen.out / f"{name.replace(' ', '_')}.jsonl"
        out.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
        print(f"{len(written)} pictures in {out}")
    return 0


def _ours(chosen: argparse.Namespace) -> list[Ours]:
    paths = chosen.model or manifests.found_in(chosen.models, task="face_mask_detector")
    if not paths:
        raise Misconfigured(f"--models: the folder {chosen.models} holds no detector's manifest")
    return [Ours(path, chosen.classifier) for path in paths]


def _classifiers(chosen: argparse.Namespace) -> list[Path]:
    found = [
        path
        for folder in (chosen.models, _MICROCONTROLLER)
        for path in manifests.found_in(folder, task="mask_classifier")
    ]
    given = [chosen.classifier] if chosen.classifier else []
    return [*found, *(path for path in given if path not in found)]


def peers(folder: Path) -> list[Subject]:
    """Load every peer.

    Raises:
        DataMissing: One of them is not in the folder.
    """
    names = ("aizoo_face_mask_260.tflite", "yunet_n_320.onnx", "yunet_n_640.onnx")
    files = [folder / name for name in names]
    for file in files:
        if not file.is_file():
            raise DataMissing(f"MASKWATCH_PEERS: {file} is missing")
    aizoo, small, large = files
    return [Aizoo(aizoo), YuNet(small, size_px=320), YuNet(large, size_px=640), Haar()]


def _peers(chosen: argparse.Namespace) -> list[Subject]:
    found = peers(chosen.peers)
    return found[:1] if chosen.aizoo_only else found


def _judge(
    subjects: Sequence[Subject], shown: Iterable[Shown], what: str
) -> dict[str, list[Judged]]:
    """Run every subject over the pictures; what each found by its name."""
    found: dict[str, list[Judged]] = {name: [] for one in subjects for name in one.names}
    for one in _told(shown, what):
        for subject in subjects:
            answers = subject.find(one.picture_bgr)
            for name, answer in zip(subject.names, answers, strict=True):
                found[name].append(figures.judged(one, answer))
    return found


def _told(shown: Iterable[Shown], what: str) -> Iterator[Shown]:
    """Pass the pictures on and tell every ten seconds how far it is."""
    last_s, number = time.monotonic(), 0
    for number, one in enumerate(shown, 1):
        yield one
        if time.monotonic() - last_s > 10:
            last_s = time.monotonic()
            print(f"  {what}: {number}", file=sys.stderr, flush=True)
    print(f"  {what}: {number}, done", file=sys.stderr, flush=True)


def _clocked(
    chosen: argparse.Namespace, subjects: Sequence[Subject], held: HeldBack
) -> dict[str, float]:
    step = max(1, len(held.photos) // _TIMED_PHOTOS)
    timed = HeldBack(held.photos[::step], held.seed)
    frames = [one.picture_bgr for one in itertools.islice(timed.whole(), _TIMED_PHOTOS)]
    return speed.measure(subjects, frames, rounds=chosen.rounds)


def _agrees(
    chosen: argparse.Namespace, rows: Sequence[Row], photos: dict[str, list[Judged]]
) -> bool:
    tool = chosen.peers.parent / "tools" / "eval_detector.py"
    if not tool.is_file():
        print(f"\nnot compared with another program: {tool} is missing")
        return True
    told = []
    for row in rows:
        files = check.write(chosen.out, row.name, photos[row.name])
        told += check.differences(tool, files, row)
    print("\n" + ("\n".join(told) if told else f"{tool.name} comes to the same figures"))
    return not told


def _kept(rows: Sequence[Row], second: Sequence[cuts.CutFigures], ms: dict[str, float]) -> bool:
    """Report every bar; the float files are held to by what int8 may lose beside them."""
    shipped = [row for row in rows if _WITH in row.name] or rows
    kept = [
        bars.report(f"models-{row.name.replace(_WITH, '-with-')}", _bars_of(row, ms))
        for row in shipped
        if row.name.partition(_WITH)[0].endswith("-int8")
    ]
    kept += [bars.report(f"models-{name}", found) for name, found in cuts.bars(second).items()]
    if twins := promises.quantised(rows):
        kept.append(bars.report("models-int8", twins))
    return all(kept)


def _bars_of(row: Row, ms: dict[str, float]) -> list[bars.Bar]:
    alone = row.name.partition(_WITH)[0]
    is_default = alone == manifests.read(PACKAGED_MODEL).name
    promise = promises.DEFAULT if is_default else promises.SMALL
    found = [*promises.detector(row, promise), *promises.judgement(row)]
    return [*found, promises.speed(alone, promise, ms)] if alone in ms else found


def _write(
    folder: Path, rows: Sequence[Row], second: Sequence[cuts.CutFigures], ms: dict[str, float]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entry = {
        "detectors": [asdict(row) for row in rows],
        "classifiers": [asdict(one) for one in second],
        "milliseconds": ms,
    }
    text = json.dumps(entry, indent=1) + "\n"
    (folder / "figures.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
