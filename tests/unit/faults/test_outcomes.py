import json
from pathlib import Path

import pytest

from faults import outcomes, summary, table
from faults.outcomes import Bar, Outcome


def _outcome(**changes: object) -> Outcome:
    passed = Outcome(
        case="F9",
        text="SIGKILL of the dispatcher",
        theme="relay",
        seed=1,
        digest="0123",
        commit="abc",
        has_passed=True,
        injected={"SIGKILL": 3},
        events=100,
        recovery_s=2.0,
        duration_s=9.0,
        report="nothing lost",
        counter_example="",
        bars=[],
    )
    return passed.model_copy(update=changes)


def test_outcomes_are_read_back_and_the_last_of_a_seed_counts(tmp_path: Path) -> None:
    path = tmp_path / "results" / "results.jsonl"
    failed, passed, other = _outcome(has_passed=False), _outcome(), _outcome(seed=2)
    for one in (failed, passed, other):
        outcomes.append(one, path)
    with path.open("a") as file:
        file.write('{"case": "F9", cut short')

    assert outcomes.read(path) == [failed, passed, other]
    assert outcomes.latest(outcomes.read(path)) == [passed, other]

    outcomes.append(other, path)

    assert outcomes.read(path) == [failed, passed, other, other]


def test_without_a_run_there_are_no_outcomes(tmp_path: Path) -> None:
    assert outcomes.read(tmp_path / "none.jsonl") == []


def test_digest_follows_the_test_and_its_conftest(tmp_path: Path) -> None:
    test, conftest = tmp_path / "test_x.py", tmp_path / "conftest.py"
    test.write_text("1")
    conftest.write_text("1")
    found = [outcomes.digest(test)]
    for path in (test, conftest):
        path.write_text("2")
        found.append(outcomes.digest(test))

    assert len(set(found)) == 3
    assert outcomes.digest(test) == found[-1]


def test_summary_names_the_first_counter_example() -> None:
    runs = [_outcome(), _outcome(seed=2, has_passed=False, counter_example="lost: 1, first: x")]

    assert summary.verdict(runs[:1]) == "passed"
    assert summary.verdict(runs) == "1 FAILED, seed 2: lost: 1, first: x"


def test_cases_are_in_the_order_of_their_numbers() -> None:
    runs = [_outcome(case=case) for case in ("F10", "F2", "F9")]

    assert list(summary.by_case(runs)) == ["F2", "F9", "F10"]


def test_bars_tell_passed_runs_recovery_and_figures(tmp_path: Path) -> None:
    kept = Bar(name="drain", value=2500, unit="alerts/s", floor=2000, ok=True)

    summary.write_bars([_outcome(bars=[kept]), _outcome(seed=2, recovery_s=4.5)], tmp_path)

    lines = json.loads((tmp_path / "faults-relay.json").read_text())
    assert [(line["bar"], line["value"], line["ok"]) for line in lines] == [
        ("F9, runs passed", 2, True),
        ("F9, drain", 2500, True),
        ("F9, worst recovery", 4.5, None),
    ]
    assert {"unit", "peer", "ratio", "floor"} <= lines[0].keys()


def test_page_says_how_often_what_came_of_it_and_from_which_commit() -> None:
    page = table.page([_outcome(), _outcome(seed=2, recovery_s=4.0)])

    assert "2 runs, seeds 1 to 2, on commit `abc` (2 runs)" in page
    row = next(line for line in page.splitlines() if line.startswith("| F9 "))
    assert "6 SIGKILL" in row
    assert "| 200 | passed | 3.0 s | 4.0 s |" in row
    assert "## What is not promised" in page


def test_failed_run_stands_in_the_page() -> None:
    assert "1 FAILED, seed 1: lost" in table.page(
        [_outcome(has_passed=False, counter_example="lost")]
    )


def test_page_comes_with_the_bars_of_all_its_runs(tmp_path: Path) -> None:
    results, target = tmp_path / "results.jsonl", tmp_path / "page.md"
    for outcome in (_outcome(), _outcome(seed=2)):
        outcomes.append(outcome, results)

    assert table.main(results, target, tmp_path) == 0

    assert "2 runs" in target.read_text()
    (passed, *_) = json.loads((tmp_path / "faults-relay.json").read_text())
    assert (passed["bar"], passed["value"]) == ("F9, runs passed", 2)


def test_page_is_not_written_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table.main(tmp_path / "none.jsonl", tmp_path / "page.md", tmp_path) == 1
    assert "run make faults first" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()
