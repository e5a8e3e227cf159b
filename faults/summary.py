"""What a run of the suite ends with: a table, and its bars for each theme."""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from faults.outcomes import Bar, Outcome
from faults.sources import ROOT

BARS = ROOT / "build" / "bars"


def text(outcomes: Sequence[Outcome]) -> str:
    """Return the table: a line a case."""
    lines = [f"{'':5} {'runs':>5} {'injected':>9} {'median':>8} {'worst':>8}  verdict"]
    for case, runs in by_case(outcomes).items():
        waits = recoveries(runs)
        median = f"{statistics.median(waits):.1f} s" if waits else ""
        worst = f"{max(waits):.1f} s" if waits else ""
        count = sum(sum(run.injected.values()) for run in runs)
        lines.append(f"{case:5} {len(runs):5} {count:9} {median:>8} {worst:>8}  {verdict(runs)}")
        lines += [f"      {_shown(bar)}" for run in runs for bar in run.bars]
    return "\n".join(lines)


def verdict(runs: Sequence[Outcome]) -> str:
    """Return ``passed``, or how many failed and the first counter-example."""
    failed = [run for run in runs if not run.has_passed]
    if not failed:
        return "passed"
    return f"{len(failed)} FAILED, seed {failed[0].seed}: {failed[0].counter_example}"


def recoveries(runs: Sequence[Outcome]) -> list[float]:
    """Return the recovery times of the runs that have one, seconds."""
    return [run.recovery_s for run in runs if run.recovery_s is not None]


def by_case(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Return the runs of each case, F2 before F10."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.case].append(outcome)
    return dict(sorted(found.items(), key=lambda item: (int(item[0].strip("F") or 0), item[0])))


def write_bars(outcomes: Sequence[Outcome], folder: Path = BARS) -> None:
    """Write faults-<theme>.json: recovery and verdict of each case, and what cases measured."""
    themes: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        themes[outcome.theme].append(outcome)
    folder.mkdir(parents=True, exist_ok=True)
    for theme, runs in themes.items():
        lines = [line for case, of_case in by_case(runs).items() for line in _lines(case, of_case)]
        path = folder / f"faults-{theme}.json"
        path.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


def _lines(case: str, runs: Sequence[Outcome]) -> list[dict[str, object]]:
    passed = sum(run.has_passed for run in runs)
    bars = [
        Bar(name="runs passed", value=passed, unit="", floor=len(runs), ok=passed == len(runs)),
        *(bar for run in runs for bar in run.bars),
    ]
    if waits := recoveries(runs):
        bars.append(Bar(name="worst recovery", value=round(max(waits), 2), unit="s"))
    return [
        {
            "bar": f"{case}, {bar.name}",
            **bar.model_dump(exclude={"name"}),
            "peer": None,
            "ratio": None,
        }
        for bar in bars
    ]


def _shown(bar: Bar) -> str:
    floor = "" if bar.floor is None else f" (promised {bar.floor:g})"
    return f"{bar.name}: {bar.value:,.2f} {bar.unit}{floor}{' MISSED' if bar.ok is False else ''}"
