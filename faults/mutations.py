"""``python -m faults.mutations``: break a promise in a copy: the suite has to go red.

A suite that stays green when the offset is committed before the database has proved nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.sources import ROOT

_COPIED = ("proto", "runtime", "services", "devstack", "faults", "benchmarks", "tests")
_RUNTIME = "runtime/src/maskwatch_runtime"
_RED = 1  # pytest's exit status when tests failed; others are no verdict


@dataclass(frozen=True)
class Mutation:
    """One promise, broken.

    Attributes:
        name: What is done wrong.
        file: Relative to the repository.
        before: Stands in the file exactly once.
        after: Takes its place.
        cases: Those that have to notice; one that does is enough.
    """

    name: str
    file: str
    before: str
    after: str
    cases: str


MUTATIONS = (
    Mutation(
        "commit before the database",
        f"{_RUNTIME}/kafka/consumer.py",
        "        self._in_flight.begin(self._work.do(records, stop=self._stop), offsets)\n",
        "        self._in_flight.begin(_nothing(), offsets)\n"
        "        self._in_flight.begin(self._work.do(records, stop=self._stop), {})\n",
        "F21",
    ),
    Mutation(
        "mark sent before the acknowledgement",
        f"{_RUNTIME}/relay.py",
        "                outcomes = await self._publisher.publish(",
        "                await self._source.mark_sent([entry.id for entry in entries])\n"
        "                outcomes = await self._publisher.publish(",
        "F8,F10,F28",
    ),
    Mutation(
        "drop ON CONFLICT",
        "services/ingress/src/ingress/statements.py",
        "    ON CONFLICT (event_id) DO NOTHING\n    RETURNING id, event_id",
        "    RETURNING id, event_id",
        "F9,F24",
    ),
    Mutation(
        "skip the ledger claim",
        "services/notifier/src/notifier/ledger.py",
        "next_try_at = now() + make_interval(secs => $2),",
        "next_try_at = now() + 0 * make_interval(secs => $2),",
        "F33,F35,F38",
    ),
    Mutation(
        "synchronous = OFF",
        f"{_RUNTIME}/outbox/schema.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = OFF",
        "F2",
    ),
    Mutation(
        "ignore SIGTERM",
        f"{_RUNTIME}/lifecycle.py",
        '    _log.info("stopping", action="stop", signal=number.name)\n    stop.set()\n',
        '    _log.info("stopping", action="stop", signal=number.name)\n',
        "F48",
    ),
)


def copy(target: Path) -> None:
    """Copy the sources and the tests."""
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", ".hypothesis")
    for folder in _COPIED:
        shutil.copytree(ROOT / folder, target / folder, ignore=leave)
    shutil.copy2(ROOT / "pyproject.toml", target)


def mutate(mutation: Mutation, root: Path) -> None:
    """Break the promise in the sources under `root`.

    Raises:
        ValueError: The text is not there exactly once: the mutation has to follow the sources.
    """
    path = root / mutation.file
    text = path.read_text(encoding="utf-8")
    if (count := text.count(mutation.before)) != 1:
        raise ValueError(f"{mutation.name}: {mutation.file} has the text {count} times, not once")
    path.write_text(text.replace(mutation.before, mutation.after), encoding="utf-8")


def is_noticed(mutation: Mutation, *, seed: int) -> bool:
    """Run the cases on the broken copy, show what they say, and return whether one went red.

    Raises:
        RuntimeError: The cases did not run to their end.
    """
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        root = Path(name)
        root.chmod(0o711)
        copy(root)
        mutate(mutation, root)
        command = [sys.executable, "-m", "pytest", "tests/faults", "--quiet", "--tb=line"]
        command += ["-m", "case", "--cases", mutation.cases]
        command += ["--first-seed", str(seed), "--exitfirst"]
        ran = subprocess.run(  # noqa: S603 - our own tests
            command, cwd=root, env=_environment(root), check=False
        )
    if ran.returncode not in {0, _RED}:
        raise RuntimeError(f"{mutation.name}: the cases ended with status {ran.returncode}")
    return ran.returncode == _RED


def _environment(root: Path) -> dict[str, str]:
    """The copy before everything that is installed, for the tests and the services they start."""
    sources = [root, *sorted(root.glob("*/src")), *sorted(root.glob("services/*/src"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}


def main() -> int:
    """Try all, print a line each, and return 1 when one went unnoticed."""
    parser = argparse.ArgumentParser(prog="faults.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a name; all by default")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    survived: list[str] = []
    lines: list[str] = []
    for mutation in _chosen(given.names):
        print(f"\n=== {mutation.name}: {mutation.cases} ===", flush=True)
        noticed = is_noticed(mutation, seed=given.seed)
        lines.append(f"{mutation.name:40} {'noticed' if noticed else 'SURVIVED'}")
        if not noticed:
            survived.append(mutation.name)
    print("\n" + "\n".join(lines))
    return 1 if survived else 0


def _chosen(names: Sequence[str]) -> list[Mutation]:
    return [one for one in MUTATIONS if not names or any(name in one.name for name in names)]


if __name__ == "__main__":
    sys.exit(main())
