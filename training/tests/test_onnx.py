from pathlib import Path

import numpy as np
import pytest
import torch
from maskwatch_training import onnx, parity
from maskwatch_training.parity import OutputsDiffer, Step
from torch import Tensor, nn


class _Two(nn.Module):
    """Two outputs, one of them resized as a feature pyramid does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        coarse = torch.relu(self.conv(images / 255))
        fine = nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")
        return torch.sigmoid(coarse).flatten(1), fine


@pytest.fixture
def written(tmp_path: Path) -> tuple[nn.Module, Path]:
    torch.manual_seed(1)
    module = _Two().eval()
    path = tmp_path / "two.onnx"
    onnx.write(module, torch.zeros(1, 3, 16, 16), path, outputs=["coarse", "fine"])
    return module, path


def test_both_runtimes_give_what_the_module_gives(written: tuple[nn.Module, Path]) -> None:
    module, path = written
    samples = [torch.rand(1, 3, 16, 16) * 255 for _ in range(2)]
    gaps = onnx.compare(module, samples, path, outputs=["coarse", "fine"], tolerance=1e-4)
    assert set(gaps) == {"onnxruntime", "opencv"}
    assert max(gaps.values()) <= 1e-4
    assert [p.name for p in path.parent.iterdir()] == ["two.onnx"]


def test_halved_weights_take_half_the_room_and_say_nearly_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3)).eval()
    path, samples = tmp_path / "wide.onnx", [torch.rand(1, 3, 16, 16)]
    onnx.write(module, samples[0], path, outputs=["features"])
    size_bytes = path.stat().st_size

    onnx.halve(path)

    assert path.stat().st_size < 0.6 * size_bytes
    assert b".py" not in path.read_bytes()  # no call stack of the machine that wrote it
    gaps = onnx.compare(module, samples, path, outputs=["features"], tolerance=1e-2)
    assert min(gaps.values()) > 0  # the weights did change
    assert [p.name for p in tmp_path.iterdir()] == ["wide.onnx"]


def test_other_outputs_are_refused_with_the_runtimes_name(
    written: tuple[nn.Module, Path],
) -> None:
    _, path = written
    torch.manual_seed(2)
    other = _Two().eval()
    with pytest.raises(OutputsDiffer, match=r"two\.onnx in onnxruntime: outputs differ"):
        onnx.compare(
            other, [torch.rand(1, 3, 16, 16) * 255], path, outputs=["coarse", "fine"], tolerance=0
        )


def test_difference_is_the_largest_of_all_outputs() -> None:
    first = [np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32)]
    second = [np.zeros((1, 2), np.float32), np.full((1, 3), 0.25, np.float32)]
    assert parity.compare(first, first, Step("same", 0.0)) == 0.0
    assert parity.compare(first, second, Step("near", 0.25)) == 0.25
    with pytest.raises(OutputsDiffer, match=r"far: outputs differ by 0\.25, not 0\.2"):
        parity.compare(first, second, Step("far", 0.2))


def test_shapes_and_nan_are_never_within_a_tolerance() -> None:
    one = [np.zeros((1, 2), np.float32)]
    with pytest.raises(OutputsDiffer, match="shapes"):
        parity.compare(one, [np.zeros((1, 3), np.float32)], Step("odd", 9.0))
    with pytest.raises(OutputsDiffer, match="nan"):
        parity.compare(one, [np.full((1, 2), np.nan, np.float32)], Step("nan", 9.0))
