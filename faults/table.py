"""``python -m faults.table`` writes docs/reliability.md from build/faults/results.jsonl."""

import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from faults import outcomes, promises, summary
from faults.outcomes import Outcome
from faults.sources import ROOT

PAGE = ROOT / "docs" / "reliability.md"
_HEAD = """\
# What was broken, and what came of it

Made by `make faults-table` from runs of `make faults`: real Kafka, PostgreSQL and SMTP on one
machine, the services as processes. After each run the checker compares what the edge was told is
safe with archive, topics, mails, ledger and queues ([how](architecture.md#the-fault-suite)).
`make faults CASES=F9 FIRST_SEED=3` repeats the third seed of a case.

"""
_FOOT = """
Recovery is counted from the moment at which the cause is gone until nothing waits anywhere on
the path. The last column says what is known of the original programs; they were not
run."""
_COLUMNS = (
    "case",
    "what is broken",
    "runs",
    "injected",
    "events",
    "verdict",
    "recovery, median",
    "worst",
    "the original programs",
)


def page(found: Sequence[Outcome]) -> str:
    """Return the page; every figure in it is one of these outcomes'."""
    cases = summary.by_case(found)
    lines = [_row(case, runs) for case, runs in cases.items()]
    table = [_cells(_COLUMNS), _cells(["---"] * len(_COLUMNS)), *lines]
    return "\n".join(
        [
            _HEAD + _origin(found) + "\n",
            *table,
            _FOOT,
            *_measured(cases),
            "\n## What is not promised\n",
            promises.NOT_PROMISED,
        ]
    )


def _origin(found: Sequence[Outcome]) -> str:
    seeds = sorted({one.seed for one in found})
    commits = Counter(one.commit for one in found)
    named = ", ".join(f"`{commit}` ({count} runs)" for commit, count in commits.most_common())
    return f"{len(found)} runs, seeds {seeds[0]} to {seeds[-1]}, on commit {named}.\n"


def _row(case: str, runs: Sequence[Outcome]) -> str:
    waits = summary.recoveries(runs)
    kinds: Counter[str] = Counter()
    for run in runs:
        kinds.update(run.injected)
    return _cells(
        [
            case,
            runs[-1].text,
            str(len(runs)),
            ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()),
            f"{sum(run.events for run in runs):,}",
            summary.verdict(runs),
            f"{statistics.median(waits):.1f} s" if waits else "",
            f"{max(waits):.1f} s" if waits else "",
            promises.ORIGINALS.get(case, ""),
        ]
    )


def _measured(cases: dict[str, list[Outcome]]) -> list[str]:
    rows = []
    for case, runs in cases.items():
        for bar in {bar.name: bar for run in runs for bar in run.bars}.values():
            same = [one for run in runs for one in run.bars if one.name == bar.name]
            values = [one.value for one in same]
            is_kept = all(one.ok is not False for one in same)
            promised = "" if bar.floor is None else f"{bar.floor:g} {bar.unit}"
            verdict = "" if bar.floor is None else ("kept" if is_kept else "MISSED")
            spread = f"{min(values):,.2f} to {max(values):,.2f} {bar.unit}"
            rows.append(_cells([case, bar.name, spread, promised, verdict]))
    if not rows:
        return []
    head = [_cells(["case", "figure", "least to most", "promised", ""]), _cells(["---"] * 5)]
    return ["\n## Figures of the cases\n", *head, *rows]


def _cells(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in texts) + " |"


def main(results: Path = outcomes.RESULTS, target: Path = PAGE) -> int:
    """Write the page; without a single run there is nothing to write."""
    found = outcomes.latest(outcomes.read(results))
    if not found:
        print(f"no runs in {results}: run make faults first", file=sys.stderr)
        return 1
    target.write_text(page(found), encoding="utf-8")
    print(f"{target.relative_to(ROOT) if target.is_relative_to(ROOT) else target} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
