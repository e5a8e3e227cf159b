"""``python -m faults.table`` writes docs/reliability.md from build/faults/results.jsonl, and
build/bars/faults-*.json.
"""  # noqa: D205 - one sentence

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
# How a fault is brought about where one machine cannot have it as a plant has it.
_STAND_INS = """\
* **F2**: a power cut is a file system of our own under SQLite (`faults/forgetful_vfs.py`), which
  forgets what was not synced, at writes drawn at random; no machine is switched off.
* **F5, F6** and the full disk of **F22** are real file systems of a few megabytes, mounted by root;
  without root they fail and say so. F5 has a second case that needs none: detector and dispatcher
  may make no file larger than so much (`RLIMIT_FSIZE`).
* **F10, F11**: there is one broker, which has no follower to miss. The proxy answers in its place
  with the error codes; `MESSAGE_TOO_LARGE` and a missing topic are the broker's own.
* **F12**: the processes see a clock that is set while they run (`faults/stepped_clock.c`); the
  machine's own stays.
* **F7**: the hours of an outage are the alerts of these hours, not the hours.
"""
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
            "\n## Brought about otherwise than in a plant\n",
            _STAND_INS,
            "## What is not promised\n",
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
            "; ".join(dict.fromkeys(run.text for run in runs)),
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


def main(results: Path = outcomes.RESULTS, target: Path = PAGE, bars: Path = summary.BARS) -> int:
    """Write the page, and the bars of all runs in it; without a run there is nothing to write.

    A run that was resumed has left the bars of its own part alone.
    """
    found = outcomes.latest(outcomes.read(results))
    if not found:
        print(f"no runs in {results}: run make faults first", file=sys.stderr)
        return 1
    target.write_text(page(found), encoding="utf-8")
    summary.write_bars(found, bars)
    print(f"{target.relative_to(ROOT) if target.is_relative_to(ROOT) else target} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
