"""What a model file says about itself, in the JSON file beside it."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from maskwatch_proto.alert import Label
from maskwatch_runtime.errors import Misconfigured
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Unit = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    # What a manifest says besides (training, figures) is for people.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Input(_Frozen):
    """The picture that the model takes: square, RGB, values in [0, 255]."""

    size_px: int = Field(ge=32, le=4096)
    layout: Literal["NHWC"]
    dtype: Literal["float32", "uint8", "int8"]
    range: tuple[Literal[0], Literal[255]]
    colour: Literal["RGB"]
    letterbox_fill: int = Field(ge=0, le=255)


class Manifest(_Frozen):
    """Name, checksum, shapes and thresholds of one model.

    `score_threshold`: from this score on, something is a face. `nms_iou`: boxes that overlap more
    are one face. `unsure_below`: a class with a smaller probability is no judgement.
    """

    name: str = Field(min_length=1, max_length=500)
    guid: str = Field(min_length=1, max_length=500)
    version: str
    task: Literal["face_mask_detector"]
    file: str = Field(pattern=r"^[^/\\]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    input: Input
    strides: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    labels: tuple[Label, ...]
    score_threshold: _Unit
    nms_iou: _Unit
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


def read(path: Path) -> Manifest:
    """Return the manifest in the file.

    Raises:
        Misconfigured: It cannot be read, or says what no model here can be; names file and field.
    """
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Misconfigured(f"MASKWATCH_MODEL: {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise Misconfigured(f"the manifest {path} is wrong: {'; '.join(problems)}") from error


def model_file(path: Path, manifest: Manifest) -> Path:
    """Return the path of the model that the manifest at `path` describes, its checksum compared.

    Raises:
        Misconfigured: It is missing or another one.
    """
    file = path.with_name(manifest.file)
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise Misconfigured(f"the model {file} cannot be read: {error.strerror}") from error
    if digest != manifest.sha256:
        raise Misconfigured(f"the model {file} is not the one of {path.name}: its sha256 differs")
    return file
