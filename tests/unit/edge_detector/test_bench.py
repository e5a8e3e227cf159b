import argparse
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from edge_detector import bench
from edge_detector.bench import Spent, Timed
from edge_detector.settings import MODELS
from maskwatch_runtime.errors import Misconfigured


def _arguments(*words: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser, models_default=MODELS)
    return parser.parse_args([str(word) for word in words])


def test_medians_are_taken_stage_by_stage_after_warming_up() -> None:
    seconds = iter([(9.0, 9.0)] * 3 + [(0.001, 0.010), (0.003, 0.020), (0.002, 0.900)])
    timed = Timed("m", ("one", "two"), lambda: next(seconds))

    (spent,) = bench.measure([timed], frames=3)

    assert spent == Spent("m", ("one", "two"), (pytest.approx(2), pytest.approx(20)))  # type: ignore[arg-type]
    assert "22.00 ms" in spent.text


def test_models_take_turns() -> None:
    calls: list[str] = []

    def timed(name: str) -> Timed:
        def call() -> tuple[float, ...]:
            calls.append(name)
            return (0.0,)

        return Timed(name, ("all",), call)

    bench.measure([timed("a"), timed("b")], frames=2)

    assert calls == ["a", "b"] * 5


def test_every_packaged_detector_gets_a_line_with_its_stages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench.run(_arguments("--frames", "1")) == 0

    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("litert ")
    assert "1280 x 720" in first
    for path in MODELS.glob("maskwatch-face-mask-*.json"):
        (line,) = [line for line in lines if line.split()[0] == path.stem]
        assert re.search(r"ms +letterbox +\d+\.\d+ +invoke +\d+\.\d+ +decode +\d+\.\d+$", line)


def test_picture_of_ones_own_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))

    bench.run(_arguments("--frames", "1", "--image", path))

    assert "frame 30 x 20" in capsys.readouterr().out


def test_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"--models: the folder {tmp_path} holds no manifest"):
        bench.run(_arguments("--models", tmp_path))


def test_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()

    with pytest.raises(Misconfigured, match=r"--image: .*a\.png"):
        bench.run(_arguments("--image", tmp_path / "a.png"))


@pytest.mark.parametrize("name", ["--frames", "--threads"])
def test_count_below_1_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _arguments(name, "0")

    assert name in capsys.readouterr().err
