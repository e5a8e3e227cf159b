"""Alerts and events whose mails a case looks at, and those mails as they arrived."""

import email
import email.policy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from uuid import UUID

import httpx
from devstack.load import alert
from devstack.service import Service
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_proto.device_event import CameraChanged, CameraState, DeviceEvent
from maskwatch_runtime.outbox.outbox import Outbox

from faults import watching
from faults.path import AlertPath

# An empty JPEG's beginning: a mail program shows a broken picture, and the mail has its part.
PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(4_000)


@dataclass(frozen=True)
class Received:
    """A mail as it arrived.

    Attributes:
        head: Its header lines, unfolded no further than they came.
        parsed: The same mail, read by Python's own parser.
    """

    recipients: tuple[str, ...]
    message_id: str
    raw: bytes
    parsed: EmailMessage

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def has_picture(self) -> bool:
        return any(part.get_content_maintype() == "image" for part in self.parsed.walk())

    def _body(self, subtype: str) -> str:
        part = self.parsed.get_body((subtype,))
        content: str = part.get_content() if part else ""
        return content.replace("\r\n", "\n")


async def received(path: AlertPath) -> list[Received]:
    """Return every mail, oldest first."""
    async with path.servers.inbox.client() as client:
        listed = [
            (one.rcpt_to, one.message_id, await client.raw(one.id))
            for one in reversed(await client.messages())
        ]
    return [Received(to, number, raw, _parsed(raw)) for to, number, raw in listed]


def _parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - what the policy makes
    return message


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))


def skeleton(html: str) -> list[tuple[str, ...]]:
    """Return every tag with its attributes' names: what a text changes if it breaks out."""
    tags = _Tags()
    tags.feed(html)
    tags.close()
    return tags.found


def made(numbers: random.Random, count: int, *, first: int = 1, **changes: object) -> list[Alert]:
    """Return alerts of a device of their own with a picture; any field changed, unchecked."""
    plain = {"device": Device(type="load", guid="mailed-1"), "image": _picture(), **changes}
    return [
        alert(number).model_copy(
            update={"event_id": UUID(int=numbers.getrandbits(128), version=4), **plain}
        )
        for number in range(first, first + count)
    ]


def _picture() -> Image:
    return Image(format="jpg", width=640, height=480, data=PICTURE)


def cameras_down(numbers: random.Random, device: str, cameras: Sequence[str]) -> list[DeviceEvent]:
    """Return that these cameras of a device went down, one after the other."""
    now = datetime.now(UTC)
    return [
        DeviceEvent(
            event_id=UUID(int=numbers.getrandbits(128), version=4),
            event_time=now,
            device=Device(type="load", guid=device),
            camera=camera,
            boot_id="boot-1",
            sequence=number,
            happening=CameraChanged(state=CameraState.DOWN, reason="no frame comes", since=now),
        )
        for number, camera in enumerate(cameras, start=1)
    ]


def tell(path: AlertPath, events: Sequence[DeviceEvent]) -> None:
    """Store device events as a detector does."""
    outbox = Outbox.open(path.outbox)
    try:
        outbox.append_all(events)
    finally:
        outbox.close()


async def count(path: AlertPath, condition: str) -> int:
    """Return how many rows of the ledger are so."""
    found = await path.fetchval(f"SELECT count(*) FROM delivery WHERE {condition}")  # noqa: S608
    return int(str(found))


async def until(path: AlertPath, condition: str, *, at_least: int = 1) -> float:
    """Wait for so many rows of the ledger, and return the seconds that it took."""

    async def is_reached() -> bool:
        return await count(path, condition) >= at_least

    return await watching.until(is_reached)


async def unknowns(path: AlertPath) -> int:
    """Return how many tries of the ledger have lost their answer."""
    return int(str(await path.fetchval("SELECT coalesce(sum(unknowns), 0) FROM delivery")))


def said(service: Service) -> dict[str, dict[str, str]]:
    """Return what the service says of its readiness: `missing` and `degraded`, each by part."""
    answer = httpx.get(f"{service.admin_url}/health/ready", timeout=5).json()
    return {kind: answer.get(kind, {}) for kind in ("missing", "degraded")}
