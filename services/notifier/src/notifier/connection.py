"""One SMTP connection, and what the server says told apart.

Three things can happen to a mail besides acceptance: refused for now (4xx, or the connection was
lost before the data), refused for good (5xx), or unknown (lost between the data and its answer).
Whatever is no property of the mail (no connection, no TLS, wrong password, sender not allowed)
is Unavailable: nothing is held against any mail.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import aiosmtplib
from maskwatch_runtime import tls
from maskwatch_runtime.errors import Unavailable

from notifier.retries import Attempt, Result
from notifier.server import MailServer

_QUIT_TIMEOUT_S = 2.0
_NEEDS_LOGIN = (530, 534, 535, 538)  # RFC 4954, section 6
_FIRST_REFUSAL, _FIRST_PERMANENT = 400, 500
_TOO_LARGE = 552
_REASON_MAX = 300  # characters of the server's text that are kept
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Mail:
    """What goes out; `data` is the whole message with CRLF line ends, not yet dot-stuffed."""

    sender: str
    recipient: str
    message_id: str
    data: bytes = field(repr=False)


BeforeData: TypeAlias = Callable[[], Awaitable[bool]]


class NoMailTaken(Unavailable):
    """The server lets us in and takes no mail of ours, whatever is in it."""


class Withdrawn(Exception):  # noqa: N818 - named for what is the case
    """The caller's `before_data` said no; the server has nothing of the mail."""


class LostBeforeDataError(Exception):
    """The connection ended before the server had any of the mail's data."""


class Connection:
    def __init__(self, server: MailServer, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            tls_context=tls,
            timeout=server.timeout_s,
            local_hostname=_own_name(),
        )
        self._is_spoilt = False
        self.used_s: float | None = None  # monotonic

    @property
    def is_usable(self) -> bool:
        return self._smtp.is_connected and not self._is_spoilt

    async def open(self) -> None:
        try:
            await self._smtp.connect()
            if self._server.username:
                await self._log_in()
            elif self._smtp.is_ehlo_or_helo_needed:
                await self._greet()
        except (aiosmtplib.SMTPException, OSError) as error:
            self.abort()
            raise Unavailable("smtp", _why_not_let_in(error, self._server)) from error

    async def _greet(self) -> None:
        try:
            await self._smtp.ehlo()
        except aiosmtplib.SMTPHeloError:
            await self._smtp.helo()

    async def _log_in(self) -> None:
        password = self._server.password.get_secret_value()
        await self._smtp.login(self._server.username, password)

    async def send(self, mail: Mail, *, before_data: BeforeData) -> Attempt:
        """See `Mailer.send`. The connection is spoilt unless every answer of the server is read."""
        self._is_spoilt = True
        try:
            return await self._send(mail, before_data)
        except aiosmtplib.SMTPResponseException as error:
            await self._reset()
            return _refused(error, self._server)
        except aiosmtplib.SMTPServerDisconnected as error:
            raise LostBeforeDataError(_text(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            return Attempt(Result.REFUSED_FOR_NOW, _text(error))

    async def _send(self, mail: Mail, before_data: BeforeData) -> Attempt:
        # The ledger writes its mark while the server thinks about the envelope.
        asked = asyncio.ensure_future(before_data())
        try:
            await self._smtp.mail(mail.sender, options=self._mail_options(mail))
            await self._smtp.rcpt(mail.recipient)
            may_send = await asked
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        if not may_send:
            await self._reset()
            raise Withdrawn
        answer = await self._smtp.execute_command(b"DATA")
        if answer.code != aiosmtplib.SMTPStatus.start_input:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        return await self._transmit(mail.data)

    def _mail_options(self, mail: Mail) -> list[str]:
        return [f"SIZE={len(mail.data)}"] if self._smtp.supports_extension("size") else []

    async def _transmit(self, data: bytes) -> Attempt:
        """Send the data; from its first byte on, silence means that nobody knows."""
        protocol = self._smtp.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("the connection was lost")
        protocol.write(dot_stuffed(data))
        try:
            answer = await protocol.read_response(timeout=self._server.timeout_s)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Attempt(Result.UNKNOWN, f"no answer to the data: {_text(error)}")
        if answer.code == aiosmtplib.SMTPStatus.completed:
            self._is_spoilt = False
            return Attempt(Result.ACCEPTED)
        if answer.code < _FIRST_REFUSAL:
            return Attempt(Result.UNKNOWN, f"a senseless answer to the data: {answer.code}")
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)

    async def _reset(self) -> None:
        with suppress(aiosmtplib.SMTPException, OSError):
            answer = await self._smtp.rset()
            self._is_spoilt = answer.code != aiosmtplib.SMTPStatus.completed

    async def quit(self) -> None:
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await asyncio.wait_for(self._smtp.quit(), _QUIT_TIMEOUT_S)
        self.abort()

    def abort(self) -> None:
        self._smtp.close()


def dot_stuffed(data: bytes) -> bytes:
    """Return the data as it follows DATA, its end included (RFC 5321, section 4.5.2)."""
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    first = b"." if stuffed.startswith(b".") else b""
    end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
    return first + stuffed + end


def _refused(error: aiosmtplib.SMTPResponseException, server: MailServer) -> Attempt:
    """Return what a refusal means for the mail.

    Raises:
        NoMailTaken: It means nothing for this mail, but for every one.
    """
    reason = _text(error)
    is_about_sender = isinstance(error, aiosmtplib.SMTPSenderRefused)
    if error.code in _NEEDS_LOGIN:
        raise NoMailTaken("smtp", f"wants a login ({server.prefix}_USERNAME, _TLS): {reason}")
    if is_about_sender and error.code >= _FIRST_PERMANENT and error.code != _TOO_LARGE:
        raise NoMailTaken("smtp", f"refuses MASKWATCH_SENDER: {reason}")
    if error.code >= _FIRST_PERMANENT:
        return Attempt(Result.REFUSED, reason)
    return Attempt(Result.REFUSED_FOR_NOW, reason)


def _why_not_let_in(error: Exception, server: MailServer) -> str:
    reason = _text(error)
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        refusal = tls.refusal(cause, prefix=server.prefix)
        return f"{server.address}, {server.prefix}_TLS={server.tls}: {refusal}"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"{server.address} refuses {server.prefix}_USERNAME or _PASSWORD: {reason}"
    if "STARTTLS" in reason or "AUTH" in reason:
        return f"{server.address} does not fit {server.prefix}_TLS={server.tls}: {reason}"
    return f"{server.address}: {reason}"


def _text(error: Exception) -> str:
    """Return one printable line: a server's words go into the ledger and the logs."""
    code = f"{error.code} " if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    words = str(getattr(error, "message", "") or error or type(error).__name__)
    return f"{code}{' '.join(words.split())}".encode(errors="replace").decode()[:_REASON_MAX]


def _own_name() -> str:
    """Return the name for EHLO without asking DNS, which may take seconds."""
    name = socket.gethostname()
    return name if _HOST_NAME.fullmatch(name) else "localhost"
