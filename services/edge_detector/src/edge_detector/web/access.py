"""Who may see: one token, sessions of browsers, and patience with those who guess."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers

COOKIE = "maskwatch_session"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SESSIONS_MAX = 256


class Token:
    """The secret; kept as its digest, compared in constant time."""

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)

    def is_same(self, given: str) -> bool:
        """Return whether this is it; takes as long for any text of one length."""
        return hmac.compare_digest(_digest(given), self._digest)


@dataclass(slots=True)
class Sessions:
    """Browsers that have shown the token; only digests of their cookies are kept."""

    lifetime_s: float
    _until_s: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    def begin(self, *, now_s: float) -> str:
        """Return the cookie of a new session; the oldest gives way when there are too many."""
        cookie = secrets.token_urlsafe(32)
        self._until_s[_digest(cookie)] = now_s + self.lifetime_s
        while len(self._until_s) > _SESSIONS_MAX:
            self._until_s.popitem(last=False)
        return cookie

    def is_live(self, cookie: str, *, now_s: float) -> bool:
        """Return whether the cookie is one of ours that has not expired."""
        until_s = self._until_s.get(_digest(cookie))
        return until_s is not None and now_s < until_s

    def end(self, cookie: str) -> None:
        """Forget the session."""
        self._until_s.pop(_digest(cookie), None)


@dataclass(slots=True)
class Attempts:
    """Wrong tokens by address: after `most` within `window_s`, none is looked at for `window_s`."""

    most: int = 5
    window_s: float = 60.0
    addresses_max: int = 1000
    _failures_s: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)

    def wait_s(self, address: str, *, now_s: float) -> float:
        """Return how long the address has to wait; 0 when it may try."""
        recent = self._recent(address, now_s)
        return recent[-1] + self.window_s - now_s if len(recent) >= self.most else 0.0

    def failed(self, address: str, *, now_s: float) -> None:
        """Note a wrong token."""
        self._failures_s[address] = [*self._recent(address, now_s), now_s][-self.most :]
        self._failures_s.move_to_end(address)
        while len(self._failures_s) > self.addresses_max:
            self._failures_s.popitem(last=False)

    def _recent(self, address: str, now_s: float) -> list[float]:
        times_s = self._failures_s.get(address, [])
        return [at_s for at_s in times_s if now_s - at_s < self.window_s]


def token_of(headers: Headers) -> tuple[str, str] | None:
    """Return scheme and token of the Authorization header; None when there is none of ours.

    Basic carries the token as its password, so that `http://any:TOKEN@host/predict/` works in
    programs that know nothing of tokens.
    """
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return "bearer", rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "basic", ""
    return "basic", password


def is_same_site(headers: Headers) -> bool:
    """Return whether a browser sent this from our own page; programs send no Origin."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def is_this_machine(headers: Headers) -> bool:
    """Return whether the Host is a name of this machine: others lead here by DNS rebinding."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname in _LOOPBACK
    except ValueError:
        return False


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
