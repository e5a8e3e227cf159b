"""From a trained classifier to .tflite (float, int8) and .onnx; outputs compared at every step."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_quantizer import recipe as quantizer_recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName
from torch import Tensor, nn
from torch.nn import functional

from maskwatch_training import int8, onnx, parity
from maskwatch_training.arrays import Floats, Image
from maskwatch_training.classifier import microcontroller, tflite
from maskwatch_training.classifier.network import Classifier, Stem
from maskwatch_training.detector.export import Folded, fold
from maskwatch_training.parity import OutputsDiffer, Step

OUTPUT = "probabilities"
FLOAT_TOLERANCE = 1e-3  # of a probability; folding, .tflite and .onnx only reorder float sums
INT8_MEAN_TOLERANCE = 0.08  # of a probability, over all cuts and labels
INT8_AGREEMENT = 0.95  # share of the clearly judged cuts whose likeliest label stays
CLEAR_LEAD = 0.1  # of the likeliest label of the float file over the next: no tie
# Input, scaling and the judgement itself stay float where the runtime mixes types.
_FLOAT_OPERATIONS = (
    TFLOperationName.INPUT,
    TFLOperationName.OUTPUT,
    TFLOperationName.SUB,
    TFLOperationName.MUL,
    TFLOperationName.FULLY_CONNECTED,
    TFLOperationName.SOFTMAX,
)


@dataclass(frozen=True)
class Adjustment:
    """What calibration changes in the logits: a temperature, and a shift of bad_mask before it."""

    temperature: float
    bad_mask_logit: float


class Deployed(nn.Module):
    """The shipped network: batch norm folded, temperature and softmax inside.

    It takes (1, C, S, S) in 0..255 and gives probabilities (1, labels).
    """

    def __init__(self, network: Classifier, adjustment: Adjustment, names: tuple[str, ...]) -> None:
        super().__init__()
        folded = fold(copy.deepcopy(network).eval())
        with torch.no_grad():
            if "bad_mask" in names:
                folded.last.bias[names.index("bad_mask")] += adjustment.bad_mask_logit
            folded.last.weight.div_(adjustment.temperature)
            folded.last.bias.div_(adjustment.temperature)
            if not folded.shift:
                _fold_scale(folded)
        self.network, self.names = folded, names
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Judge cuts, channels first."""
        return torch.softmax(self.network(images), dim=-1)


class ChannelsLast(nn.Module):
    """The same network for (1, S, S, C)."""

    edges: tuple[int, ...]

    def __init__(self, deployed: Deployed) -> None:
        super().__init__()
        self.network = copy.deepcopy(deployed.network)
        first = self.network.features[0]
        # Padded here, channels last: inside the stem the converter would transpose for it.
        if isinstance(first, Stem) and isinstance(first.conv, Folded) and first.conv.pads:
            before, after = first.conv.edges[:2]
            self.edges = (0, 0, before, after, before, after)
            first.conv.pads = False
        else:
            conv = next(module for module in first.modules() if isinstance(module, nn.Conv2d))
            assert not isinstance(conv.padding, str)
            down, right = conv.padding
            self.edges = (0, 0, right, right, down, down)
            conv.padding = (0, 0)

    def forward(self, images: Tensor) -> Tensor:
        """Judge cuts, channels last."""
        network = self.network
        pixels = (images - network.shift) * network.scale if network.shift else images
        padded = functional.pad(pixels, self.edges) if any(self.edges) else pixels
        features = network.features(padded.permute(0, 3, 1, 2)).mean(dim=(2, 3))
        return torch.softmax(network.last(features), dim=-1)


def _fold_scale(network: Classifier) -> None:
    """Move the input's scale into the first convolution; exact, as its padding is 0 either way."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    first.weight.mul_(network.scale)
    network.scale = 1.0


def judge(network: nn.Module, cuts: Sequence[Image]) -> Floats:
    """Run a channels-first network on cuts (S, S, C), one by one; (N, labels)."""
    rows = []
    with torch.no_grad():
        for cut in cuts:
            image = torch.from_numpy(np.ascontiguousarray(cut)).permute(2, 0, 1)[None].float()
            rows.append(network(image)[0].numpy())
    return np.array(rows, np.float32)


def check_deployed(deployed: Deployed, cuts: Sequence[Image], expected: Floats) -> float:
    """Compare the shipped network with the trained one's adjusted probabilities (N, labels)."""
    return parity.compare([expected], [judge(deployed, cuts)], Step("folding", FLOAT_TOLERANCE))


def to_tflite(deployed: Deployed, path: Path, cuts: Sequence[Image]) -> float:
    """Write the float32 file, input (1, S, S, C) in 0..255; gives its largest difference.

    Raises:
        OutputsDiffer: By more than FLOAT_TOLERANCE; no file is left.
    """
    draft = path.with_suffix(".part.tflite")
    try:
        sample = (torch.zeros(1, *cuts[0].shape),)
        litert_torch.convert(ChannelsLast(deployed).eval(), sample).export(str(draft))
        said = tflite.Model(draft).judge_all(cuts)
        expected = judge(deployed, cuts)
        gap = parity.compare([expected], [said], Step(path.name, FLOAT_TOLERANCE))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return gap


def to_onnx(deployed: Deployed, path: Path, cuts: Sequence[Image]) -> dict[str, float]:
    """Write the .onnx file, input (1, C, S, S) in 0..255; see `onnx.export`."""
    samples = [
        torch.from_numpy(np.ascontiguousarray(cut)).permute(2, 0, 1)[None].float().contiguous()
        for cut in cuts
    ]
    return onnx.export(deployed, samples, path, outputs=[OUTPUT])


@dataclass(frozen=True)
class Int8:
    """A quantised file's difference to the float one.

    `mean_difference` of a probability; `agreement` as a share of the clearly judged cuts.
    """

    mean_difference: float
    agreement: float


def to_int8(
    float_path: Path, path: Path, cuts: tuple[Sequence[Image], Sequence[Image]], *, whole: bool
) -> Int8:
    """Quantise the float file, ranges from the first cuts, compared on the second ones.

    `whole` makes input, output and every operator int8, as microcontrollers need; else input and
    output stay float.

    Raises:
        OutputsDiffer: By more than INT8_MEAN_TOLERANCE, or fewer than INT8_AGREEMENT agree.
    """
    rules: list[dict[str, object]] = list(quantizer_recipe.static_wi8_ai8())
    if not whole:
        rules += [
            {"regex": ".*", "operation": operation, "algorithm_key": AlgorithmName.NO_QUANTIZE}
            for operation in _FLOAT_OPERATIONS
        ]
    draft = path.with_suffix(".part.tflite")
    try:
        int8.quantise(float_path, draft, [*cuts[0], _full_range(cuts[0][0])], rules)
        if whole:
            microcontroller.strip_names(draft)
        found = compare_int8(float_path, draft, cuts[1])
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return found


def _full_range(cut: Image) -> Image:
    """Blacken one corner pixel and whiten another, as few cuts may hold neither."""
    marked = cut.copy()
    marked[0, 0], marked[-1, -1] = 0, 255
    return marked


def compare_int8(float_path: Path, int8_path: Path, cuts: Sequence[Image]) -> Int8:
    """Compare two files on cuts.

    Raises:
        OutputsDiffer: By more than INT8_MEAN_TOLERANCE, or fewer than INT8_AGREEMENT agree.
    """
    expected = tflite.Model(float_path).judge_all(cuts)
    actual = tflite.Model(int8_path).judge_all(cuts)
    mean = float(np.abs(expected - actual).mean())
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] >= CLEAR_LEAD
    same = (expected.argmax(axis=1) == actual.argmax(axis=1))[clear]
    agreement = float(same.mean()) if len(same) else 1.0
    if not (mean <= INT8_MEAN_TOLERANCE and agreement >= INT8_AGREEMENT):
        raise OutputsDiffer(
            f"{int8_path.name}: int8 differs by {mean:.3f} on average (at most"
            f" {INT8_MEAN_TOLERANCE}), {agreement:.3f} of the clear cuts agree (at least"
            f" {INT8_AGREEMENT})"
        )
    return Int8(round(mean, 5), round(agreement, 4))
