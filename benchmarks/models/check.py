"""Whether another program, which shares no code with ours, comes to the same figures."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwatch_training.labels import LABELS

from benchmarks.models.figures import SIDES_PX, Judged
from benchmarks.models.subject import NO_JUDGEMENT, Found
from benchmarks.models.table import Row

# Predictions are written with two places of a px and five of a score.
_TOLERANCE = 0.002


@dataclass(frozen=True, slots=True)
class Files:
    """Truth and predictions of one model, in the project's form."""

    truth: Path
    predictions: Path


def write(folder: Path, name: str, pictures: Sequence[Judged]) -> Files:
    """Write what was judged, one JSON line a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder / "truth.jsonl", folder / f"{name.replace(' ', '_')}.jsonl")
    _write(files.truth, [_truth(one) for one in pictures])
    _write(files.predictions, [prediction(one.name, one.found) for one in pictures])
    return files


def prediction(name: str, found: Found) -> dict[str, Any]:
    """Return the line of one picture."""
    return {
        "file": name,
        "boxes": [
            {
                "xyxy": [round(float(side), 2) for side in box],
                "score": round(float(score), 5),
                "label": "face" if label == NO_JUDGEMENT else LABELS[int(label)],
            }
            for box, score, label in zip(found.xyxy_px, found.scores, found.labels, strict=True)
        ],
    }


def differences(tool: Path, files: Files, row: Row) -> list[str]:
    """Return in which figures the tool differs from the row, none if it agrees."""
    told = []
    for index, side in enumerate(SIDES_PX):
        theirs = _ask(tool, files, side_px=side, score=row.threshold)
        pairs = [
            ("AP50", row.photos.ap50[index], theirs["face"]["AP"]),
            ("mask right", row.photos.mask_right[index], _mask_right(theirs)),
        ]
        if side == 0:
            pairs.append(("recall", row.photos.recall, theirs["face"]["recall"]))
            pairs.append(("precision", row.photos.precision, theirs["face"]["precision"]))
        told += [
            f"{row.name}, {what} at >= {side} px: {ours:.4f} here, {other:.4f} there"
            for what, ours, other in pairs
            if not (ours != ours and other != other) and not abs(ours - other) <= _TOLERANCE  # noqa: PLR0124 - nan
        ]
    return told


def _ask(tool: Path, files: Files, *, side_px: int, score: float) -> dict[str, Any]:
    words = [sys.executable, str(tool), "--gt", str(files.truth), "--pred", str(files.predictions)]
    words += ["--min-side", str(side_px), "--score", str(score), "--json"]
    answer = subprocess.run(words, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout)["all"])


def _mask_right(theirs: dict[str, Any]) -> float:
    return float(theirs.get("mask_no_mask_on_matched", {}).get("accuracy", "nan"))


def _truth(one: Judged) -> dict[str, Any]:
    boxes = zip(one.truth_px.tolist(), one.labels, strict=True)
    return {
        "file": one.name,
        "width": one.size_wh[0],
        "height": one.size_wh[1],
        "boxes": [{"xyxy": box, "label": LABELS[int(label)]} for box, label in boxes],
    }


def _write(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
