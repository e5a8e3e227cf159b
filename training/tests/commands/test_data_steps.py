"""The steps from other people's pictures to a versioned data set, as a user types them."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from maskwatch_training import cli
from maskwatch_training.commands import import_
from maskwatch_training.datasets import importers, photos

CLASSES = ("with_mask", "without_mask", "mask_weared_incorrect")


@pytest.fixture
def folders(draw: Callable[..., Path]) -> Callable[..., Path]:
    def write(root: Path, *, first: int, each: int, classes: tuple[str, ...] = CLASSES) -> Path:
        for number in range(each * len(classes)):
            draw(root / classes[number % len(classes)] / f"{number}.png", first + number)
        return root

    return write


def _import(source: Path, out: Path, *more: str) -> int:
    words = ["--source", str(source), "--out", str(out), "--name", out.name]
    return cli.main(["import", "--from", "folders", *words, *more])


def test_pictures_of_two_people_become_a_version(
    tmp_path: Path, folders: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    ann, bob = tmp_path / "ann", tmp_path / "bob"
    assert _import(folders(tmp_path / "a", first=0, each=10), ann, "--licence", "CC0-1.0") == 0
    # Bob's first pictures are Ann's.
    assert _import(folders(tmp_path / "b", first=24, each=10), bob) == 0
    merged, parts, shelf = (str(tmp_path / name) for name in ("all", "parts", "shelf"))
    words = ["merge", "--in", str(ann), str(bob), "--out", merged, "--name", "all"]
    assert cli.main([*words, "--duplicates", "drop"]) == 0
    assert "6 pairs of near-duplicates, 6 pictures dropped" in capsys.readouterr().out
    words = ["split", "--in", merged, "--out", parts, "--shares", "0.6/0.2/0.2"]
    assert cli.main([*words, "--draw", "class", "--seed", "3"]) == 0
    assert cli.main(["split", "--in", parts, "--check"]) == 0
    assert "no group and no near-duplicate on two sides" in capsys.readouterr().out
    words = ["artifact", "--in", parts, "--name", "faces", "--out", shelf]
    assert cli.main(words) == 0
    assert cli.main(words) == 0
    assert "faces v1 (the same content, nothing copied)" in capsys.readouterr().out
    version = tmp_path / "shelf" / "faces" / "v1"
    assert cli.main(["artifact", "--verify", "--in", str(version)]) == 0
    sides = [photos.read(version, [part]) for part in ("train", "validation", "test")]
    assert [len(side) for side in sides] == pytest.approx([32, 11, 11], abs=2)
    assert {label for photo in sides[2] for label in photo.labels.tolist()} == {0, 1, 2}
    for step, folder in (("import", ann), ("merge", Path(merged)), ("split", Path(parts))):
        told = json.loads((folder / f"record-{step}.json").read_text())
        assert told["outcome"] == "finished"


def test_unknown_class_ends_the_step_with_nothing_written(
    tmp_path: Path, folders: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    source = folders(tmp_path / "in", first=0, each=2, classes=("with_mask", "helmet"))
    assert _import(source, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "helmet/1.png: class 'helmet' is unknown (2 times)" in said
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    (source / "empty_class").mkdir()
    assert _import(source, tmp_path / "out", "--labels", "helmet=ignore", "helmt=mask") == 0
    told = json.loads((tmp_path / "out" / "record-import.json").read_text())["results"]
    assert told["counts"] == {"labels ignored as asked: helmet": 2}
    assert told["warnings"] == [
        "out: holds one class only (mask)",
        "class empty_class: empty there",
        "--labels helmt: no such class there",
    ]


def test_leak_exits_with_the_pairs_and_writes_no_split(
    tmp_path: Path, draw: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(40):
        draw(tmp_path / "in" / CLASSES[number % 2] / f"{number}.png", number // 2)
    assert _import(tmp_path / "in", tmp_path / "own") == 0
    words = ["split", "--in", str(tmp_path / "own"), "--out", str(tmp_path / "parts")]
    assert cli.main(words) == 1
    assert "look the same, 0 of 64 bits apart" in capsys.readouterr().err
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["artifact", "--in", "{}"], 2, "--name and --out, or --verify"),
        (["artifact", "--in", "{}", "--name", "a/b", "--out", "{}/x"], 1, "--name 'a/b'"),
        (["artifact", "--in", "{}", "--verify"], 1, "not a version of a data set"),
        (["split", "--in", "{}", "--check"], 1, "holds no .jsonl"),
        (["split", "--in", "{}", "--out", "{}/x", "--shares", "1/1/1"], 1, "three that make 1"),
        (["merge", "--in", "{}", "--out", "{}/x", "--name", "x"], 1, "holds no .jsonl"),
    ],
)
def test_wrong_input_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    assert cli.main([word.replace("{}", str(tmp_path)) for word in words]) == code
    message = capsys.readouterr().err
    assert said in message
    assert len(message.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_annotation_file_is_no_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.jsonl").write_text("")
    assert cli.main(["split", "--in", str(tmp_path), "--check"]) == 1
    assert "one annotation file is no split" in capsys.readouterr().err


def _limit_files_to_one_kib() -> None:
    # A file may not grow: the kernel refuses the write as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def _start(
    source: Path, out: Path, *, before: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    words = ["import", "--from", "folders", "--source", str(source), "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "maskwatch_training.cli", *words, "--name", "own"],
        preexec_fn=before,  # noqa: PLW1509 - this process has no threads of its own
        stderr=subprocess.PIPE,
        text=True,
    )


def test_full_disk_leaves_nothing_under_the_final_name(
    tmp_path: Path, folders: Callable[..., Path]
) -> None:
    source = folders(tmp_path / "in", first=0, each=10)
    with _start(source, tmp_path / "out", before=_limit_files_to_one_kib) as step:
        _, said = step.communicate(timeout=120)
    assert step.returncode == 1
    assert "no room left" in said
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_killed_import_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, folders: Callable[..., Path]
) -> None:
    source = folders(tmp_path / "in", first=0, each=200)
    draft = tmp_path / ".out.draft"
    with _start(source, tmp_path / "out") as step:
        deadline = time.monotonic() + 60
        while not (draft / "pictures").exists():
            assert time.monotonic() < deadline
            assert step.poll() is None
            time.sleep(0.005)
        step.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    assert draft.exists()
    assert _import(source, tmp_path / "out") == 0
    assert len(photos.read(tmp_path / "out", ["out"])) == 600
    assert not draft.exists()


def test_command_line_offers_every_form() -> None:
    assert set(importers.FORMS) == set(import_.FORMS)
