"""Refusals, as the client reads them: RFC 9457, application/problem+json."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
_WHEN = {
    400: "The body is no JSON, its base64 is broken, or the form cannot be read.",
    401: "No token, or a wrong one.",
    403: "A browser sent the request on behalf of another site.",
    404: "There is no such camera.",
    408: "The body did not arrive in time.",
    409: "The camera takes no frames: it is stopped, or reads a source of its own.",
    413: "The body is too large, or the picture has too many pixels.",
    415: "The body is of a kind that is not taken, or the file is no picture.",
    422: "A field is missing or senseless, or the picture is damaged.",
    429: "The queue is full, or too many wrong tokens; `Retry-After` says when to come back.",
    503: "The service is about to stop.",
}


class ProblemBody(BaseModel):
    """What went wrong, and what to do about it."""

    type: str = "about:blank"
    title: str = Field(description="The status in words", examples=["Content Too Large"])
    status: int = Field(description="The HTTP status", examples=[413])
    detail: str = Field(description="What to change", examples=["at most 16777216 bytes"])


class Problem(Exception):  # noqa: N818 - the RFC's word
    """A request that is refused; the detail is for whoever sent it.

    Attributes:
        status: Of HTTP.
        detail: One line.
        headers: Sent with it, such as Retry-After.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer that says so."""
        title = HTTPStatus(self.status).phrase
        body = ProblemBody(title=title, status=self.status, detail=self.detail)
        return JSONResponse(
            body.model_dump(), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def too_many(detail: str, *, retry_after_s: int) -> Problem:
    """Return the refusal that names when to come back."""
    return Problem(429, detail, headers={"Retry-After": str(retry_after_s)})


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI declares the refusals with these statuses."""
    return {status: _declared(status) for status in statuses}


def _declared(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    declaration: dict[str, Any] = {
        "description": _WHEN[status],
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status == 429:
        declaration["headers"] = {
            "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}
        }
    if status == 401:
        declaration["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return declaration
