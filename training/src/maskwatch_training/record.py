"""What a step did, written beside its result: data, seed, versions, time, energy."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maskwatch_training import drafts, energy

_PACKAGES = (
    "maskwatch-training",
    "torch",
    "torchvision",
    "timm",
    "litert-torch",
    "ai-edge-quantizer",
    "onnx",
    "onnxruntime",
    "opencv-python",
    "numpy",
    "codecarbon",
)


@dataclass(frozen=True)
class Job:
    """A step, the folder of its result, and what decides the result."""

    step: str
    folder: Path
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Sequence[Path] = ()


@contextmanager
def recording(job: Job) -> Iterator[dict[str, Any]]:
    """Run the body and write `record-<step>.json`, also when it fails or is interrupted.

    The body may put figures of its own into the mapping it is given.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    started, begin = datetime.now(UTC), time.monotonic()
    outcome = "interrupted"
    with energy.metered() as meter:
        try:
            yield results
            outcome = "finished"
        except Exception as error:
            outcome = f"failed: {type(error).__name__}: {error}"
            raise
        finally:
            spent = meter.stop()
            entry = {
                "step": job.step,
                "outcome": outcome,
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - begin, 1),
                "seed": job.seed,
                "settings": dict(job.settings),
                "data": {name: digest_if_there(path) for name, path in named(job.data).items()},
                "versions": versions(),
                "machine": platform.platform(),
                "energy": spent.as_mapping(),
                "results": results,
            }
            write_json(job.folder / f"record-{job.step}.json", entry)


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """Name files by the end of their path, with as many folders as tell those of one name apart."""
    different = list(dict.fromkeys(path.resolve() for path in paths))
    return {_shortest(path, different): path for path in different}


def _shortest(path: Path, among: Sequence[Path]) -> str:
    for length in range(1, len(path.parts)):
        end = path.parts[-length:]
        if sum(other.parts[-length:] == end for other in among) == 1:
            return "/".join(end)
    return str(path)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_if_there(path: Path) -> str | None:
    """Return the SHA-256 of a file, in hex; None if there is no such file."""
    return digest(path) if path.is_file() else None


def versions() -> dict[str, str]:
    """Name the versions that a result may depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def write_json(path: Path, entry: Mapping[str, Any]) -> None:
    """Write a file whole or not at all."""
    with drafts.file(path) as draft:
        draft.write_text(json.dumps(entry, indent=2, default=str) + "\n", encoding="utf-8")
