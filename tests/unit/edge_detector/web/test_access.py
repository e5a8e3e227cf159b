import base64

import pytest
from edge_detector.web import access
from edge_detector.web.access import Attempts, Sessions, Token
from starlette.datastructures import Headers


def test_only_the_same_token_is_the_same() -> None:
    token = Token("correct horse battery")

    assert token.is_same("correct horse battery")
    for other in ("", "correct horse batter", "correct horse battery ", "\udcff"):
        assert not token.is_same(other)


def test_session_lives_until_it_expires_or_is_ended() -> None:
    sessions = Sessions(lifetime_s=10)
    one, other = sessions.begin(now_s=0), sessions.begin(now_s=5)

    assert one != other
    assert sessions.is_live(one, now_s=9.9)
    assert not sessions.is_live(one, now_s=10)
    assert sessions.is_live(other, now_s=10)
    sessions.end(other)
    assert not sessions.is_live(other, now_s=10)
    assert not sessions.is_live("", now_s=0)


def test_oldest_session_gives_way() -> None:
    sessions = Sessions(lifetime_s=10)
    cookies = [sessions.begin(now_s=0) for _ in range(257)]

    assert not sessions.is_live(cookies[0], now_s=1)
    assert sessions.is_live(cookies[1], now_s=1)
    assert sessions.is_live(cookies[-1], now_s=1)


def test_guesses_are_slowed_by_address() -> None:
    attempts = Attempts(most=3, window_s=60)
    for at_s in (0, 1, 2):
        assert attempts.wait_s("mallory", now_s=at_s) == 0
        attempts.failed("mallory", now_s=at_s)

    assert attempts.wait_s("mallory", now_s=2) == 60
    assert attempts.wait_s("alice", now_s=2) == 0
    assert attempts.wait_s("mallory", now_s=61) == 0
    attempts.failed("mallory", now_s=61)
    assert attempts.wait_s("mallory", now_s=61) == 0


def test_addresses_are_forgotten_when_there_are_too_many() -> None:
    attempts = Attempts(most=1, addresses_max=2)
    for address in ("one", "two", "three"):
        attempts.failed(address, now_s=0)

    assert attempts.wait_s("one", now_s=1) == 0
    assert attempts.wait_s("three", now_s=1) == 59


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("", None),
        ("Digest abc", None),
        ("Bearer abc", ("bearer", "abc")),
        ("bearer  abc ", ("bearer", "abc")),
        ("Basic " + base64.b64encode(b"any:a:b").decode(), ("basic", "a:b")),
        ("Basic " + base64.b64encode(b"no-colon").decode(), ("basic", "")),
        ("Basic %%%", ("basic", "")),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), ("basic", "")),
    ],
)
def test_token_is_found_in_the_header(authorization: str, token: tuple[str, str] | None) -> None:
    assert access.token_of(Headers({"authorization": authorization})) == token


@pytest.mark.parametrize(
    ("origin", "is_same"),
    [
        (None, True),
        ("http://door:8000", True),
        ("https://door:8000", True),
        ("http://door", False),
        ("http://evil.example", False),
        ("null", False),
    ],
)
def test_other_sites_are_told_by_their_origin(origin: str | None, is_same: bool) -> None:  # noqa: FBT001 - a table
    headers = {"host": "door:8000"} | ({} if origin is None else {"origin": origin})

    assert access.is_same_site(Headers(headers)) is is_same


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("", False),
        ("door:8000", False),
        ("localhost.evil.example", False),
        ("[::1", False),
    ],
)
def test_only_names_of_this_machine_lead_here(host: str, is_here: bool) -> None:  # noqa: FBT001 - a table
    assert access.is_this_machine(Headers({"host": host})) is is_here
