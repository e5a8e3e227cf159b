import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pytest
from edge_detector.vision import model as models
from edge_detector.vision.inference import Interpreter
from edge_detector.vision.manifest import Manifest
from edge_detector.vision.model import Model
from maskwatch_runtime.errors import Misconfigured

Answers = Callable[[], list[npt.NDArray[Any]]]
Manifested = Callable[..., Manifest]


class FakeType(Protocol):
    def __call__(self, answers: list[npt.NDArray[Any]], **others: object) -> Interpreter: ...


def _model(interpreter: Interpreter, manifest: Manifest) -> Model:
    return Model(interpreter, manifest, file=Path("fake.tflite"), runtime="fake 1")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_outputs_are_told_apart_by_their_width(
    order: tuple[int, ...], answers: Answers, manifest: Manifested, interpreter_type: FakeType
) -> None:
    arrays = answers()
    for array in arrays:
        array[:] = array.shape[2]
    model = _model(interpreter_type([arrays[index] for index in order]), manifest())

    outputs = model.invoke(np.zeros((1, 64, 64, 3), np.float32))

    cells = np.array([0, 3])
    assert (outputs.scores.column() == 1).all()
    assert (outputs.distances.rows(cells) == np.full((2, 4), 4)).all()
    assert (outputs.classes.rows(cells) == np.full((2, 3), 3)).all()


def test_quantised_outputs_are_read_as_real_numbers(
    answers: Answers, manifest: Manifested, interpreter_type: FakeType
) -> None:
    arrays = [np.full(array.shape, 10, np.int8) for array in answers()]
    content = manifest().model_dump(mode="json")
    content["input"]["dtype"] = "int8"
    model = _model(
        interpreter_type(arrays, quantisation=(0.5, -2), dtype=np.int8),
        Manifest.model_validate(content),
    )

    outputs = model.invoke(np.zeros((1, 64, 64, 3), np.int8))

    assert (outputs.scores.column() == 6.0).all()
    assert outputs.classes.rows(np.array([1])).tolist() == [[6.0, 6.0, 6.0]]
    tensor, _ = model.letterbox().fit(np.full((8, 8, 3), 20, np.uint8))
    assert tensor.dtype == np.int8
    assert (tensor == 38).all()


def test_input_of_another_shape_is_refused(
    answers: Answers, manifest: Manifested, interpreter_type: FakeType
) -> None:
    interpreter = interpreter_type(answers(), input_shape=(1, 3, 64, 64))

    with pytest.raises(Misconfigured, match=r"fake\.tflite has inputs of shape \[\(1, 3, 64, 64\)"):
        _model(interpreter, manifest())


def test_input_of_another_type_is_refused(
    answers: Answers, manifest: Manifested, interpreter_type: FakeType
) -> None:
    with pytest.raises(Misconfigured, match="takes uint8"):
        _model(interpreter_type(answers(), dtype=np.uint8), manifest())


def test_outputs_must_have_a_row_for_each_cell_of_the_manifest(
    answers: Answers, manifest: Manifested, interpreter_type: FakeType
) -> None:
    with pytest.raises(Misconfigured, match=r"fake\.tflite has outputs of shape"):
        _model(interpreter_type(answers()), manifest(strides=[8]))


def test_outputs_must_have_a_column_for_each_label(
    answers: Answers, manifest: Manifested, interpreter_type: FakeType
) -> None:
    with pytest.raises(Misconfigured, match="C = 1, 4 and 2"):
        _model(interpreter_type(answers()), manifest(labels=["mask", "no_mask"]))


def test_file_that_no_runtime_can_load_is_named(tmp_path: Path, manifest: Manifested) -> None:
    content = b"this is no model " * 100
    (tmp_path / "fake.tflite").write_bytes(content)
    told = manifest(sha256=hashlib.sha256(content).hexdigest())
    path = tmp_path / "fake.json"
    path.write_text(told.model_dump_json())

    with pytest.raises(Misconfigured, match=r"fake\.tflite cannot be loaded by litert"):
        models.load(path)
