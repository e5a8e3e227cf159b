"""Classifiers of a user's own in both runtimes: files made here, tiny but real."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import flatbuffers
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from edge_detector import __main__ as program
from edge_detector.settings import PACKAGED_MODEL
from edge_detector.vision import classifier as classifiers
from edge_detector.vision import model as models
from edge_detector.vision.arrays import Floats, Picture
from edge_detector.vision.detector import Detector
from edge_detector.vision.inference import Runtime
from maskwatch_proto.alert import Label
from maskwatch_runtime.errors import Misconfigured

_SIZE_PX = 32
_RUNTIMES: list[Runtime] = ["litert", "tflite-runtime"]
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}
_MEAN, _DENSE, _SOFTMAX = (
    schema.BuiltinOperator.MEAN,
    schema.BuiltinOperator.FULLY_CONNECTED,
    schema.BuiltinOperator.SOFTMAX,
)
# Logits a unit of a channel's mean, and of the whole range of a quantised tensor.
_STEEPNESS = 0.05
_LOGITS = 32.0


@dataclass(frozen=True)
class Kind:
    """A classifier that looks at the mean colour: each label is for one channel, or for a shade.

    RGB: red is the first label, green the second, blue the third. GREY: dark and bright.
    """

    dtype: str = "float32"
    colour: str = "RGB"
    labels: tuple[str, ...] = ("mask", "no_mask", "bad_mask")
    has_softmax: bool = True

    @property
    def channels(self) -> int:
        return 3 if self.colour == "RGB" else 1

    @property
    def weights(self) -> Floats:
        if self.colour == "RGB":
            return np.eye(len(self.labels), 3, dtype=np.float32) * np.float32(_STEEPNESS)
        return np.array([[-_STEEPNESS], [_STEEPNESS]], np.float32)

    @property
    def bias(self) -> Floats:
        shade = np.float32(127.5 * _STEEPNESS)
        if self.colour == "RGB":
            return np.zeros(len(self.labels), np.float32)
        return np.array([shade, -shade], np.float32)


class Graph:
    """A TFLite file in the making."""

    def __init__(self) -> None:
        self._buffers = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str,
        *,
        quantised: tuple[float, int] | None = None,
        values: npt.NDArray[Any] | None = None,
    ) -> int:
        made = schema.TensorT()
        made.shape, made.type, made.name = list(shape), _TYPES[dtype], f"t{len(self._tensors)}"
        made.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self._buffers.append(buffer)
            made.buffer = len(self._buffers) - 1
        if quantised is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [quantised[0]], [quantised[1]]
        self._tensors.append(made)
        return len(self._tensors) - 1

    def operator(self, index: int, inputs: list[int], output: int, options: Any) -> int:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = index, inputs, [output]
        made.builtinOptionsType, made.builtinOptions = options
        self._operators.append(made)
        return output

    def packed(self, taken: int, given: int) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [taken], [given]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = [_code(which) for which in (_MEAN, _DENSE, _SOFTMAX)]
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _code(which: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = which
    code.version = 2  # 8-bit integers came with the second version
    return code


def _file(kind: Kind) -> bytes:
    graph, zero = Graph(), {"int8": -128, "uint8": 0}.get(kind.dtype)
    pixels = None if zero is None else (1.0, zero)
    logits = None if zero is None else (_LOGITS / 256, zero + 128)
    shape = (1, _SIZE_PX, _SIZE_PX, kind.channels)
    count = len(kind.labels)
    taken = graph.tensor(shape, kind.dtype, quantised=pixels)
    axes = graph.tensor((2,), "int32", values=np.array([1, 2], np.int32))
    mean = graph.tensor((1, kind.channels), kind.dtype, quantised=pixels)
    middle = graph.tensor((1, count), kind.dtype, quantised=logits)
    reduced = (schema.BuiltinOptions.ReducerOptions, schema.ReducerOptionsT())
    graph.operator(0, [taken, axes], mean, reduced)
    dense = (schema.BuiltinOptions.FullyConnectedOptions, schema.FullyConnectedOptionsT())
    given = graph.operator(1, [mean, *_weights(graph, kind)], middle, dense)
    if kind.has_softmax:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        last = graph.tensor(
            (1, count), kind.dtype, quantised=None if zero is None else (1 / 256, zero)
        )
        softmax = (schema.BuiltinOptions.SoftmaxOptions, options)
        given = graph.operator(2, [middle], last, softmax)
    return graph.packed(taken, given)


def _weights(graph: Graph, kind: Kind) -> list[int]:
    shape, count = (len(kind.labels), kind.channels), len(kind.labels)
    if kind.dtype == "float32":
        return [
            graph.tensor(shape, "float32", values=kind.weights),
            graph.tensor((count,), "float32", values=kind.bias),
        ]
    scale, zero = _STEEPNESS / 100, {"int8": 0, "uint8": 128}[kind.dtype]
    integers = np.rint(kind.weights / scale).astype(np.int32) + zero
    bias = np.rint(kind.bias / scale).astype(np.int32)
    return [
        graph.tensor(
            shape, kind.dtype, quantised=(scale, zero), values=integers.astype(kind.dtype)
        ),
        graph.tensor((count,), "int32", quantised=(scale, 0), values=bias),
    ]


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., Path]:
    """Make a classifier of one's own; the keywords change its manifest."""

    def make(kind: Kind, **changes: object) -> Path:
        content = _file(kind)
        (tmp_path / "own.tflite").write_bytes(content)
        manifest = {
            "name": "own",
            "guid": "own-guid",
            "version": "7",
            "task": "mask_classifier",
            "file": "own.tflite",
            "sha256": hashlib.sha256(content).hexdigest(),
            "input": {
                "size_px": _SIZE_PX,
                "layout": "NHWC",
                "dtype": kind.dtype,
                "range": [0, 255],
                "colour": kind.colour,
            },
            "margin": 0.2,
            "labels": kind.labels,
            "least_side_px": 24,
            "weight": 1.0,
            "veto": 1.0,
            "unsure_below": 0.6,
        }
        path = tmp_path / "own.json"
        path.write_text(json.dumps(manifest | changes))
        return path

    return make


def _frame(bgr: tuple[int, int, int]) -> Picture:
    return np.full((200, 300, 3), bgr, np.uint8)


_BOX = np.array([[100, 50, 160, 130]], np.float32)


@pytest.mark.parametrize("runtime", _RUNTIMES)
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_own_classifier_of_any_type_runs_in_either_runtime(
    own: Callable[..., Path], dtype: str, runtime: Runtime
) -> None:
    loaded = classifiers.load(own(Kind(dtype)), runtime=runtime)

    for channel, bgr in enumerate([(0, 0, 200), (0, 200, 0), (200, 0, 0)]):
        (answer,) = loaded.judge(_frame(bgr), _BOX)
        assert answer.argmax() == channel
        assert answer[channel] > 0.98
        assert answer.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("runtime", _RUNTIMES)
def test_grey_classifier_without_bad_mask_sees_shades(
    own: Callable[..., Path], runtime: Runtime
) -> None:
    kind = Kind("int8", "GREY", ("mask", "no_mask"))
    loaded = classifiers.load(own(kind), runtime=runtime)

    answers = [loaded.judge(_frame((shade,) * 3), _BOX)[0].argmax() for shade in (20, 230)]

    assert answers == [0, 1]


def test_float_and_quantised_answers_agree_within_two_hundredths(own: Callable[..., Path]) -> None:
    frame = np.random.default_rng(3).integers(0, 255, (200, 300, 3), np.uint8)
    answers = [
        classifiers.load(own(Kind(dtype))).judge(frame, _BOX) for dtype in ("float32", "int8")
    ]

    assert np.abs(answers[0] - answers[1]).max() <= 0.02


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"labels": ["mask", "no_mask"]}, r"own\.tflite has outputs .*\(labels\)"),
        ({"labels": ["mask", "hat", "no_mask"]}, r"own\.json is wrong: labels\.1"),
        ({"labels": ["mask", "bad_mask", "no_face"]}, r"must hold 'mask' and 'no_mask'"),
        ({"labels": ["mask", "no_mask", "mask"]}, "differ"),
        ({"margin": -1}, r"own\.json is wrong: margin"),
        ({"task": "face_mask_detector"}, "task"),
        ({"sha256": "0" * 64}, r"own\.tflite is not the one of own\.json"),
    ],
)
def test_manifest_that_does_not_fit_is_refused_with_file_and_field(
    own: Callable[..., Path], changes: dict[str, object], named: str
) -> None:
    with pytest.raises(Misconfigured, match=named):
        classifiers.load(own(Kind(), **changes))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("size_px", 64, r"own\.tflite has inputs .*\(input\)"),
        ("colour", "GREY", r"own\.tflite has inputs .*\(input\)"),
        ("dtype", "float32", r"own\.tflite takes int8.*input\.dtype"),
        ("range", [-1000, 1000], r"own\.tflite takes values in \[0, 255\].*input\.range"),
        ("range", [1, 1], "range must rise"),
    ],
)
def test_input_that_does_not_fit_is_refused_with_file_and_field(
    own: Callable[..., Path], field: str, value: object, named: str
) -> None:
    path = own(Kind("int8"))
    content = json.loads(path.read_text())
    content["input"][field] = value
    path.write_text(json.dumps(content))

    with pytest.raises(Misconfigured, match=named):
        classifiers.load(path)


def test_output_that_is_no_probabilities_is_refused(own: Callable[..., Path]) -> None:
    with pytest.raises(Misconfigured, match=r"own\.tflite answers .*labels.* sum to 1"):
        classifiers.load(own(Kind(has_softmax=False)))


def test_normalisation_outside_the_graph_is_done_by_its_range(own: Callable[..., Path]) -> None:
    path = own(Kind(colour="GREY", labels=("mask", "no_mask")))
    content = json.loads(path.read_text())
    content["input"]["range"] = [-255, 255]  # the middle grey becomes 0: as dark as can be
    path.write_text(json.dumps(content))

    (answer,) = classifiers.load(path).judge(_frame((127, 127, 127)), _BOX)

    assert answer[0] > 0.99


def test_classifier_overrules_the_detector_on_a_real_face(
    own: Callable[..., Path], astronaut: Picture
) -> None:
    reddish = np.array([0.3, 0.3, 1.0])
    frame = (astronaut * reddish).astype(np.uint8)
    model = models.load(PACKAGED_MODEL)
    alone = Detector(model).detect(astronaut)
    second = classifiers.load(own(Kind()))

    together = Detector(model, classifier=second).revise(frame, alone)

    assert alone.best_labels == (Label.NO_MASK,)
    assert together.best_labels == together.labels == (Label.MASK,)
    assert together.is_classified.tolist() == [True]


def test_predict_uses_the_classifier_it_is_given(
    own: Callable[..., Path], astronaut: Picture, tmp_path: Path
) -> None:
    portrait, out = tmp_path / "portrait.png", tmp_path / "out.jsonl"
    cv2.imwrite(str(portrait), astronaut)
    path = own(Kind(labels=("no_mask", "no_face", "mask"), colour="RGB"), weight=0.0)

    for given in ("none", str(path)):
        words = ["predict", "--images", str(portrait), "--out", str(out)]
        assert program.main([*words, "--classifier", given, "--min-score", "0.05"]) == 0
        boxes = json.loads(out.read_text())["boxes"]
        if given == "none":
            best = boxes[0]["score"]
    # The portrait's face is reddish: a little of it is taken for no face, and the score sinks.
    assert boxes[0]["score"] < best
    assert all(box["score"] >= 0.05 for box in boxes)


def test_alert_names_the_model_that_judged(
    service: Callable[..., Any], own: Callable[..., Path], tmp_path: Path, astronaut: Picture
) -> None:
    portrait = tmp_path / "portrait.png"
    cv2.imwrite(str(portrait), astronaut)
    path = own(Kind(), weight=0.0, unsure_below=0.5)

    running = service(portrait, exit_at_end="true", classifier=str(path))

    assert running.wait() == 0
    (alert,) = running.alerts()
    assert alert.face_model.name == json.loads(PACKAGED_MODEL.read_text())["name"]
    assert (alert.mask_model.name, alert.mask_model.guid) == ("own", "own-guid")
    assert alert.mask_model.threshold == 0.5


def test_service_says_what_is_wrong_with_a_classifier(
    service: Callable[..., Any], tmp_path: Path, astronaut: Picture
) -> None:
    portrait = tmp_path / "portrait.png"
    cv2.imwrite(str(portrait), astronaut)

    running = service(portrait, classifier="gone.json")

    assert running.wait() == 78
    assert "MASKWATCH_CLASSIFIER: gone.json cannot be read" in running.lines[-1]["reason"]


def test_bench_tells_the_milliseconds_of_a_face(
    own: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = own(Kind("int8"))

    assert program.main(["bench", "--models", str(path.parent), "--frames", "2"]) == 0

    (line,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("own ")]
    assert "a face" in line
