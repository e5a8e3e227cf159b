"""Asks a running inbox what came in."""

import asyncio
import ssl
import time
from datetime import datetime
from types import TracebackType
from typing import Self

import httpx
from pydantic import BaseModel, ConfigDict

from devstack.inbox.faults import Faults

_POLL_S = 0.05
_TIMEOUT_S = 30.0
# Every mail of a page is parsed before it is answered; hundreds of thousands take a minute.
_PAGE = 5_000


class Message(BaseModel):
    """One mail as a list shows it.

    Attributes:
        id: 1 for the first mail of this inbox, then counted up.
        mail_from: Sender of the envelope; ``sender`` is the header From.
        rcpt_to: Recipients of the envelope; ``to`` is the header To.
        size_bytes: Of the whole mail as sent.
    """

    model_config = ConfigDict(frozen=True)

    id: int
    received_at: datetime
    mail_from: str
    rcpt_to: tuple[str, ...]
    size_bytes: int
    subject: str
    sender: str
    to: str
    date: str
    message_id: str


class Part(BaseModel):
    """One leaf of a mail's MIME tree; its bytes are at ``url`` (a path)."""

    model_config = ConfigDict(frozen=True)

    content_type: str
    filename: str
    content_id: str
    disposition: str
    size_bytes: int
    url: str


class MessageDetail(Message):
    """One mail with all its headers, its first text and HTML, and its parts."""

    headers: list[tuple[str, str]]
    text: str
    html: str | None
    parts: list[Part]


class MessageList(BaseModel):
    """Mails, newest first; ``total`` counts those that a limit left out, too."""

    total: int
    messages: list[Message]


class Summary(BaseModel):
    """How many mails there are, in all and by recipient of the envelope; where to send more.

    Attributes:
        newest_id: The last mail's; 0 before the first.
        smtp_address: ``host:port``.
    """

    total: int
    newest_id: int
    by_recipient: dict[str, int]
    smtp_address: str


class InboxClient:
    """The inbox's API; an async context manager, or call ``close``."""

    def __init__(self, url: str) -> None:
        # Plain HTTP on loopback: an empty TLS context saves loading the certificate authorities.
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=_TIMEOUT_S,
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def summary(self) -> Summary:
        """Counts only: no mail is parsed for it."""
        return Summary.model_validate_json(await self._get("/api/summary"))

    async def messages(self, *, to: str | None = None) -> list[Message]:
        """All mails, newest first, or those to one recipient of the envelope."""
        query = {"limit": str(_PAGE)} | ({} if to is None else {"to": to})
        found: list[Message] = []
        while True:
            answer = await self._get("/api/messages", query)
            page = MessageList.model_validate_json(answer).messages
            found += page
            if len(page) < _PAGE:
                return found
            query["before"] = str(page[-1].id)

    async def message(self, number: int) -> MessageDetail:
        """One mail, parsed.

        Raises:
            httpx.HTTPStatusError: There is no such mail.
        """
        return MessageDetail.model_validate_json(await self._get(f"/api/messages/{number}"))

    async def raw(self, number: int) -> bytes:
        """One mail as it was sent."""
        return await self._get(f"/api/messages/{number}/raw")

    async def part(self, part: Part) -> bytes:
        """The decoded bytes of one part."""
        return await self._get(part.url)

    async def wait_for(self, count: int, *, timeout_s: float) -> Summary:
        """Wait until at least this many mails are there.

        Raises:
            TimeoutError: Fewer came; the message says how many.
        """
        deadline = time.monotonic() + timeout_s
        while (summary := await self.summary()).total < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{summary.total} of {count} mails came in {timeout_s} s")
            await asyncio.sleep(_POLL_S)
        return summary

    async def clear(self) -> None:
        """Remove every mail."""
        (await self._http.delete("/api/messages")).raise_for_status()

    async def set_faults(self, faults: Faults) -> None:
        """Hold these faults from now on, in place of any before; ``Faults()`` ends them."""
        answer = await self._http.put("/api/faults", content=faults.model_dump_json())
        answer.raise_for_status()

    async def _get(self, path: str, query: dict[str, str] | None = None) -> bytes:
        answer = await self._http.get(path, params=query)
        return answer.raise_for_status().content
