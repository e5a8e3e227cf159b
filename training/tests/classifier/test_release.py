"""From a short run on drawn faces to the files that ship, by the commands a user gives."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from maskwatch_training import checkpoint, cli, onnx
from maskwatch_training.classifier import export, microcontroller, network, recipe, tflite, train
from maskwatch_training.fitting.job import Job
from maskwatch_training.parity import OutputsDiffer

_NETWORKS = {
    "classifier": {"kind": "efficientnet_lite0", "blocks": 3, "frozen_blocks": 1},
    "microcontroller": {
        "kind": "mobilenet_v2",
        "width": 0.35,
        "stages": [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]],
    },
}


@pytest.fixture(params=["classifier", "microcontroller"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recipe_path(kind: str, write_recipe: Callable[..., Path]) -> Path:
    optimiser = {"head_rate": 3e-3, "backbone_rate": 1e-3, "weight_decay": 0.0, "warm_up_steps": 10}
    optimiser |= {"final_share": 0.05, "clip_norm": 5.0, "ema": 0.9}
    network = _NETWORKS[kind] | {"head_channels": 32, "dropout": 0.0}
    return write_recipe(
        kind, network=network, minutes=2.0, label_smoothing=0.0, optimiser=optimiser
    )


@pytest.fixture
def run(recipe_path: Path, data_folder: Path, tmp_path: Path, ticking: Callable[[], float]) -> Path:
    job = Job(data_folder, tmp_path / "run")
    train.train(recipe.read(recipe_path), job, clock=ticking)
    return job.checkpoint_path


def _words(*words: object) -> list[str]:
    return [str(word) for word in words]


@pytest.fixture
def released(recipe_path: Path, run: Path, data_folder: Path, tmp_path: Path) -> Path:
    out = tmp_path / "models"
    words = _words("export", "--recipe", recipe_path, "--data", data_folder, "--checkpoint", run)
    words += _words("--out", out, "--version", "1", "--unsure-below", 0.6, "--weight", 0.4)
    assert cli.main([*words, *_words("--veto", 0.8, "--least-side", 20)]) == 0
    return out


def test_released_files_say_what_they_are_and_measure(
    kind: str, recipe_path: Path, released: Path, data_folder: Path, tmp_path: Path
) -> None:
    plan = recipe.read(recipe_path)
    name = plan.name
    models = {suffix: released / f"{name}{suffix}.tflite" for suffix in ("", "-int8")}
    for suffix, path in models.items():
        entry: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert entry["task"] == "mask_classifier"
        assert entry["name"] == f"{name}{suffix}"
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["labels"] == list(plan.names)
        assert (entry["weight"], entry["veto"], entry["least_side_px"]) == (0.4, 0.8, 20)
        assert entry["input"]["dtype"] == tflite.Model(path).dtype
        assert entry["training"]["data"]["drawn"]["licence_stated"] == ["CC0-1.0"]
        assert 0.2 <= entry["training"]["calibration"]["temperature"] <= 5
    record = json.loads((released / "record-export.json").read_text(encoding="utf-8"))
    assert record["outcome"] == "finished"
    assert record["results"]["differences"]["onnx"]["opencv"] <= export.FLOAT_TOLERANCE
    _check_runtimes(released / f"{name}.onnx", models[""])
    _check_microcontroller(kind, models["-int8"], plan.names)
    _check_evaluation(recipe_path, models["-int8"], data_folder, tmp_path / "measured")


def _check_runtimes(onnx_path: Path, float_path: Path) -> None:
    cut = np.random.default_rng(1).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    expected = tflite.Model(float_path).judge(cut)
    image = cut.transpose(2, 0, 1)[None].astype(np.float32)
    assert onnx.run_onnxruntime(onnx_path, image)[0][0] == pytest.approx(expected, abs=1e-3)
    said = onnx.run_opencv(onnx_path, image, [export.OUTPUT])[0][0]
    assert said == pytest.approx(expected, abs=1e-3)


def _check_microcontroller(kind: str, int8_path: Path, names: tuple[str, ...]) -> None:
    header = int8_path.with_suffix(".h")
    if kind != "microcontroller":
        assert not header.exists()
        return
    scale, zero = _input_quantisation(int8_path)
    assert scale == pytest.approx(1.0, abs=0.01)
    assert zero == -128  # feed pixel - 128
    assert set(microcontroller.operators(int8_path)) <= microcontroller.TFLITE_MICRO_OPERATORS
    array = int8_path.with_suffix(".cc")
    assert flatbuffer_utils.xxd_output_to_bytes(str(array)) == int8_path.read_bytes()
    assert microcontroller.symbol_of(int8_path) in header.read_text(encoding="utf-8")
    labels = int8_path.with_name("labels.txt").read_text(encoding="utf-8")
    assert tuple(labels.split()) == names


def _input_quantisation(path: Path) -> tuple[float, int]:
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    scale, zero = interpreter.get_input_details()[0]["quantization"]
    return float(scale), int(zero)


def _check_evaluation(recipe_path: Path, model: Path, data_folder: Path, out: Path) -> None:
    words = _words("evaluate", "--recipe", recipe_path, "--data", data_folder)
    assert cli.main([*words, *_words("--model", model, "--out", out, "--score", 0.4)]) == 0
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert figures["milliseconds"] > 0
    assert figures["exact"]["at_least_48_px"]["faces"] > 0
    assert (
        figures["exact"]["at_least_0_px"]["faces"] * 2
        == (figures["jittered"]["at_least_0_px"]["faces"])
    )
    assert figures["backgrounds"]["cuts"] > 0
    assert len(figures["behind_detector"]["photos"]) == 12
    assert [len(figures["behind_detector"][name]) for name in ("door", "tight")] == [5, 5]


@pytest.mark.parametrize("kind", ["microcontroller"], indirect=True)
def test_step_that_changes_the_outputs_is_refused(
    recipe_path: Path, run: Path, tmp_path: Path
) -> None:
    plan = recipe.read(recipe_path)
    trained = network.build(plan)
    trained.load_state_dict(checkpoint.read(run).averaged)
    trained.eval()
    deployed = export.Deployed(trained, export.Adjustment(1.0, 0.0), plan.names).eval()
    cuts = [np.random.default_rng(s).integers(0, 256, (48, 48, 3)).astype(np.uint8) for s in (1, 2)]
    wrong = 1 - export.judge(deployed, cuts)
    with pytest.raises(OutputsDiffer, match="folding"):
        export.check_deployed(deployed, cuts, wrong)
    path, other = tmp_path / "own.tflite", tmp_path / "other.tflite"
    export.to_tflite(deployed, path, cuts)
    with torch.no_grad():
        deployed.network.last.bias.add_(torch.tensor([20.0, 0.0, 0.0]))
    export.to_tflite(deployed, other, cuts)
    with pytest.raises(OutputsDiffer, match="int8 differs by"):
        export.compare_int8(path, other, cuts)
    assert sorted(p.name for p in tmp_path.glob("*.tflite")) == ["other.tflite", "own.tflite"]


def test_model_of_another_recipe_is_refused(
    write_recipe: Callable[..., Path], data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Path(__file__).parents[2] / "models" / "microcontroller"
    model = next(shipped.glob("*-int8.tflite"))
    words = _words("evaluate", "--recipe", write_recipe("classifier"), "--data", data_folder)
    assert cli.main([*words, *_words("--model", model, "--out", data_folder / "no")]) == 1
    assert "the recipe says (48, 3, 4)" in capsys.readouterr().err


def test_share_outside_its_range_is_a_wrong_command_line(
    write_recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _words("export", "--recipe", write_recipe("classifier"), "--data", tmp_path)
    words += _words("--checkpoint", tmp_path / "no.pt", "--out", tmp_path, "--version", 1)
    assert cli.main([*words, *_words("--unsure-below", 0.6, "--veto", 1.5)]) == 2
    assert "--veto" in capsys.readouterr().err
