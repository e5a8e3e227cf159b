from collections.abc import Callable

import httpx
import pytest
from edge_detector.web.access import COOKIE
from fastapi import FastAPI
from maskwatch_runtime.testing import FakeClock

from tests.unit.edge_detector.web.conftest import TOKEN, FakeControls, speaking_to

_PATHS = [
    ("GET", "/openapi.json"),
    ("GET", "/live/session"),
    ("GET", "/live/episodes/1.jpg"),
    ("GET", "/static/live.js"),
    ("GET", "/static/index.html"),
    ("GET", "/nowhere"),
    ("POST", "/predict/"),
    ("POST", "/v1/predict"),
    ("POST", "/live/cameras/door/stop"),
    ("POST", "/logout"),
    ("POST", "/"),
]


async def _sign_in(browser: httpx.AsyncClient, token: str = TOKEN) -> httpx.Response:
    return await browser.post("/login", data={"token": token})


@pytest.mark.parametrize(("method", "path"), _PATHS)
async def test_nothing_answers_without_the_token(
    method: str, path: str, stranger: httpx.AsyncClient
) -> None:
    answer = await stranger.request(method, path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/login", "/static/style.css", "/static/icon.svg"])
async def test_the_login_is_open(path: str, stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get(path)).status_code == 200


async def test_who_opens_the_page_is_led_to_the_login(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
async def test_programs_show_the_token_in_the_header(
    scheme: str, stranger: httpx.AsyncClient
) -> None:
    shown = (
        {"headers": {"Authorization": f"Bearer {TOKEN}"}}
        if scheme == "bearer"
        else {"auth": ("anybody", TOKEN)}
    )

    assert (await stranger.get("/live/session", **shown)).status_code == 204


async def test_login_gives_a_cookie_that_scripts_and_other_sites_do_not_get(
    stranger: httpx.AsyncClient,
) -> None:
    answer = await _sign_in(stranger)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert (await stranger.get("/")).status_code == 200
    assert (await stranger.get("/static/live.js")).status_code == 200


async def test_cookie_is_for_https_only_where_there_is_https(
    build: Callable[..., FastAPI],
) -> None:
    transport = httpx.ASGITransport(build(web_token=TOKEN))
    async with httpx.AsyncClient(transport=transport, base_url="https://door") as browser:
        answer = await _sign_in(browser)

    assert "Secure" in answer.headers["set-cookie"]


async def test_session_ends_by_time_and_by_signing_out(
    stranger: httpx.AsyncClient, clock: FakeClock
) -> None:
    await _sign_in(stranger)
    clock.advance(12 * 3600)
    assert (await stranger.get("/live/session")).status_code == 401

    await _sign_in(stranger)
    cookie = stranger.cookies[COOKIE]
    assert (await stranger.get("/live/session")).status_code == 204
    assert (await stranger.post("/logout")).headers["location"] == "/login"
    stranger.cookies.set(COOKIE, cookie)
    assert (await stranger.get("/live/session")).status_code == 401


async def test_guesses_are_slowed_and_the_right_token_waits_with_them(
    stranger: httpx.AsyncClient, clock: FakeClock
) -> None:
    for _ in range(5):
        assert (await _sign_in(stranger, "wrong")).status_code == 401

    blocked = await _sign_in(stranger)
    by_header = await stranger.get("/live/session", headers={"Authorization": f"Bearer {TOKEN}"})

    assert blocked.status_code == by_header.status_code == 429
    assert blocked.headers["retry-after"] == "60"
    assert "Wait 60 seconds" in blocked.text
    clock.advance(60)
    assert (await _sign_in(stranger)).status_code == 303


async def test_wrong_login_says_so_on_the_page(stranger: httpx.AsyncClient) -> None:
    answer = await _sign_in(stranger, "wrong")

    assert "This token is wrong" in answer.text
    assert 'id="note"></p>' in (await stranger.get("/login")).text
    assert answer.headers["content-type"].startswith("text/html")


async def test_login_form_is_small(stranger: httpx.AsyncClient) -> None:
    answer = await _sign_in(stranger, "x" * 5000)

    assert (answer.status_code, answer.json()["detail"]) == (413, "the form is too large")


@pytest.mark.parametrize("path", ["/login", "/v1/predict", "/live/cameras/door/stop"])
async def test_request_on_behalf_of_another_site_is_refused(
    path: str, stranger: httpx.AsyncClient, controls: FakeControls
) -> None:
    await _sign_in(stranger)

    answer = await stranger.post(path, headers={"Origin": "http://evil.example"})

    assert answer.status_code == 403
    assert controls.asked == []


async def test_program_with_the_token_may_come_from_any_site(client: httpx.AsyncClient) -> None:
    answer = await client.get("/live/session", headers={"Origin": "http://intranet.example"})

    assert answer.status_code == 204


async def test_open_page_is_for_this_machine_alone(build: Callable[..., FastAPI]) -> None:
    async with speaking_to(build(web_open=True)) as browser:
        here = await browser.get("/live/session")
        rebound = await browser.get("/live/session", headers={"Host": "evil.example"})
        foreign = await browser.post("/v1/predict", headers={"Origin": "http://evil.example"})
        login = await browser.get("/login")

    assert here.status_code == 204
    assert rebound.status_code == foreign.status_code == 403
    assert (login.status_code, login.headers["location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere"])
async def test_browser_is_told_to_load_nothing_from_elsewhere(
    path: str, stranger: httpx.AsyncClient
) -> None:
    headers = (await stranger.get(path)).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
