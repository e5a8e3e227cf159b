"""The SMTP side: aiosmtpd with a faster way to take a mail's data, and with faults."""

import asyncio
import hmac
import ssl
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax

from devstack.inbox.faults import FaultPlan
from devstack.inbox.options import InboxOptions, Login
from devstack.inbox.store import Store

SIZE_LIMIT_BYTES = 32 * 1024 * 1024
_DATA_END = b"\r\n.\r\n"


class Receiver:
    """What aiosmtpd asks at each step (its handler hooks)."""

    def __init__(self, store: Store, plan: FaultPlan) -> None:
        self._store = store
        self.plan = plan

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names and calls it so
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take or refuse a recipient."""
        refusal = self.plan.recipient_reply(address)
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient ok"

    async def handle_DATA(  # noqa: N802 - the same
        self, server: "InboxProtocol", _session: Session | None, envelope: Envelope
    ) -> str:
        """Take or refuse a mail's data."""
        verdict = self.plan.verdict(envelope.rcpt_tos)
        if verdict.delay_s:
            await asyncio.sleep(verdict.delay_s)
        if verdict.drop == "before_store":
            await server.drop()
        if verdict.reply is not None:
            return verdict.reply
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        sender = (envelope.mail_from or "").removeprefix("<>")  # a bounce has none
        stored = self._store.add(sender, envelope.rcpt_tos, content)
        if verdict.drop == "after_store":
            await server.drop()
        return f"250 2.0.0 Taken as {stored.number}"


class InboxProtocol(SMTP):
    """One connection."""

    # aiosmtpd gives its stream this limit; with its own, 1001, data could only be read by line.
    line_length_limit = SIZE_LIMIT_BYTES

    def __init__(self, receiver: Receiver, **options: Any) -> None:
        super().__init__(receiver, hostname="inbox.maskwatch.test", ident="Maskwatch", **options)
        self._receiver = receiver

    async def push(self, status: AnyStr) -> None:
        """Send a reply; the greeting may be another one by a fault."""
        refusal = self._receiver.plan.settings.greeting_reply
        if refusal is not None and isinstance(status, str) and status.startswith("220 inbox"):
            await super().push(refusal)
            await self.drop()
        await super().push(status)
        if isinstance(status, str) and status.startswith("421"):
            await self.drop()

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Take a mail's data in one piece: aiosmtpd's own way costs some 10 µs for each line."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        envelope = self.envelope
        if arg or envelope is None or not envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Error: need RCPT")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            envelope.content = await self._read_data()
        except (asyncio.LimitOverrunError, OverflowError):
            await self.push("552 5.3.4 Message too big")
            await self.drop()
        status = await self._receiver.handle_DATA(self, self.session, envelope)
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        await self.push(status)

    async def drop(self) -> None:
        """Close the connection without a word; never comes back."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        # The loop tells us next that the connection is lost, which cancels this task.
        await asyncio.Event().wait()

    async def _read_data(self) -> bytes:
        """The data up to the lone dot, its leading dots undone (RFC 5321, 4.5.2)."""
        # The line end before the data belongs to the DATA command; it makes an empty mail's
        # lone dot look like any other.
        data = bytearray(b"\r\n")
        while not data.endswith(_DATA_END):
            data += await self._reader.readuntil(_DATA_END[2:])
            if len(data) > SIZE_LIMIT_BYTES:
                raise OverflowError
        return bytes(data[2:-3]).replace(b"\r\n..", b"\r\n.").removeprefix(b".")


async def serve(
    receiver: Receiver, options: InboxOptions, *, host: str, port: int
) -> asyncio.Server:
    """Listen for mail."""
    settings, context = _settings(options)
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: InboxProtocol(receiver, loop=loop, **settings),
        host=host,
        port=port,
        ssl=context,
        backlog=512,
    )


def _settings(options: InboxOptions) -> tuple[dict[str, Any], ssl.SSLContext | None]:
    """Arguments for aiosmtpd, and the context of a listener that begins with TLS."""
    settings: dict[str, Any] = {"data_size_limit": SIZE_LIMIT_BYTES, "enable_SMTPUTF8": True}
    if options.login is not None:
        settings |= {
            "auth_required": True,
            "auth_require_tls": False,
            "authenticator": _authenticator(options.login),
        }
    if options.tls is None:
        return settings, None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.tls.certificate, options.tls.key)
    if options.tls.mode == "implicit":
        return settings, context
    return settings | {
        "tls_context": context,
        "require_starttls": options.tls.mode == "required",
    }, None


def _authenticator(login: Login) -> Any:
    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and (
            hmac.compare_digest(given.login, login.username.encode())
            and hmac.compare_digest(given.password, login.password.encode())
        )
        return AuthResult(success=is_right, handled=False)

    return authenticate
