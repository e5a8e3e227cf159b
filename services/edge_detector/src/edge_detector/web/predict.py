"""`/predict/`, as pauloesampaio/mask_detector answers, and `/v1/predict`, which says all of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from maskwatch_proto.alert import Label
from maskwatch_runtime.clock import Clock
from pydantic import BaseModel, Field

from edge_detector.vision.faces import Faces
from edge_detector.vision.manifest import ClassifierManifest, Manifest
from edge_detector.web import bodies, problems
from edge_detector.web.judges import Judged, Judges

_Unit = Annotated[float, Field(ge=0, le=1)]
_Px = Annotated[float, Field(ge=0, description="px")]
# A grey picture of 2 x 2 px: valid, and nobody is on it.
_EXAMPLE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNs"
    "YGBiYAAAApIAhPd8o1gAAAAASUVORK5CYII="
)
_REFUSALS = problems.declared(400, 401, 403, 408, 413, 415, 422, 429, 503)
_BASE64 = {"type": "string", "minLength": 1, "contentEncoding": "base64", "examples": [_EXAMPLE]}


class Box(BaseModel):
    """Corners of a face in px of the picture as displayed, (0, 0) at its top left."""

    left: _Px
    top: _Px
    right: _Px
    bottom: _Px


class Face(BaseModel):
    """One face."""

    box: Box
    score: _Unit = Field(description="How surely it is a face")
    label: Label = Field(description="The likeliest class; `unsure` when none is likely enough")
    probabilities: dict[Label, _Unit] = Field(description="Of each class; they sum to 1")


class PictureSize(BaseModel):
    """As displayed: a rotation tag (EXIF) is obeyed."""

    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)


class ModelName(BaseModel):
    """A model and its version."""

    name: str
    version: str
    guid: str


class Milliseconds(BaseModel):
    """Where the time went."""

    decode: float = Field(ge=0, description="Reading and decoding the picture")
    inference: float = Field(ge=0, description="Finding and judging the faces")


class Prediction(BaseModel):
    """Who is on a picture, and what they wear."""

    faces: list[Face] = Field(description="Best first; empty when there is none")
    picture: PictureSize
    detector: ModelName
    classifier: ModelName | None = Field(description="What judged each face again, if anything did")
    runtime: str = Field(description="What runs the models", examples=["litert 2.3.0"])
    milliseconds: Milliseconds
    predicted_at: datetime = Field(description="UTC")


class MaskShares(BaseModel):
    """Probabilities that sum to 1; a badly worn mask counts as none."""

    without_mask: _Unit
    with_mask: _Unit


class SimplePredictions(BaseModel):
    """The one task that the service knows."""

    mask: MaskShares


class SimplePrediction(BaseModel):
    """The answer of pauloesampaio/mask_detector."""

    predictions: SimplePredictions | None = Field(description="null: there is no face")
    timestamp: str = Field(description="UTC", examples=["2026-01-31 12:00:00"])


@dataclass(frozen=True, slots=True)
class About:
    """Which models judge, and what runs them."""

    detector: Manifest
    classifier: ClassifierManifest | None
    runtime: str


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes use."""

    judges: Judges
    about: About
    clock: Clock
    body_s: float


def router(service: Service) -> APIRouter:
    """Return the two routes."""
    routes = APIRouter(tags=["predict"])

    async def simple(request: Request) -> SimplePrediction:
        with service.judges.admission():
            body = await bodies.read(request, timeout_s=service.body_s)
            # The published client names no content type, so none is asked for.
            judged = await service.judges.judge(
                lambda: bodies.from_json(body, field="image_string")
            )
        timestamp = service.clock.now().strftime("%Y-%m-%d %H:%M:%S")
        return SimplePrediction(predictions=shares(judged.faces), timestamp=timestamp)

    async def typed(request: Request) -> Prediction:
        with service.judges.admission():
            kind = request.headers.get("content-type", "")
            body = await bodies.read(request, timeout_s=service.body_s)
            judged = await service.judges.judge(bodies.extractor(kind, body))
        return prediction(judged, service.about, at=service.clock.now())

    routes.add_api_route("/v1/predict", typed, methods=["POST"], **_TYPED)
    routes.add_api_route("/predict/", simple, methods=["POST"], **_SIMPLE)
    routes.add_api_route("/predict", simple, methods=["POST"], include_in_schema=False)
    return routes


def shares(faces: Faces) -> SimplePredictions | None:
    """Return with and without a mask of the person least likely to wear one; None without a face.

    The original judges the picture as a whole; nobody without a mask hides behind others here.
    """
    if not len(faces):
        return None
    masked = faces.probabilities[:, faces.classes.index(Label.MASK)]
    with_mask = min(1.0, max(0.0, float(masked.min())))
    return SimplePredictions(mask=MaskShares(without_mask=1 - with_mask, with_mask=with_mask))


def prediction(judged: Judged, about: About, *, at: datetime) -> Prediction:
    """Return the typed answer."""
    width, height = judged.size_wh
    return Prediction(
        faces=_faces(judged.faces),
        picture=PictureSize(width_px=width, height_px=height),
        detector=_named(about.detector),
        classifier=None if about.classifier is None else _named(about.classifier),
        runtime=about.runtime,
        milliseconds=Milliseconds(
            decode=round(judged.decode_ms, 2), inference=round(judged.inference_ms, 2)
        ),
        predicted_at=at,
    )


def _faces(faces: Faces) -> list[Face]:
    return [
        Face(
            box=Box(**dict(zip(Box.model_fields, _rounded(xyxy.tolist(), 2), strict=True))),
            score=_unit(score),
            label=label,
            probabilities=dict(zip(faces.classes, map(_unit, shares_), strict=True)),
        )
        for xyxy, score, label, shares_ in zip(
            faces.xyxy_px, faces.scores, faces.labels, faces.probabilities, strict=True
        )
    ]


def _rounded(numbers: list[float], places: int) -> list[float]:
    return [round(number, places) for number in numbers]


def _unit(number: float) -> float:
    return round(min(1.0, max(0.0, float(number))), 5)


def _named(manifest: Manifest | ClassifierManifest) -> ModelName:
    return ModelName(name=manifest.name, version=manifest.version, guid=manifest.guid)


_TYPED: dict[str, Any] = {
    "operation_id": "predict",
    "summary": "Who is on the picture, and what do they wear?",
    "description": (
        "Takes JPEG, PNG, WebP, GIF, BMP or TIFF of at most 40 megapixels. Rotation tags are "
        "obeyed, of an animation the first frame is judged, transparency is filled with white. "
        "Nothing of the picture is kept."
    ),
    "responses": _REFUSALS,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                },
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {
                            "image": {**_BASE64, "description": "Standard or URL-safe base64"}
                        },
                    },
                    "example": {"image": _EXAMPLE},
                },
            },
        }
    },
}
_SIMPLE: dict[str, Any] = {
    "operation_id": "predict_simple",
    "summary": "The same for clients of pauloesampaio/mask_detector",
    "description": (
        "With several faces, the answer is about the one least likely to wear a mask. The body is "
        "read as JSON whatever its content type."
    ),
    "responses": problems.declared(400, 401, 403, 408, 413, 415, 422, 429, 503),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["image_string"],
                        "properties": {
                            "image_string": {**_BASE64, "description": "URL-safe or standard"}
                        },
                    },
                    "example": {"image_string": _EXAMPLE},
                }
            },
        }
    },
}
