"""The inbox takes mail as a real server does, fails as asked, and shows mails without harm."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosmtplib
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from devstack.inbox import Faults, Inbox, InboxOptions, Login, Tls, client
from devstack.inbox.client import InboxClient

SENDER = "maskwatch@example.org"
MAIL = b"From: maskwatch@example.org\r\nSubject: Test\r\n\r\nHello\r\n"


@asynccontextmanager
async def connected(inbox: Inbox) -> AsyncIterator[aiosmtplib.SMTP]:
    client = aiosmtplib.SMTP(hostname=inbox.host, port=inbox.smtp_port, timeout=10)
    await client.connect()
    try:
        yield client
    finally:
        client.close()


async def send(inbox: Inbox, *recipients: str, raw: bytes = MAIL) -> None:
    async with connected(inbox) as client:
        await client.sendmail(SENDER, list(recipients), raw)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b".",
        b"..",
        b".\r\n..\r\n...",
        b"ends with a dot.",
        b"dot. in. the. middle.\r\n\r\n.\r\nafter",
        b"8 bit \xff\x00 kept",
        b"x" * 300_000,
    ],
)
async def test_mail_arrives_byte_for_byte(inbox: Inbox, mails: InboxClient, body: bytes) -> None:
    raw = b"Subject: Bytes\r\n\r\n" + body + b"\r\n"
    await send(inbox, "zoe@example.org", raw=raw)
    (message,) = await mails.messages()
    assert await mails.raw(message.id) == raw


async def test_mail_without_any_data_is_taken(inbox: Inbox, mails: InboxClient) -> None:
    reader, writer = await asyncio.open_connection(inbox.host, inbox.smtp_port)
    lines = [b"EHLO x", b"MAIL FROM:<>", b"RCPT TO:<zoe@example.org>", b"DATA", b"."]
    for line in lines:
        await reply_of(reader)
        writer.write(line + b"\r\n")
    assert (await reply_of(reader)).startswith(b"250 2.0.0 Taken")
    writer.close()
    (message,) = await mails.messages()
    assert (message.size_bytes, message.mail_from, message.subject) == (0, "", "")


async def reply_of(reader: asyncio.StreamReader) -> bytes:
    """The last line of a reply."""
    while (line := await asyncio.wait_for(reader.readline(), 5))[3:4] == b"-":
        continue
    return line


async def test_mails_of_one_connection_are_told_apart(inbox: Inbox, mails: InboxClient) -> None:
    async with connected(inbox) as client:
        for name in ("a", "b", "a"):
            await client.sendmail(SENDER, [f"{name}@example.org"], MAIL)
    summary = await mails.wait_for(3, timeout_s=5)
    assert summary.by_recipient == {"a@example.org": 2, "b@example.org": 1}
    assert len(await mails.messages(to="a@example.org")) == 2


async def test_list_is_read_in_pages(
    inbox: Inbox, mails: InboxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await send(inbox, "a@example.org" if number % 2 else "b@example.org")
    whole = await mails.messages()

    for size in (1, 2, 5, 6):
        monkeypatch.setattr(client, "_PAGE", size)
        assert await mails.messages() == whole
    newest = whole[0].id
    assert [newest - message.id for message in whole] == [0, 1, 2, 3, 4]
    monkeypatch.setattr(client, "_PAGE", 1)
    assert await mails.messages(to="a@example.org") == whole[1::2]


@pytest.mark.parametrize(("marker", "code"), [("450", 450), ("550", 550), ("421", 421)])
async def test_recipient_is_refused_by_marker(
    inbox: Inbox, mails: InboxClient, marker: str, code: int
) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as caught:
        await send(inbox, f"zoe+{marker}@example.org")
    assert caught.value.recipients[0].code == code
    assert await mails.messages() == []


async def test_other_recipients_of_the_mail_are_served(inbox: Inbox, mails: InboxClient) -> None:
    await send(inbox, "zoe+550@example.org", "ada@example.org")
    (message,) = await mails.messages()
    assert message.rcpt_to == ("ada@example.org",)


async def test_marker_with_a_count_ends(inbox: Inbox, mails: InboxClient) -> None:
    recipient = "zoe+450x2@example.org"
    for _ in range(2):
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await send(inbox, recipient)
    await send(inbox, recipient)
    assert len(await mails.messages(to=recipient)) == 1


async def test_plus_address_without_a_marker_is_an_address(
    inbox: Inbox, mails: InboxClient
) -> None:
    await send(inbox, "zoe+4501@example.org", "zoe+alerts@example.org", "450@example.org")
    (message,) = await mails.messages()
    assert len(message.rcpt_to) == 3


async def test_data_is_refused_by_marker(inbox: Inbox, mails: InboxClient) -> None:
    with pytest.raises(aiosmtplib.SMTPDataError) as caught:
        await send(inbox, "zoe+data451@example.org")
    assert caught.value.code == 451
    assert await mails.messages() == []


@pytest.mark.parametrize(("marker", "stored"), [("dropx1", 0), ("lostx1", 1)])
async def test_connection_is_dropped_after_the_data(
    inbox: Inbox, mails: InboxClient, marker: str, stored: int
) -> None:
    recipient = f"zoe+{marker}@example.org"
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(inbox, recipient)
    assert len(await mails.messages()) == stored
    await send(inbox, recipient)
    assert len(await mails.messages()) == stored + 1


async def test_answer_is_delayed_by_marker(inbox: Inbox, mails: InboxClient) -> None:
    async with connected(inbox) as client:
        client.timeout = 0.2
        with pytest.raises(aiosmtplib.SMTPTimeoutError):
            await client.sendmail(SENDER, ["zoe+delay5000@example.org"], MAIL)
    assert await mails.messages() == []


async def test_settings_hold_for_so_many_mails(inbox: Inbox, mails: InboxClient) -> None:
    await mails.set_faults(Faults(data_reply="452 4.2.2 Mailbox full", mails=1))
    with pytest.raises(aiosmtplib.SMTPDataError, match="Mailbox full"):
        await send(inbox, "zoe@example.org")
    await send(inbox, "zoe@example.org")
    assert len(await mails.messages()) == 1


async def test_settings_refuse_so_many_recipients(inbox: Inbox, mails: InboxClient) -> None:
    await mails.set_faults(Faults(recipient_reply="450 4.2.1 Later", mails=2))
    for _ in range(2):
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await send(inbox, "zoe@example.org")
    await send(inbox, "zoe@example.org")
    assert len(await mails.messages()) == 1


@pytest.mark.parametrize(
    "faults", [Faults(recipient_reply="421 4.3.2 Closing"), Faults(data_reply="421 4.3.2 Closing")]
)
async def test_421_closes_the_connection(inbox: Inbox, mails: InboxClient, faults: Faults) -> None:
    await mails.set_faults(faults)
    async with connected(inbox) as client:
        with pytest.raises((aiosmtplib.SMTPDataError, aiosmtplib.SMTPRecipientsRefused)) as caught:
            await client.sendmail(SENDER, ["zoe@example.org"], MAIL)
        assert "421" in str(caught.value)
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await client.noop()
    assert await mails.messages() == []


async def test_greeting_refuses_every_connection(inbox: Inbox, mails: InboxClient) -> None:
    await mails.set_faults(Faults(greeting_reply="421 4.3.2 Closing"))
    with pytest.raises(aiosmtplib.SMTPConnectResponseError, match="Closing"):
        await send(inbox, "zoe@example.org")


async def test_senseless_fault_is_refused(inbox: Inbox, mails: InboxClient) -> None:
    async with httpx.AsyncClient(base_url=inbox.url) as http:
        answer = await http.put("/api/faults", json={"delay_s": -1, "no_such": 1})
    assert answer.status_code == 422
    await send(inbox, "zoe@example.org")
    assert len(await mails.messages()) == 1


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "inbox")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


@pytest.fixture
def start_inbox(tmp_path: Path) -> Iterator[Callable[[InboxOptions], Inbox]]:
    started: list[Inbox] = []

    def start(options: InboxOptions) -> Inbox:
        inbox = Inbox(tmp_path / "inbox", options=options)
        started.append(inbox)
        inbox.start()
        return inbox

    yield start
    for inbox in started:
        inbox.stop()


async def test_mail_goes_through_starttls_and_login(
    start_inbox: Callable[[InboxOptions], Inbox], certificate: tuple[Path, Path]
) -> None:
    tls = Tls(certificate=certificate[0], key=certificate[1], mode="required")
    inbox = start_inbox(InboxOptions(login=Login(username="watch", password="s3cret"), tls=tls))
    trust = ssl.create_default_context(cafile=certificate[0])
    client = aiosmtplib.SMTP(
        hostname="localhost", port=inbox.smtp_port, start_tls=True, tls_context=trust
    )
    async with client:
        with pytest.raises(aiosmtplib.SMTPResponseException, match="uthentication required"):
            await client.sendmail(SENDER, ["zoe@example.org"], MAIL)
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await client.login("watch", "wrong")
        await client.login("watch", "s3cret")
        await client.sendmail(SENDER, ["zoe@example.org"], MAIL)
    async with inbox.client() as mails:
        assert (await mails.summary()).total == 1


async def test_mail_before_required_starttls_is_refused(
    start_inbox: Callable[[InboxOptions], Inbox], certificate: tuple[Path, Path]
) -> None:
    tls = Tls(certificate=certificate[0], key=certificate[1], mode="required")
    inbox = start_inbox(InboxOptions(tls=tls))
    async with aiosmtplib.SMTP(
        hostname=inbox.host, port=inbox.smtp_port, start_tls=False
    ) as client:
        with pytest.raises(aiosmtplib.SMTPResponseException, match="STARTTLS"):
            await client.sendmail(SENDER, ["zoe@example.org"], MAIL)


async def test_mail_goes_through_implicit_tls(
    start_inbox: Callable[[InboxOptions], Inbox], certificate: tuple[Path, Path]
) -> None:
    tls = Tls(certificate=certificate[0], key=certificate[1], mode="implicit")
    inbox = start_inbox(InboxOptions(tls=tls))
    trust = ssl.create_default_context(cafile=certificate[0])
    async with aiosmtplib.SMTP(
        hostname="localhost", port=inbox.smtp_port, use_tls=True, tls_context=trust
    ) as client:
        await client.sendmail(SENDER, ["zoe@example.org"], MAIL)
    async with inbox.client() as mails:
        assert (await mails.summary()).total == 1


async def test_mails_outlive_a_killed_inbox(
    start_inbox: Callable[[InboxOptions], Inbox],
) -> None:
    inbox = start_inbox(InboxOptions())
    await send(inbox, "zoe@example.org")
    inbox.kill()
    torn = inbox.folder / "mails" / "journal.jsonl"
    with torn.open("a", encoding="utf-8") as journal:
        journal.write('{"number": 2, "recei')
    inbox.start()
    await send(inbox, "ada@example.org")
    inbox.restart()
    async with inbox.client() as mails:
        assert [each.rcpt_to for each in await mails.messages()] == [
            ("ada@example.org",),
            ("zoe@example.org",),
        ]


HOSTILE = b"""\
From: "<b>Eve</b>" <eve@example.org>\r
Subject: =?utf-8?q?=3Cscript=3Ealert(1)=3C/script=3E?=\r
MIME-Version: 1.0\r
Content-Type: multipart/related; boundary=b\r
\r
--b\r
Content-Type: text/html; charset=x-unknown\r
\r
<html><head></head><body><img src="cid:one"><img src='cid:absent'><script>x</script></body></html>\r
--b\r
Content-Type: image/png\r
Content-ID: <one>\r
Content-Transfer-Encoding: base64\r
\r
AAEC\r
--b\r
Content-Type: text/html; name="page.html"\r
Content-Disposition: attachment; filename="page.html"\r
\r
<script>alert(2)</script>\r
--b--\r
"""


async def test_hostile_mail_is_shown_without_power(inbox: Inbox, mails: InboxClient) -> None:
    await send(inbox, "zoe@example.org", raw=HOSTILE)
    (message,) = await mails.messages()
    assert message.subject == "<script>alert(1)</script>"
    async with httpx.AsyncClient(base_url=inbox.url) as http:
        shown = await http.get(f"/messages/{message.id}/html")
        attached = await http.get(f"/api/messages/{message.id}/parts/2")
        source = await http.get(f"/api/messages/{message.id}/raw")
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert 'src="data:image/png;base64,AAEC"' in shown.text
    assert "cid:absent" in shown.text
    assert '<base target="_blank">' in shown.text
    assert attached.headers["content-type"] == "application/octet-stream"
    assert attached.headers["content-disposition"] == "attachment"
    assert source.headers["content-type"].startswith("text/plain")
    assert {each.headers["x-content-type-options"] for each in (shown, attached, source)} == {
        "nosniff"
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n",
        b"no header at all",
        b"Subject: =?nonsense?b?////?=\r\n\r\nx",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
        b"Subject: \xff\xfe\r\nFrom: \xc3\r\n\r\n\xff",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody",
    ],
)
async def test_malformed_mail_is_shown_as_far_as_it_goes(
    inbox: Inbox, mails: InboxClient, raw: bytes
) -> None:
    await send(inbox, "zoe@example.org", raw=raw)
    (message,) = await mails.messages()
    assert (await mails.message(message.id)).id == message.id
    async with httpx.AsyncClient(base_url=inbox.url) as http:
        assert (await http.get(f"/messages/{message.id}/html")).status_code in {200, 404}


async def test_page_and_its_files_are_served(inbox: Inbox) -> None:
    async with httpx.AsyncClient(base_url=inbox.url) as http:
        for path, media_type in [
            ("/", "text/html"),
            ("/inbox.css", "text/css"),
            ("/inbox.js", "text/javascript"),
        ]:
            answer = await http.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(media_type)
            assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/messages/999999", 404),
        ("/api/messages/999999/raw", 404),
        ("/api/messages/999999/parts/0", 404),
        ("/messages/999999/html", 404),
        ("/api/messages?limit=-1", 422),
        ("/api/messages?limit=many", 422),
        ("/api/messages?before=-1", 422),
        ("/api/messages/../../etc/passwd", 404),
    ],
)
async def test_unknown_address_is_answered(inbox: Inbox, path: str, status: int) -> None:
    async with httpx.AsyncClient(base_url=inbox.url) as http:
        assert (await http.get(path)).status_code == status


async def test_page_under_another_host_name_is_refused(inbox: Inbox) -> None:
    async with httpx.AsyncClient(base_url=inbox.url) as http:
        answer = await http.get("/api/messages", headers={"Host": "attacker.example"})
    assert answer.status_code == 400
