import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from maskwatch_training import cli
from maskwatch_training.capture.testing import frame, store_in


def test_folder_is_labelled_through_the_page(
    tmp_path: Path, portrait_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    arguments = ["capture", "--page", "--port", "0", "--out", str(out), "--name", "people"]
    codes: list[int] = []

    def run() -> None:
        options = [
            "--source",
            str(portrait_path),
            "--person",
            "grace",
            "--licence",
            "public domain",
        ]
        codes.append(cli.main([*arguments, *options]))

    thread = threading.Thread(target=run)
    thread.start()
    url = _url(capsys)
    state = httpx.get(f"{url}api/state").json()
    step = {"do": "key", "frame": state["frame"], "key": "n"}
    assert httpx.post(f"{url}api/steps", json=step).json()["counts"]["no_mask"] == 1
    httpx.post(f"{url}api/quit")
    thread.join(timeout=30)
    assert codes == [0]
    assert "people.jsonl: mask 0, no_mask 1" in capsys.readouterr().out
    (line,) = (out / "people.jsonl").read_text(encoding="utf-8").splitlines()
    entry = json.loads(line)
    assert (entry["group"], entry["licence"]) == ("people/grace", "public domain")
    record = json.loads((out / "record-capture.json").read_text())
    assert record["outcome"] == "finished"
    assert record["results"]["session"] == {"saved": 1, "unreadable": 0}


def _url(capsys: pytest.CaptureFixture[str]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for word in capsys.readouterr().out.split():
            if word.startswith("http://"):
                return word
        time.sleep(0.1)
    pytest.fail("the page's address is printed")


def test_window_without_a_display_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "maskwatch_training.cli", "capture", "--out", str(tmp_path)]
    bare = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "take --page" in done.stderr


def test_torn_and_missing_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_in(tmp_path, "captured")
    gone = store.save(frame(1), (), group="g")
    store.close()
    store.picture(gone["file"]).unlink()
    with store.path.open("a") as file:
        file.write('{"fi')
    assert cli.main(["capture", "--page", "--out", str(tmp_path), "--source", "absent"]) == 1
    said = capsys.readouterr().out
    assert "unfinished last line (4 bytes)" in said
    assert f"1 pictures are gone, first {gone['file']}" in said


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--page", "--person", "a/b"], 1, "person"),
        (["--page", "--model", "absent.tflite"], 1, "absent.tflite is no file"),
        (["--page", "--source", "absent.avi"], 1, "absent.avi does not exist"),
    ],
)
def test_wrong_option_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    assert cli.main(["capture", "--out", str(tmp_path), *options]) == code
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "options",
    [
        ["--name", "a/b"],
        ["--every", "0"],
        ["--quality", "101"],
        ["--score", "2"],
        ["--person", "a", "--group-each"],
    ],
)
def test_value_out_of_range_is_refused_with_usage(tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["capture", "--out", str(tmp_path), *options])
