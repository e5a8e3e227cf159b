import asyncio
from typing import Any

import pytest
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Misconfigured, Unavailable
from notifier.connection import Mail, Withdrawn
from notifier.mailer import Mailer
from notifier.retries import Attempt, Result
from notifier.settings import MailSettings

from tests.integration.notifier.scripted_server import ScriptedServer

_MAIL = Mail(
    "alerts@maskwatch.example", "ann@example.org", "<1@x>", b"Subject: hi\r\n\r\n.hello\r\n"
)


def _mailer(scripted: ScriptedServer, **changed: Any) -> Mailer:
    values: dict[str, Any] = {
        "recipients": "ann@example.org",
        "sender": "alerts@maskwatch.example",
        "smtp_host": "127.0.0.1",
        "smtp_port": scripted.port,
        "smtp_tls": "none",
        "smtp_timeout_s": 2,
    }
    settings = MailSettings(**values | changed)
    (server,) = settings.smtp_servers
    return Mailer(server, SystemClock(), connections=settings.smtp_connections)


async def _yes() -> bool:
    return True


async def _send(mailer: Mailer) -> Attempt:
    return await mailer.send(_MAIL, before_data=_yes)


async def test_mail_arrives_with_its_dots_doubled(scripted: ScriptedServer) -> None:
    scripted.script["EHLO"] = "250-hi\r\n250 SIZE 1000"
    mailer = _mailer(scripted)

    assert await _send(mailer) == Attempt(Result.ACCEPTED)

    assert scripted.mails == [b"Subject: hi\r\n\r\n..hello\r\n.\r\n"]
    assert f"MAIL FROM:<alerts@maskwatch.example> SIZE={len(_MAIL.data)}" in scripted.commands
    await mailer.close()


async def test_connection_is_used_again(scripted: ScriptedServer) -> None:
    mailer = _mailer(scripted)

    for _ in range(3):
        await _send(mailer)

    assert len(scripted.connections) == 1
    await mailer.close()
    assert scripted.commands[-1] == "QUIT"
    assert not mailer.is_connected


async def test_no_more_connections_than_set(scripted: ScriptedServer) -> None:
    mailer = _mailer(scripted, smtp_connections=2)

    await asyncio.gather(*(_send(mailer) for _ in range(10)))

    assert len(scripted.connections) == 2
    assert len(scripted.mails) == 10
    await mailer.close()


async def test_idle_connection_that_the_server_closed_costs_no_try(
    scripted: ScriptedServer,
) -> None:
    mailer = _mailer(scripted)
    await _send(mailer)
    scripted.once["MAIL"] = None

    assert await _send(mailer) == Attempt(Result.ACCEPTED)

    assert len(scripted.connections) == 2
    await mailer.close()


async def test_connection_lost_twice_is_a_try(scripted: ScriptedServer) -> None:
    mailer = _mailer(scripted)
    await _send(mailer)
    scripted.script["MAIL"] = None

    assert (await _send(mailer)).result is Result.REFUSED_FOR_NOW

    assert len(scripted.connections) == 2
    await mailer.close()


async def test_server_that_knows_no_ehlo_is_greeted_the_old_way(scripted: ScriptedServer) -> None:
    scripted.script["EHLO"] = "502 what"
    mailer = _mailer(scripted)

    assert await _send(mailer) == Attempt(Result.ACCEPTED)

    assert scripted.commands[1].startswith("HELO")
    await mailer.close()


async def test_connection_lost_while_idle_is_not_lent_again(scripted: ScriptedServer) -> None:
    mailer = _mailer(scripted)
    await _send(mailer)
    scripted.drop_all()
    await asyncio.sleep(0.05)

    assert await _send(mailer) == Attempt(Result.ACCEPTED)
    await mailer.close()


@pytest.mark.parametrize(
    ("word", "answer", "result"),
    [
        ("MAIL", "451 later", Result.REFUSED_FOR_NOW),
        ("MAIL", "552 too large", Result.REFUSED),
        ("RCPT", "450 busy", Result.REFUSED_FOR_NOW),
        ("RCPT", "550 nobody", Result.REFUSED),
        ("RCPT", "421 going down", Result.REFUSED_FOR_NOW),
        ("RCPT", None, Result.REFUSED_FOR_NOW),
        ("DATA", "451 later", Result.REFUSED_FOR_NOW),
        ("DATA", "554 no", Result.REFUSED),
        ("data", "451 later", Result.REFUSED_FOR_NOW),
        ("data", "552 too large", Result.REFUSED),
        ("data", None, Result.UNKNOWN),
        ("data", "no number", Result.UNKNOWN),
        ("data", "354 again", Result.UNKNOWN),
        ("data", "", Result.UNKNOWN),  # silence
        ("RCPT", "", Result.REFUSED_FOR_NOW),  # silence
    ],
)
async def test_answer_says_what_becomes_of_the_mail(
    scripted: ScriptedServer, word: str, answer: str | None, result: Result
) -> None:
    mailer = _mailer(scripted, smtp_timeout_s=0.3)
    scripted.script[word] = answer

    attempt = await _send(mailer)

    assert attempt.result is result
    assert (answer or "") in attempt.reason or result is Result.UNKNOWN
    scripted.script.clear()
    assert await _send(mailer) == Attempt(Result.ACCEPTED)
    await mailer.close()


@pytest.mark.parametrize(
    ("word", "answer", "words"),
    [
        ("greeting", "554 not you", "554 not you"),
        ("greeting", "421 too many", "421 too many"),
        ("greeting", None, "127.0.0.1"),
        ("greeting", "", "Timed out"),
        ("MAIL", "553 not yours", "MASKWATCH_SENDER: 553 not yours"),
        ("MAIL", "530 log in first", "MASKWATCH_SMTP_USERNAME"),
        ("RCPT", "530 log in first", "MASKWATCH_SMTP_USERNAME"),
    ],
)
async def test_what_is_no_property_of_the_mail_makes_the_server_unavailable(
    scripted: ScriptedServer, word: str, answer: str | None, words: str
) -> None:
    mailer = _mailer(scripted, smtp_timeout_s=0.3)
    scripted.script[word] = answer

    with pytest.raises(Unavailable, match=words):
        await _send(mailer)

    assert not scripted.mails
    await mailer.close()


async def test_server_that_is_away_is_unavailable(unused_tcp_port: int) -> None:
    server = ScriptedServer()
    server.port = unused_tcp_port

    with pytest.raises(Unavailable, match=f"127.0.0.1:{unused_tcp_port}"):
        await _mailer(server).verify()


async def test_mail_that_is_no_longer_ours_is_not_sent(scripted: ScriptedServer) -> None:
    mailer = _mailer(scripted)

    async def no() -> bool:
        return False

    with pytest.raises(Withdrawn):
        await mailer.send(_MAIL, before_data=no)

    assert not scripted.mails
    assert scripted.commands[-1] == "RSET"
    assert await _send(mailer) == Attempt(Result.ACCEPTED)
    assert len(scripted.connections) == 1
    await mailer.close()


async def test_ledger_that_is_away_keeps_the_mail_back(scripted: ScriptedServer) -> None:
    mailer = _mailer(scripted)

    async def away() -> bool:
        raise Unavailable("postgres", "the test took it away")

    with pytest.raises(Unavailable, match="postgres"):
        await mailer.send(_MAIL, before_data=away)

    assert not scripted.mails
    await mailer.close()


def test_ca_file_that_cannot_be_read_is_named() -> None:
    server = ScriptedServer()

    with pytest.raises(Misconfigured, match="MASKWATCH_SMTP_CA_FILE"):
        _mailer(server, smtp_tls="tls", smtp_ca_file="/nowhere/ca.pem")
