"""What a model file says about itself, in the JSON file beside it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from maskwatch_proto.alert import Label
from maskwatch_runtime.errors import Misconfigured
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Unit = Annotated[float, Field(ge=0, le=1)]
Task = Literal["face_mask_detector", "mask_classifier"]
NO_FACE = "no_face"
_M = TypeVar("_M", bound=BaseModel)


class _Frozen(BaseModel):
    # What a manifest says besides (training, figures) is for people.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Described(_Frozen):
    name: str = Field(min_length=1, max_length=500)
    guid: str = Field(min_length=1, max_length=500)
    version: str
    file: str = Field(pattern=r"^[^/\\]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    edgetpu_file: str | None = Field(default=None, pattern=r"^[^/\\]+$")
    edgetpu_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _check_edgetpu(self) -> Self:
        if (self.edgetpu_file is None) != (self.edgetpu_sha256 is None):
            raise ValueError("edgetpu_file and edgetpu_sha256 belong together")
        return self


class _Tensor(_Frozen):
    size_px: int = Field(ge=32, le=4096)
    layout: Literal["NHWC"]
    dtype: Literal["float32", "uint8", "int8"]


class Input(_Tensor):
    """The picture that the detector takes: square, RGB, values in [0, 255]."""

    range: tuple[Literal[0], Literal[255]]
    colour: Literal["RGB"]
    letterbox_fill: int = Field(ge=0, le=255)


class Manifest(_Described):
    """Name, checksum, shapes and thresholds of a model that finds faces and judges the mask.

    `score_threshold`: from this score on, something is a face. `nms_iou`: boxes that overlap more
    are one face. `vote_iou`: boxes with at least this overlap have a say in the one that is kept.
    `unsure_below`: a class with a smaller probability is no judgement.
    """

    task: Literal["face_mask_detector"]
    input: Input
    strides: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    labels: tuple[Label, ...]
    score_threshold: _Unit
    nms_iou: _Unit
    vote_iou: _Unit = 0.6
    unsure_below: _Unit

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or Label.UNSURE in self.labels:
            raise ValueError("labels must differ, and 'unsure' is none that a model may have")
        if Label.NO_MASK not in self.labels:
            raise ValueError("labels must hold 'no_mask'")
        if any(self.input.size_px % stride for stride in self.strides):
            raise ValueError("every stride must divide input.size_px")
        return self


class CropInput(_Tensor):
    """The picture of one face that a classifier takes: square.

    `range`: the real numbers that stand for black and white, such as [0, 255] or [-1, 1].
    """

    range: tuple[float, float]
    colour: Literal["RGB", "GREY"]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.range[0] >= self.range[1]:
            raise ValueError("range must rise")
        return self

    @property
    def channels(self) -> int:
        return 3 if self.colour == "RGB" else 1


class ClassifierManifest(_Described):
    """Name, checksum, shapes and say of a model that judges the mask on the picture of one face.

    `margin`: added around the box on every side, as a share of its longer side. `labels`: what the
    probabilities of the one output stand for. `least_side_px`: a face with a shorter side in the
    frame keeps the detector's judgement. `weight`: of its probabilities beside the detector's.
    `veto`: the score becomes score * (1 - veto * P(no_face)). `unsure_below`: a class with a
    smaller probability, both models together, is no judgement.
    """

    task: Literal["mask_classifier"]
    input: CropInput
    margin: float = Field(ge=0, le=2)
    labels: tuple[Literal["mask", "no_mask", "bad_mask", "no_face"], ...]
    least_side_px: float = Field(ge=0)
    weight: _Unit
    veto: _Unit
    unsure_below: _Unit

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ")
        if not {"mask", "no_mask"} <= set(self.labels):
            raise ValueError("labels must hold 'mask' and 'no_mask'")
        return self


class _Kind(_Frozen):
    task: str


def read(path: Path) -> Manifest:
    """Return the detector's manifest in the file.

    Raises:
        Misconfigured: It cannot be read, or says what no model here can be; names file and field.
    """
    return _read(path, Manifest, setting="MASKWATCH_MODEL")


def read_classifier(path: Path) -> ClassifierManifest:
    """Return the classifier's manifest in the file; raises as `read` does."""
    return _read(path, ClassifierManifest, setting="MASKWATCH_CLASSIFIER")


def found_in(folder: Path, *, task: Task) -> list[Path]:
    """Return the manifests of a task in a folder, in the order of their names."""
    return [path for path, found in _tasks(folder) if found == task]


def model_file(path: Path, manifest: Manifest | ClassifierManifest) -> Path:
    """Return the path of the model that the manifest at `path` describes, its checksum compared.

    Raises:
        Misconfigured: It is missing or another one.
    """
    return _checked(path, manifest.file, manifest.sha256)


def edgetpu_file(path: Path, manifest: Manifest | ClassifierManifest) -> Path | None:
    """Return the same model compiled for the Edge TPU, its checksum compared; None without one.

    Raises:
        Misconfigured: It is missing or another one.
    """
    if manifest.edgetpu_file is None or manifest.edgetpu_sha256 is None:
        return None
    return _checked(path, manifest.edgetpu_file, manifest.edgetpu_sha256)


def _checked(path: Path, name: str, sha256: str) -> Path:
    file = path.with_name(name)
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise Misconfigured(f"the model {file} cannot be read: {error.strerror}") from error
    if digest != sha256:
        raise Misconfigured(f"the model {file} is not the one of {path.name}: its sha256 differs")
    return file


def _read(path: Path, kind: type[_M], *, setting: str) -> _M:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Misconfigured(f"{setting}: {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise Misconfigured(f"the manifest {path} is wrong: {'; '.join(problems)}") from error


def _tasks(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.glob("*.json")):
        try:
            yield path, _Kind.model_validate_json(path.read_bytes()).task
        except ValidationError:
            continue  # some other file: no manifest
