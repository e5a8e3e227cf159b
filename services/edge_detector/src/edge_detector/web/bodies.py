"""The picture in a request's body: base64 in JSON, or a file in a form."""

import asyncio
import base64
import itertools
import json
from collections.abc import Callable

from python_multipart import multipart
from python_multipart.exceptions import FormParserError
from starlette.requests import ClientDisconnect, Request

from edge_detector.web.problems import Problem

_URL_SAFE = str.maketrans("-_", "+/", " \t\r\n")
_FORM = "multipart/form-data"
_PARTS_MAX = 20


async def read(request: Request, *, timeout_s: float) -> bytes:
    """Return the whole body.

    Raises:
        Problem: 408 it did not arrive in time; 413 as `BodyLimit` says; 400 its sender went away.
    """
    chunks = []
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                chunks.append(chunk)  # noqa: PERF401 - what was read is dropped by an error
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {timeout_s:g} s") from None
    except ClientDisconnect:
        raise Problem(400, "the body ended before its time") from None
    return b"".join(chunks)


def extractor(content_type: str, body: bytes) -> Callable[[], bytes]:
    """Return what gets the picture out of a body of this type; it is for a worker's thread.

    Raises:
        Problem: 415 the type is neither JSON nor a form. Calling the result raises 400 or 422.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _FORM:
        return lambda: from_form(content_type, body)
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return lambda: from_json(body, field="image")
    raise Problem(415, f"the body must be application/json or {_FORM}")


def from_json(body: bytes, *, field: str) -> bytes:
    """Return the picture whose base64, standard or URL-safe, stands in a field of a JSON object.

    Raises:
        Problem: 400 no JSON, or broken base64; 422 the field is missing, empty or no text.
    """
    try:
        # A body of brackets alone nests deeper than Python goes.
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is no JSON") from None
    text = sent.get(field) if isinstance(sent, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise Problem(422, f'the body must be {{"{field}": "<the picture in base64>"}}')
    return _decoded(text, field=field)


def from_form(content_type: str, body: bytes) -> bytes:
    """Return the part `file` of a multipart/form-data body; nothing of it is written to a disk.

    Raises:
        Problem: 400 the form cannot be read; 422 the part is missing or empty.
    """
    found: list[bytes] = []

    parts = itertools.count(1)

    def on_file(file: multipart.File) -> None:
        if next(parts) > _PARTS_MAX:
            raise FormParserError(f"more than {_PARTS_MAX} files")
        if file.field_name == b"file":
            file.file_object.seek(0)
            found.append(file.file_object.read())

    def on_field(field: multipart.Field) -> None:
        if field.field_name == b"file":
            found.append(field.value or b"")

    in_memory = {"MAX_MEMORY_FILE_SIZE": len(body) + 1, "MAX_FIELDS": _PARTS_MAX}
    try:
        parser = multipart.create_form_parser(
            {"Content-Type": content_type.encode("latin-1")}, on_field, on_file, in_memory
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem(400, f"the form cannot be read: {error}") from None
    if not found or not found[0]:
        raise Problem(422, 'the form must have a part "file" that is the picture')
    return found[0]


def _decoded(text: str, *, field: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    plain = text.translate(_URL_SAFE)
    if len(plain) % 4:
        raise Problem(400, f'"{field}" is cut off: base64 comes in groups of four characters')
    try:
        return base64.b64decode(plain, validate=True)
    except ValueError:
        raise Problem(400, f'"{field}" is not base64') from None
