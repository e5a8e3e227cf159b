"""A detector of drawn faces, trained by the command a user gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from maskwatch_training import checkpoint, cli, recipes
from maskwatch_training.arrays import Image
from maskwatch_training.datasets.holdout import NothingToLearn
from maskwatch_training.detector import batches, recipe, scenes, train
from maskwatch_training.detector.batches import Batch
from maskwatch_training.detector.network import Detector
from maskwatch_training.detector.widths import FULL_WIDTHS
from maskwatch_training.fitting.job import Job
from maskwatch_training.fitting.run import Run
from maskwatch_training.views import View

_SIZE_PX = 64
_SLIM = [32, 48, 72, 72, 120, 120, 256, 256, 256, 352, 352, 352, 480, 480, 480, 480]


def _batch() -> Batch:
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    boxes = np.array([[10, 10, 40, 44]], np.float32)
    view = View(image, boxes, np.array([1]), np.zeros((0, 4), np.float32))
    return batches.compose([view, view], size_px=64)


@pytest.fixture
def data_folder(
    tmp_path: Path, draw_face: Callable[..., None], write_lines: Callable[..., Path]
) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(4)
    entries: list[dict[str, Any]] = []
    for number in range(12):
        image: Image = random.integers(0, 256, (96, 128, 3)).astype(np.uint8)
        entry: dict[str, Any] = {"file": f"{number}.png", "width": 128, "height": 96}
        if number % 3:
            box = (20, 10, 70, 80)
            draw_face(image, box, "mask")
            entry["boxes"] = [{"xyxy": list(box), "label": "mask"}]
        if number > 9:
            entry["kind"] = "crop"
        cv2.imwrite(str(folder / entry["file"]), image[..., ::-1])
        entries.append(entry)
    write_lines(folder / "own.jsonl", *entries)
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path, recipes_folder: Path) -> Callable[..., Path]:
    """Write the recipe that ships, made small, with fields replaced."""

    def write(**fields: Any) -> Path:
        entry = yaml.safe_load((recipes_folder / "detector.yml").read_text(encoding="utf-8"))
        small: dict[str, Any] = {
            "input_size_px": _SIZE_PX,
            "batch_size": 2,
            "threads": 1,
            "minutes": 0.05,
        }
        small |= {"datasets": {"own": 1.0}, "background_datasets": ["own"]}
        path = tmp_path / "detector.yml"
        path.write_text(yaml.safe_dump(entry | small | fields, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["detector", "detector-small", "teacher", "teacher-second"])
def test_recipe_that_ships_is_valid(recipes_folder: Path, name: str) -> None:
    assert recipe.read(recipes_folder / f"{name}.yml").task == "face_mask_detector"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sead": 1}, "sead: Extra inputs are not permitted"),
        ({"widths": [1, 2]}, "widths must be 16 numbers"),
        ({"optimiser": {}}, "optimiser.head_rate: Field required; optimiser.backbone_rate"),
        ({"input_size_px": 70}, "input_size_px: "),
    ],
)
def test_senseless_recipe_is_refused_in_one_line(
    write_recipe: Callable[..., Path], fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(recipes.InvalidRecipe) as refusal:
        recipe.read(write_recipe(**fields))
    assert f"detector.yml: {said}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_run_goes_on_from_its_checkpoint(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    plan = recipe.read(write_recipe())
    run = Run(train.Learner(plan))
    run.learn(_batch())
    run.elapsed_s = 90.0
    checkpoint.write(run.snapshot(), tmp_path / "checkpoint.pt")
    other = Run(train.Learner(plan))
    other.restore(checkpoint.read(tmp_path / "checkpoint.pt"))
    assert (other.step, other.elapsed_s) == (1, 90.0)
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name]), name
    assert not (tmp_path / "checkpoint.part").exists()


def test_run_begins_with_a_starts_weights_pruned_to_fit_and_with_imagenets_without_one(
    write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    full = Run(train.Learner(recipe.read(write_recipe(widths=list(FULL_WIDTHS)))))
    full.begin(None)
    stem = full.network.state_dict()["backbone.stem.weight"]
    assert not torch.equal(stem, Detector().state_dict()["backbone.stem.weight"])
    checkpoint.write(full.snapshot(), tmp_path / "full.pt")
    slim = Run(train.Learner(recipe.read(write_recipe(widths=_SLIM))))
    slim.begin(tmp_path / "full.pt")
    assert torch.equal(slim.averaged["backbone.stem.weight"], stem)
    checkpoint.write(slim.snapshot(), tmp_path / "slim.pt")
    with pytest.raises(checkpoint.CheckpointUnfit, match=r"slim\.pt: is not of this recipe"):
        full.begin(tmp_path / "slim.pt")
    assert train.read_teacher(tmp_path / "slim.pt").network(torch.zeros(1, 3, 64, 64)).scores.shape


def test_imitation_counts_only_with_a_teacher(
    write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    plan = recipe.read(
        write_recipe(losses={"giou": 4, "classes": 1, "bad_mask_weight": 1, "imitation": 1})
    )
    torch.manual_seed(2)
    alone = Run(train.Learner(plan))
    checkpoint.write(alone.snapshot(), tmp_path / "teacher.pt")
    torch.manual_seed(3)
    pupil = Run(train.Learner(plan, train.read_teacher(tmp_path / "teacher.pt")))
    assert alone.learn(_batch())["imitation"] == 0
    assert pupil.learn(_batch())["imitation"] > 0


def test_crops_are_left_out_and_counted(
    write_recipe: Callable[..., Path],
    data_folder: Path,
    write_lines: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    plan = recipe.read(write_recipe())
    found = scenes.read(data_folder, plan)
    assert len(found.training) + len(found.validation) == 10
    assert {photo.kind for photo in (*found.training, *found.validation)} == {"scene"}
    assert "2 crops for training, 0 held back" in caplog.text
    text = (data_folder / "own.jsonl").read_text(encoding="utf-8")
    entries = [json.loads(line) | {"kind": "crop"} for line in text.strip().split("\n")]
    write_lines(data_folder / "own.jsonl", *entries)
    with pytest.raises(NothingToLearn, match="no scene with a face"):
        scenes.read(data_folder, plan)


def test_backgrounds_that_no_photo_gives_are_named(
    write_recipe: Callable[..., Path], data_folder: Path
) -> None:
    plan = recipe.read(write_recipe(background_datasets=[]))
    with pytest.raises(NothingToLearn, match="background_datasets"):
        batches.stock(scenes.read(data_folder, plan).training, plan)


def test_command_trains_resumes_and_records(
    write_recipe: Callable[..., Path],
    data_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_recipe(widths=_SLIM)
    job = Job(data_folder, tmp_path / "run")
    words = ["detector", "--recipe", str(path), "--data", str(data_folder)]
    words += ["--out", str(job.run_folder)]
    assert cli.main(words) == 0
    first = checkpoint.read(job.checkpoint_path)
    assert first.step > 0
    assert cli.main(words) == 1
    assert "--resume to go on" in capsys.readouterr().err
    write_recipe(widths=_SLIM, minutes=0.1)
    assert cli.main([*words, "--resume", "--teacher", str(job.checkpoint_path)]) == 0
    assert checkpoint.read(job.checkpoint_path).step > first.step
    entry = json.loads((job.run_folder / "record-detector.json").read_text(encoding="utf-8"))
    assert list(entry["data"]) == ["own.jsonl", "checkpoint.pt"]
    assert {"steps", "minutes", "focal", "giou"} <= set(entry["results"])


def test_command_measures_the_scenes_held_back(
    write_recipe: Callable[..., Path],
    data_folder: Path,
    detector_path: Path,
    tmp_path: Path,
) -> None:
    path = write_recipe(validation={"share": 0.5, "faceless_share": 0.5})
    out = tmp_path / "measured"
    words = ["evaluate", "--recipe", path, "--data", data_folder, "--model", detector_path]
    assert cli.main([str(word) for word in (*words, "--out", out, "--score", "0.3")]) == 0
    held_back = scenes.read(data_folder, recipe.read(path)).validation
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert figures["photos"] == len(held_back)
    truth = (out / "truth.jsonl").read_text(encoding="utf-8").strip().split("\n")
    assert [json.loads(line)["file"] for line in truth] == [photo.file for photo in held_back]
    entry = json.loads((out / "record-evaluate.json").read_text(encoding="utf-8"))
    assert list(entry["data"]) == [detector_path.name, "own.jsonl"]
    assert entry["settings"]["score"] == 0.3
