"""What a microcontroller's firmware takes: a C array, a label file, and only operators it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ai_edge_litert.tools import flatbuffer_utils

SIZE_MAX_BYTES = 220_000

# The operators of TensorFlow Lite Micro that image models use, by their names in the schema.
# Source: tflite-micro, tensorflow/lite/micro/micro_mutable_op_resolver.h, methods Add*, at commit
# 03c312b17dfae17a8ed7e21c5bdf66bb967a07cd.
TFLITE_MICRO_OPERATORS = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_TO_SPACE_ND CAST CEIL CONCATENATION
    CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE ELU EQUAL EXP EXPAND_DIMS
    FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL
    HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL NEG NOT_EQUAL PACK PAD
    PADV2 PRELU QUANTIZE REDUCE_MAX RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
    ROUND RSQRT SHAPE SIN SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQUEEZE SQRT
    SQUARE STRIDED_SLICE SUB SVDF TANH TRANSPOSE_CONV TRANSPOSE UNPACK ZEROS_LIKE
    """.split()  # noqa: SIM905 - a list would take seventy lines
)
_BYTES_A_LINE = 12


class UnfitForMicrocontroller(ValueError):  # noqa: N818 - named for what is wrong
    """The model is too large, or holds an operator that TensorFlow Lite Micro lacks."""


def operators(model: Path) -> list[str]:
    """Name the operators of a .tflite file as the schema does, sorted, each once."""
    graph = flatbuffer_utils.read_model(str(model))
    return sorted(
        {
            str(flatbuffer_utils.opcode_to_name(graph, operator.opcodeIndex))
            for subgraph in graph.subgraphs
            for operator in subgraph.operators
        }
    )


def check(model: Path) -> list[str]:
    """Give the operators of a model that fits.

    Raises:
        UnfitForMicrocontroller: Names the operators, or says the size.
    """
    found = operators(model)
    missing = [name for name in found if name not in TFLITE_MICRO_OPERATORS]
    if missing:
        raise UnfitForMicrocontroller(
            f"{model.name}: not in TensorFlow Lite Micro: {', '.join(missing)}"
        )
    size = model.stat().st_size
    if size > SIZE_MAX_BYTES:
        raise UnfitForMicrocontroller(f"{model.name}: {size} bytes, at most {SIZE_MAX_BYTES}")
    return found


def strip_names(model: Path) -> None:
    """Take the names of inner tensors out of a file: a sixth of it, and nothing reads them."""
    graph = flatbuffer_utils.read_model(str(model))
    for subgraph in graph.subgraphs:
        for tensor in subgraph.tensors:
            tensor.name = b""
    flatbuffer_utils.write_model(graph, str(model))


def write(model: Path, labels: Sequence[str]) -> list[Path]:
    """Write `<stem>.cc`, `<stem>.h` and `labels.txt` (one label a line) beside it."""
    symbol = symbol_of(model)
    data = model.read_bytes()
    texts = {
        model.with_suffix(".cc"): _source(model.stem, symbol, data),
        model.with_suffix(".h"): _header(symbol, len(data), labels),
        model.with_name("labels.txt"): "".join(f"{label}\n" for label in labels),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def symbol_of(model: Path) -> str:
    """Name the array after the file: lower case, `_` for what a C name cannot hold."""
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in model.stem.lower())
    return f"g_{name}"


def _source(stem: str, symbol: str, data: bytes) -> str:
    lines = [
        "  " + " ".join(f"0x{byte:02x}," for byte in data[at : at + _BYTES_A_LINE])
        for at in range(0, len(data), _BYTES_A_LINE)
    ]
    body = "\n".join(lines)
    return (
        f'#include "{stem}.h"\n\n'
        f"// Aligned: the interpreter reads the flatbuffer in place.\n"
        f"alignas(16) const unsigned char {symbol}[] = {{\n{body}\n}};\n"
        f"const unsigned int {symbol}_len = {len(data)};\n"
    )


def _header(symbol: str, size: int, labels: Sequence[str]) -> str:
    guard = f"{symbol.upper()}_H_"
    names = "".join(f"//   {index}: {label}\n" for index, label in enumerate(labels))
    return (
        f"#ifndef {guard}\n#define {guard}\n\n"
        f"// A TensorFlow Lite model of {size} bytes. Outputs:\n{names}"
        f"extern const unsigned char {symbol}[];\n"
        f"extern const unsigned int {symbol}_len;\n\n#endif  // {guard}\n"
    )
