import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from maskwatch_training import energy, record
from maskwatch_training.energy import Meter


def _read(folder: Path, step: str) -> dict[str, Any]:
    entry = json.loads((folder / f"record-{step}.json").read_text(encoding="utf-8"))
    assert isinstance(entry, dict)
    return entry


def test_record_says_what_was_done_with_what(tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    data.write_text("{}\n", encoding="utf-8")
    absent = tmp_path / "absent.jsonl"
    job = record.Job("step", tmp_path / "out", 7, {"epochs": 2, "path": data}, (data, absent))
    with record.recording(job) as results:
        results["accuracy"] = 0.5
    entry = _read(tmp_path / "out", "step")
    assert entry["outcome"] == "finished"
    assert entry["seed"] == 7
    assert entry["settings"] == {"epochs": 2, "path": str(data)}
    assert entry["data"] == {"train.jsonl": record.digest(data), "absent.jsonl": None}
    assert entry["results"] == {"accuracy": 0.5}
    assert entry["versions"]["python"].startswith("3.11")
    assert "torch" in entry["versions"]
    assert {"kwh", "co2_kg", "country", "note"} == set(entry["energy"])


def test_files_of_one_name_are_all_in_the_record(tmp_path: Path) -> None:
    files = [tmp_path / folder / "checkpoint.pt" for folder in ("a/run", "b/run", "c")]
    for number, path in enumerate(files):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes([number]))
    other = tmp_path / "c" / "own.jsonl"
    with record.recording(record.Job("step", tmp_path / "out", data=[*files, other, files[0]])):
        pass
    data = _read(tmp_path / "out", "step")["data"]
    names = ["a/run/checkpoint.pt", "b/run/checkpoint.pt", "c/checkpoint.pt"]
    assert data == dict(zip(names, map(record.digest, files), strict=True)) | {"own.jsonl": None}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("no faces"), "failed: ValueError: no faces"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_record_is_written_when_the_work_ends_early(
    tmp_path: Path, error: BaseException, outcome: str
) -> None:
    def work() -> None:
        with record.recording(record.Job("step", tmp_path)) as results:
            results["done"] = 3
            raise error

    with pytest.raises(type(error)):
        work()
    entry = _read(tmp_path, "step")
    assert entry["outcome"] == outcome
    assert entry["results"] == {"done": 3}


def test_file_that_cannot_be_written_leaves_the_former(tmp_path: Path) -> None:
    path = tmp_path / "entry.json"
    record.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        record.write_json(path, {("no", "key"): 1})  # type: ignore[dict-item]
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["entry.json"]


def test_work_is_metered() -> None:
    with energy.metered() as meter:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            sum(range(1000))
    spent = meter.stop()
    assert spent is meter.stop()
    assert spent.kwh is not None
    assert spent.kwh > 0
    assert spent.co2_kg is not None
    assert spent.co2_kg > 0


class Broken:
    """A tracker that starts but cannot say what was spent."""

    def start(self) -> None:
        """Start."""

    def stop(self) -> float:
        raise RuntimeError("counter gone")


def test_meter_that_breaks_is_a_note_and_no_error() -> None:
    def refuse(country: str) -> Any:
        raise OSError(f"no counters in {country}")

    spent = Meter(refuse).stop()
    assert spent.kwh is None
    assert "OSError: no counters in" in spent.note
    spent = Meter(lambda _: Broken()).stop()  # type: ignore[arg-type,return-value]
    assert (spent.kwh, spent.note) == (None, "RuntimeError: counter gone")


def test_meter_that_hangs_does_not_hold_the_work_up() -> None:
    released = threading.Event()

    def hang(_: str) -> Any:
        released.wait(30)
        raise OSError("released")

    begin = time.monotonic()
    meter = Meter(hang, start_within_s=0.1, stop_within_s=0.1)
    spent = meter.stop()
    assert time.monotonic() - begin < 5
    released.set()
    assert spent.kwh is None
    assert "did not start" in spent.note


_METERED_ALONE = """
import logging, threading, time
logging.basicConfig(level=logging.INFO)
from maskwatch_training import energy
begin = time.monotonic()
with energy.metered() as meter:
    started = time.monotonic() - begin
    # On a busy machine it goes on starting beside the work.
    [thread.join(50) for thread in threading.enumerate() if thread.name == "energy"]
print(started, meter.stop().country, "|", meter.stop().note)
"""


def test_meter_starts_soon_asks_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    changed = {
        "HOME": str(home),
        "TMPDIR": str(here),
        energy.COUNTRY_VARIABLE: "xxx",
        # Whoever tried the network would be led here and fail.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-c", _METERED_ALONE],
        cwd=here,
        env=os.environ | changed,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    started, country, *note = done.stdout.split()
    assert float(started) < 3.5
    assert country == "XXX"
    assert "world average" in " ".join(note)
    assert list(here.iterdir()) == []
    assert list(home.iterdir()) == []
