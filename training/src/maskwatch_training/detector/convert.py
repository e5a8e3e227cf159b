"""The files of a detector: .tflite in float and int8, .onnx; compared after every step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_quantizer import qtyping, quantizer
from ai_edge_quantizer import recipe as quantizer_recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName

from maskwatch_training import int8, onnx, parity
from maskwatch_training.arrays import Floats, Image
from maskwatch_training.detector.export import OUTPUTS, ChannelsFirst, ChannelsLast
from maskwatch_training.detector.tflite import Model
from maskwatch_training.parity import OutputsDiffer, Step

# Largest differences of any output: probabilities, and distances in strides. Conversion only
# reorders float sums; halving rounds weights to 11 bits.
FLOAT_TOLERANCE = 2e-3
HALF_TOLERANCE = 0.05
# Mean difference in score of the cells that the float file takes for a face, and the share of them
# that keep their class.
INT8_SCORE_TOLERANCE = 0.05
INT8_AGREEMENT = 0.95
_FACE_FROM = 0.4

# Scopes as the converter names them: modules of the pyramid and the heads, and the additions that
# belong to no module. In int8 they cost another point and a half of AP50 and save little time.
_PYRAMID_AND_HEADS = "_Separable_|Head_|Sequential_"
_FLOAT_OPERATIONS = (
    (".*", TFLOperationName.INPUT),
    (".*", TFLOperationName.OUTPUT),
    (".*", TFLOperationName.SUB),
    (".*", TFLOperationName.RESHAPE),
    (".*", TFLOperationName.CONCATENATION),
    (".*", TFLOperationName.LOGISTIC),
    (".*", TFLOperationName.SOFTMAX),
    (".*", TFLOperationName.RESIZE_BILINEAR),
    (r"export\.ChannelsLast;\d+", TFLOperationName.ADD),
    (_PYRAMID_AND_HEADS, TFLOperationName.CONV_2D),
    (_PYRAMID_AND_HEADS, TFLOperationName.DEPTHWISE_CONV_2D),
)
_CONVOLUTIONS = (TFLOperationName.CONV_2D, TFLOperationName.DEPTHWISE_CONV_2D)


def judge(network: ChannelsFirst, pictures: Sequence[Image]) -> list[list[Floats]]:
    """Run the network on letterboxed pictures (S, S, 3); scores, boxes and classes of each."""
    answers = []
    with torch.no_grad():
        for picture in pictures:
            image = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
            answers.append([one[0].numpy() for one in network(image)])
    return answers


def to_tflite(network: ChannelsFirst, path: Path, pictures: Sequence[Image]) -> float:
    """Write the float32 file, input (1, S, S, 3) RGB 0..255; gives its largest difference.

    Raises:
        OutputsDiffer: By more than FLOAT_TOLERANCE; no file is left.
    """
    sample = (torch.zeros(1, *pictures[0].shape),)
    litert_torch.convert(ChannelsLast(network).eval(), sample).export(str(path))
    return _checked(path, judge(network, pictures), pictures, FLOAT_TOLERANCE)


def halve(float_path: Path, path: Path, pictures: Sequence[Image]) -> float:
    """Write the same model with weights stored in float16, computed in float32 all the same.

    Raises:
        OutputsDiffer: By more than HALF_TOLERANCE; no file is left.
    """
    worker = quantizer.Quantizer(str(float_path))
    stored = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    for operation in _CONVOLUTIONS:
        worker.update_quantization_recipe(
            regex=".*",
            operation_name=operation,
            op_config=stored,
            algorithm_key=AlgorithmName.FLOAT_CASTING,
        )
    worker.quantize().export_model(str(path), overwrite=True)
    path.chmod(0o644)  # the quantiser writes it executable
    return _checked(path, _answers(float_path, pictures), pictures, HALF_TOLERANCE)


def to_int8(float_path: Path, path: Path, ranges: Iterable[Image]) -> None:
    """Quantise the backbone, with pictures (S, S, 3) to take the ranges from."""
    int8.quantise(float_path, path, ranges, _int8_rules())


def check_int8(float_path: Path, path: Path, pictures: Sequence[Image]) -> dict[str, float]:
    """Compare the int8 file with the float one where that sees a face.

    Returns:
        Mean difference in score, and the share of cells with the same likeliest class.

    Raises:
        OutputsDiffer: More than the tolerances, or the pictures show no face; no file is left.
    """
    pairs = zip(_answers(float_path, pictures), _answers(path, pictures), strict=True)
    gaps, same = [], []
    for (scores, _, classes), (other_scores, _, other_classes) in pairs:
        seen = scores[:, 0] >= _FACE_FROM
        gaps.append(np.abs(scores[seen, 0] - other_scores[seen, 0]))
        same.append(classes[seen].argmax(axis=1) == other_classes[seen].argmax(axis=1))
    gap, share = np.concatenate(gaps), np.concatenate(same)
    if not len(gap) or gap.mean() > INT8_SCORE_TOLERANCE or share.mean() < INT8_AGREEMENT:
        path.unlink()
        raise OutputsDiffer(
            f"{path.name}: of {len(gap)} cells with a face, scores differ by"
            f" {gap.mean() if len(gap) else float('nan'):.3g} and {share.sum()} keep their class"
        )
    return {"score": float(gap.mean()), "same_class": float(share.mean())}


def to_onnx(network: ChannelsFirst, path: Path, pictures: Sequence[Image]) -> dict[str, float]:
    """Write the .onnx file, input (1, 3, S, S) RGB 0..255; see `onnx.export`."""
    samples = [torch.from_numpy(one).permute(2, 0, 1)[None].float() for one in pictures]
    return onnx.export(network, samples, path, outputs=OUTPUTS)


def _answers(path: Path, pictures: Sequence[Image]) -> list[list[Floats]]:
    model = Model(path)
    found = [model.judge(picture) for picture in pictures]
    return [[one.scores, one.boxes, one.classes] for one in found]


def _checked(
    path: Path, expected: list[list[Floats]], pictures: Sequence[Image], tolerance: float
) -> float:
    step = Step(path.name, tolerance)
    try:
        return max(
            parity.compare(wanted, said, step)
            for wanted, said in zip(expected, _answers(path, pictures), strict=True)
        )
    except OutputsDiffer:
        path.unlink()
        raise


def _int8_rules() -> list[dict[str, object]]:
    rules: list[dict[str, object]] = list(quantizer_recipe.static_wi8_ai8())
    for regex, operation in _FLOAT_OPERATIONS:
        rules.append(
            {"regex": regex, "operation": operation, "algorithm_key": AlgorithmName.NO_QUANTIZE}
        )
    return rules
