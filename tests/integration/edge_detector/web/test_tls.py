"""The page by https, its web socket by wss."""

import json
import ssl
from pathlib import Path

import httpx
import pytest
from devstack.inbox import Tls
from edge_detector.web.access import COOKIE
from maskwatch_runtime.errors import Misconfigured
from websockets.asyncio.client import connect

from tests.integration.edge_detector.web.conftest import TOKEN, Serve
from tests.integration.notifier import certificate


@pytest.fixture
def own(tmp_path: Path) -> Tls:
    return certificate.make(tmp_path / "own")


async def test_page_and_socket_are_served_by_tls(serve: Serve, own: Tls) -> None:
    trusting = ssl.create_default_context(cafile=own.certificate)
    settings = {"web_tls_certificate": own.certificate, "web_tls_key": own.key}
    async with serve(**settings) as served:
        origin = f"https://127.0.0.1:{served.port}"
        async with httpx.AsyncClient(base_url=origin, verify=trusting) as browser:
            signed_in = await browser.post("/login", data={"token": TOKEN})
            assert "Secure" in signed_in.headers["set-cookie"]
            page = await browser.get("/")
            assert (page.status_code, page.headers["content-type"]) == (
                200,
                "text/html; charset=utf-8",
            )
            cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}", "Origin": origin}
        address = f"wss://127.0.0.1:{served.port}/live/socket"
        async with connect(address, ssl=trusting, additional_headers=cookie) as socket:
            assert json.loads(await socket.recv())["type"] == "board"
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(origin)
            with pytest.raises(httpx.RemoteProtocolError):
                await stranger.get(f"http://127.0.0.1:{served.port}/")


async def test_key_of_another_certificate_stops_the_service(
    serve: Serve, own: Tls, tmp_path: Path
) -> None:
    other = certificate.make(tmp_path / "other")

    with pytest.raises(Misconfigured, match=r"MASKWATCH_WEB_TLS_KEY: .* is not the key of"):
        async with serve(web_tls_certificate=own.certificate, web_tls_key=other.key):
            pytest.fail("served")
