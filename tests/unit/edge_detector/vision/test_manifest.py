import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edge_detector.settings import PACKAGED_MODEL
from edge_detector.vision import manifest as manifests
from edge_detector.vision.manifest import ClassifierManifest, Manifest
from maskwatch_runtime.errors import Misconfigured


def _written(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def _json(manifest: Manifest) -> dict[str, Any]:
    return json.loads(manifest.model_dump_json())  # type: ignore[no-any-return]


def test_packaged_manifest_fits_its_model() -> None:
    manifest = manifests.read(PACKAGED_MODEL)

    assert manifests.model_file(PACKAGED_MODEL, manifest).suffix == ".tflite"


def test_what_a_manifest_says_besides_is_ignored(
    tmp_path: Path, manifest: Callable[..., Manifest]
) -> None:
    path = _written(tmp_path / "m.json", _json(manifest()) | {"training": {}, "figures": 1})

    assert manifests.read(path) == manifest()


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("labels", ["mask", "bad_mask"], "no_mask"),
        ("labels", ["no_mask", "no_mask"], "differ"),
        ("labels", ["no_mask", "unsure"], "unsure"),
        ("labels", ["no_mask", "hat"], "labels.1"),
        ("strides", [], "strides"),
        ("strides", [7], "stride"),
        ("strides", [0], "strides.0"),
        ("score_threshold", 1.5, "score_threshold"),
        ("nms_iou", None, "nms_iou"),
        ("sha256", "abc", "sha256"),
        ("file", "../other.tflite", "file"),
        ("task", "classifier", "task"),
        ("name", "", "name"),
    ],
)
def test_senseless_manifest_is_refused_with_file_and_field(
    tmp_path: Path, manifest: Callable[..., Manifest], field: str, value: object, named: str
) -> None:
    path = _written(tmp_path / "m.json", _json(manifest()) | {field: value})

    with pytest.raises(Misconfigured, match=named) as refused:
        manifests.read(path)

    assert str(path) in str(refused.value)


def test_input_that_the_letterbox_cannot_make_is_refused(
    tmp_path: Path, manifest: Callable[..., Manifest]
) -> None:
    content = _json(manifest())
    content["input"]["layout"] = "NCHW"

    with pytest.raises(Misconfigured, match=r"input\.layout"):
        manifests.read(_written(tmp_path / "m.json", content))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_file_that_is_no_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(content)

    with pytest.raises(Misconfigured, match=r"m\.json"):
        manifests.read(path)


def test_missing_manifest_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"MASKWATCH_MODEL: .*gone\.json"):
        manifests.read(tmp_path / "gone.json")


def test_model_must_lie_beside_its_manifest_and_be_the_one(
    tmp_path: Path, manifest: Callable[..., Manifest]
) -> None:
    path = tmp_path / "m.json"
    content = b"the model"
    sha256 = hashlib.sha256(content).hexdigest()

    with pytest.raises(Misconfigured, match=r"fake\.tflite cannot be read"):
        manifests.model_file(path, manifest(sha256=sha256))
    (tmp_path / "fake.tflite").write_bytes(content + b"!")
    with pytest.raises(Misconfigured, match=r"fake\.tflite is not the one"):
        manifests.model_file(path, manifest(sha256=sha256))
    (tmp_path / "fake.tflite").write_bytes(content)
    assert manifests.model_file(path, manifest(sha256=sha256)) == tmp_path / "fake.tflite"


def test_manifests_of_a_task_are_found_among_other_files(
    tmp_path: Path,
    manifest: Callable[..., Manifest],
    classifies: Callable[..., ClassifierManifest],
) -> None:
    first = _written(tmp_path / "a.json", _json(manifest()))
    _written(tmp_path / "record.json", {"task": 7})
    _written(tmp_path / "list.json", {"steps": []})
    (tmp_path / "broken.json").write_text("{")
    second = _written(tmp_path / "b.json", json.loads(classifies().model_dump_json()))

    assert manifests.found_in(tmp_path, task="face_mask_detector") == [first]
    assert manifests.found_in(tmp_path, task="mask_classifier") == [second]


def test_classifiers_manifest_is_read_back(
    tmp_path: Path, classifies: Callable[..., ClassifierManifest]
) -> None:
    path = _written(tmp_path / "c.json", json.loads(classifies().model_dump_json()))

    assert manifests.read_classifier(path) == classifies()


def test_detector_in_the_place_of_a_classifier_is_refused(
    tmp_path: Path, manifest: Callable[..., Manifest]
) -> None:
    path = _written(tmp_path / "m.json", _json(manifest()))

    with pytest.raises(Misconfigured, match=r"m\.json is wrong: task"):
        manifests.read_classifier(path)


def test_missing_manifest_of_a_classifier_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"MASKWATCH_CLASSIFIER: .*gone\.json"):
        manifests.read_classifier(tmp_path / "gone.json")
