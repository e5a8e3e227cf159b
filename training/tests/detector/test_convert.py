"""Every file of a detector, made from a small network with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from maskwatch_training.arrays import Image
from maskwatch_training.detector import convert, export
from maskwatch_training.detector.export import Adjustment, ChannelsFirst
from maskwatch_training.detector.network import Detector, Head
from maskwatch_training.parity import OutputsDiffer

_SIZE_PX = 64
_SLIM = [32, 48, 48, 48, 80, 80, 96, 96, 96, 96, 96, 96, 96, 96, 96, 96]


@pytest.fixture(scope="module")
def shipped() -> ChannelsFirst:
    torch.manual_seed(3)
    network = Detector(_SLIM)
    with torch.no_grad():
        for head in network.heads:
            assert isinstance(head, Head)
            assert head.score.bias is not None
            assert head.classes.bias is not None
            head.score.bias.zero_()  # half of the cells then count as faces
            head.classes.bias[0] = 3.0  # and their class is clear
    return export.deployable(network.state_dict(), _SLIM, Adjustment(-1.0, 1.0))


@pytest.fixture(scope="module")
def pictures() -> list[Image]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (_SIZE_PX, _SIZE_PX, 3)).astype(np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def float_file(
    shipped: ChannelsFirst, pictures: list[Image], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("models") / "whole.tflite"
    assert convert.to_tflite(shipped, path, pictures) <= convert.FLOAT_TOLERANCE
    return path


def test_float16_weights_halve_the_file(
    float_file: Path, pictures: list[Image], tmp_path: Path
) -> None:
    path = tmp_path / "half.tflite"

    gap = convert.halve(float_file, path, pictures)

    assert 0 < gap <= convert.HALF_TOLERANCE
    assert path.stat().st_size < 0.6 * float_file.stat().st_size
    assert not path.stat().st_mode & 0o111


def test_int8_agrees_with_float_where_that_sees_a_face(
    float_file: Path, pictures: list[Image], tmp_path: Path
) -> None:
    path = tmp_path / "int8.tflite"

    convert.to_int8(float_file, path, pictures)
    found = convert.check_int8(float_file, path, pictures)

    assert path.stat().st_size < 0.6 * float_file.stat().st_size
    assert found["score"] <= convert.INT8_SCORE_TOLERANCE
    assert found["same_class"] >= convert.INT8_AGREEMENT


def test_onnx_agrees_in_both_runtimes(
    shipped: ChannelsFirst, pictures: list[Image], tmp_path: Path
) -> None:
    gaps = convert.to_onnx(shipped, tmp_path / "detector.onnx", pictures[:1])

    assert set(gaps) == {
        "onnxruntime",
        "opencv",
        "onnxruntime_float16_weights",
        "opencv_float16_weights",
    }


def test_file_that_says_something_else_is_refused_and_removed(
    float_file: Path, pictures: list[Image], tmp_path: Path
) -> None:
    torch.manual_seed(4)
    other = export.deployable(Detector(_SLIM).state_dict(), _SLIM, Adjustment())
    path = tmp_path / "other.tflite"
    convert.to_tflite(other, path, pictures)

    with pytest.raises(OutputsDiffer, match=r"other\.tflite: of \d+ cells with a face"):
        convert.check_int8(float_file, path, pictures)

    assert not path.exists()
