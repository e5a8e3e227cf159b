import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from maskwatch_training.classifier import microcontroller
from maskwatch_training.classifier.microcontroller import UnfitForMicrocontroller

_ROOT = Path(__file__).parents[3]
_SHIPPED = _ROOT / "training" / "models" / "microcontroller"


@pytest.fixture
def shipped() -> Path:
    return next(_SHIPPED.glob("*-int8.tflite"))


def test_shipped_model_fits_and_needs_only_operators_of_tflite_micro(shipped: Path) -> None:
    found = microcontroller.check(shipped)
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= set(found)
    assert set(found) <= microcontroller.TFLITE_MICRO_OPERATORS
    assert shipped.stat().st_size <= 220_000


def test_shipped_model_takes_pixels_less_128(shipped: Path) -> None:
    interpreter = Interpreter(str(shipped))
    interpreter.allocate_tensors()
    taken = interpreter.get_input_details()[0]
    assert taken["dtype"] is np.int8
    assert tuple(taken["shape"]) == (1, 96, 96, 3)
    scale, zero = taken["quantization"]
    assert (scale, zero) == (pytest.approx(1.0, abs=0.01), -128)


def test_shipped_array_and_labels_are_those_of_the_model(shipped: Path) -> None:
    array = shipped.with_suffix(".cc")
    assert flatbuffer_utils.xxd_output_to_bytes(str(array)) == shipped.read_bytes()
    entry = json.loads(shipped.with_suffix(".json").read_text(encoding="utf-8"))
    labels = (_SHIPPED / "labels.txt").read_text(encoding="utf-8").split()
    assert entry["labels"] == labels == ["mask", "no_mask", "no_face"]
    header = shipped.with_suffix(".h").read_text(encoding="utf-8")
    assert f"extern const unsigned char {microcontroller.symbol_of(shipped)}[];" in header


def test_operator_that_a_microcontroller_lacks_is_named(shipped: Path, tmp_path: Path) -> None:
    graph = flatbuffer_utils.read_model(str(shipped))
    for code in graph.operatorCodes:
        if flatbuffer_utils.opcode_to_name(graph, graph.operatorCodes.index(code)) == "SOFTMAX":
            code.builtinCode, code.deprecatedBuiltinCode = 109, 109  # WHERE
    odd = tmp_path / "odd.tflite"
    flatbuffer_utils.write_model(graph, str(odd))
    with pytest.raises(UnfitForMicrocontroller, match=r"odd\.tflite: not in TensorFlow Lite Micro"):
        microcontroller.check(odd)


def test_large_model_is_refused_with_its_size(detector_path: Path) -> None:
    with pytest.raises(UnfitForMicrocontroller, match="bytes, at most 220000"):
        microcontroller.check(detector_path)


def test_written_array_is_valid_for_any_length(tmp_path: Path) -> None:
    model = tmp_path / "9 Odd-name.tflite"
    model.write_bytes(bytes(range(25)))
    source, header, labels = microcontroller.write(model, ["a", "b"])
    assert flatbuffer_utils.xxd_output_to_bytes(str(source)) == bytes(range(25))
    assert "g_9_odd_name_len = 25;" in source.read_text(encoding="utf-8")
    assert "//   1: b" in header.read_text(encoding="utf-8")
    assert labels.read_text(encoding="utf-8") == "a\nb\n"
