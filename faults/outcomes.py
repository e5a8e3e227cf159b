"""What became of a case's run: a line of build/faults/results.jsonl."""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from faults.sources import ROOT

RESULTS = ROOT / "build" / "faults" / "results.jsonl"
_SOURCES = ("proto", "runtime", "services", "devstack", "faults")
_KINDS = {".py", ".proto", ".sql"}
# What only reports is no part of what is tested.
_REPORTING = {"table.py", "outcomes.py", "plugin.py"}


class Bar(BaseModel):
    """A figure that a case measured, against what was promised."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    unit: str
    floor: float | None = None
    ok: bool | None = None


class Outcome(BaseModel):
    """One run of one case with one seed.

    Attributes:
        theme: The test file, without ``test_``.
        digest: Of the sources that it ran on.
        injected: How often, by kind.
        recovery_s: From healed to settled.
        report: The checker's few lines.
        counter_example: Why it failed; empty when it passed.
    """

    model_config = ConfigDict(frozen=True)

    case: str
    text: str
    theme: str
    seed: int
    digest: str
    commit: str
    has_passed: bool
    injected: dict[str, int]
    events: int
    recovery_s: float | None
    duration_s: float
    report: str
    counter_example: str
    bars: list[Bar]


def append(outcome: Outcome, path: Path = RESULTS) -> None:
    """Add a line; one that a full disk has cut short before it stays a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes()[-1:] if path.exists() else b""
    with path.open("a", encoding="utf-8") as file:
        file.write(("" if before in b"\n" else "\n") + outcome.model_dump_json() + "\n")


def read(path: Path = RESULTS) -> list[Outcome]:
    """Return all outcomes, oldest first; lines that were cut short are left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Outcome.model_validate_json(line) for line in lines if _is_whole(line)]


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def latest(outcomes: list[Outcome]) -> list[Outcome]:
    """Return the last outcome of each test, a case may have several, and seed."""
    return list({(one.case, one.text, one.seed): one for one in outcomes}.values())


def digest(test_file: Path) -> str:
    """Return the digest of everything that a test file's cases stand on."""
    found = hashlib.sha256(_shared_digest().encode())
    for path in (test_file.with_name("conftest.py"), test_file):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


@lru_cache
def _shared_digest() -> str:
    found = hashlib.sha256()
    for path in _sources():
        found.update(str(path.relative_to(ROOT)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def _sources() -> Iterator[Path]:
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            is_reporting = folder == "faults" and path.name in _REPORTING
            if path.suffix in _KINDS and path.is_file() and not is_reporting:
                yield path
