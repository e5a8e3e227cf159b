"""What a device offers to people and boards: the live page, and the gateway."""

import json
import struct
from http import HTTPStatus
from typing import Any

import httpx
from websockets.sync.client import connect

_TIMEOUT_S = 10


def look_at_page(port: int, token: str) -> int:
    """Sign in as a browser does and return the size of the picture that is live, in bytes.

    Raises:
        AssertionError: A stranger was let in, or the page or its web socket do not answer.
    """
    origin = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=origin, timeout=_TIMEOUT_S) as browser:
        for path in ("/live/session", "/static/live.js", "/openapi.json"):
            _require(browser.get(path), HTTPStatus.UNAUTHORIZED)
        _require(browser.post("/login", data={"token": "a wrong one"}), HTTPStatus.UNAUTHORIZED)
        _require(browser.post("/login", data={"token": token}), HTTPStatus.SEE_OTHER)
        _require(browser.get("/"), HTTPStatus.OK)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Cookie": cookies, "Origin": origin}
    with connect(f"ws://127.0.0.1:{port}/live/socket", additional_headers=headers) as socket:
        while isinstance(told := socket.recv(timeout=_TIMEOUT_S), str):
            pass  # the board comes first
    (length,) = struct.unpack_from("<I", told)
    header: dict[str, Any] = json.loads(told[4 : 4 + length])
    picture = told[4 + length :]
    if not picture.startswith(b"\xff\xd8"):
        raise AssertionError(f"no picture on the page: {header}")
    return len(picture)


def tell_gateway(port: int, token: str, board: str) -> None:
    """Post as a board does that sees somebody without a mask: five results agree.

    Raises:
        AssertionError: A stranger was heard, or a result was not stored.
    """
    seen = {"device": board, "results": {"mask": 0.03, "no_mask": 0.97}}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_TIMEOUT_S) as sender:
        _require(sender.post("/v1/results", json=seen), HTTPStatus.UNAUTHORIZED)
        for number in range(5):
            answer = sender.post(
                "/v1/results", json=seen | {"id": number}, headers={"token": token}
            )
            _require(answer, HTTPStatus.OK)


def _require(answer: httpx.Response, status: HTTPStatus) -> None:
    if answer.status_code != status:
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise AssertionError(f"{asked}: {answer.status_code} in place of {status.value}")
