import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from maskwatch_runtime import lifecycle
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.retry import Backoff
from notifier import check
from notifier.channel import Channel, Outgoing
from notifier.connection import Mail, NoMailTaken
from notifier.mailer import Mailer
from notifier.metrics import Metrics
from notifier.retries import Attempt, Result
from notifier.settings import CheckSettings, MailSettings
from prometheus_client import CollectorRegistry

from tests.integration.notifier.archive import Archive
from tests.integration.notifier.replicas import Replicas
from tests.integration.notifier.scripted_server import ScriptedServer

_MAIL = Mail(
    "alerts@maskwatch.example", "ann@example.org", "<1@x>", b"Subject: hi\r\n\r\nhello\r\n"
)
_SENT = Attempt(Result.ACCEPTED)


@pytest.fixture
async def fallback() -> AsyncIterator[ScriptedServer]:
    script = ScriptedServer()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    yield script
    server.close()
    script.drop_all()
    await server.wait_closed()


def _settings(scripted: ScriptedServer, fallback: ScriptedServer) -> dict[str, Any]:
    return {
        "smtp_port": scripted.port,
        "smtp_tls": "none",
        "smtp_timeout_s": 0.3,
        "smtp_fallback_host": "127.0.0.1",
        "smtp_fallback_port": fallback.port,
        "smtp_fallback_tls": "none",
    }


class Made:
    """A channel, and what it reports to."""

    def __init__(self, scripted: ScriptedServer, fallback: ScriptedServer) -> None:
        settings = MailSettings(
            recipients="ann@example.org",
            sender="alerts@maskwatch.example",
            smtp_host="127.0.0.1",
            **_settings(scripted, fallback),
        )
        clock, registry = SystemClock(), CollectorRegistry()
        self.health, self._registry = Health(clock), registry
        self.channel = Channel(
            [Mailer(server, clock, connections=2) for server in settings.smtp_servers],
            health=self.health,
            metrics=Metrics(registry),
            backoff=Backoff(cap_s=0.05),
        )

    @property
    def is_on_fallback(self) -> bool:
        degraded = "smtp" in self.health.degradations()
        assert self._registry.get_sample_value("notifier_smtp_fallback") == degraded
        return degraded

    async def send(self, *, attempts: int = 0) -> Attempt:
        return await self.channel.send(Outgoing(_MAIL, attempts), before_data=_yes)

    async def until_back(self) -> None:
        """Have the first server looked after until mails leave by it again."""
        stop = asyncio.Event()
        watching = asyncio.create_task(self.channel.watch(stop))
        async with asyncio.timeout(10):
            while self.is_on_fallback:
                await asyncio.sleep(0.01)
        stop.set()
        await watching


async def _yes() -> bool:
    return True


@pytest.fixture
async def made(scripted: ScriptedServer, fallback: ScriptedServer) -> AsyncIterator[Made]:
    one = Made(scripted, fallback)
    yield one
    await one.channel.close()


async def test_mails_leave_by_the_first_server_while_it_is_there(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    await made.channel.verify()

    assert await made.send() == _SENT

    assert (len(scripted.mails), len(fallback.mails)) == (1, 0)
    assert not made.is_on_fallback


@pytest.mark.parametrize(
    ("word", "answer"),
    [("greeting", "421 not now"), ("greeting", ""), ("greeting", None), ("MAIL", "553 not yours")],
)
async def test_mails_leave_by_the_fallback_while_the_first_is_away(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer, word: str, answer: str | None
) -> None:
    scripted.script[word] = answer

    await made.channel.verify()
    assert [await made.send() for _ in range(3)] == [_SENT] * 3

    assert (len(scripted.mails), len(fallback.mails)) == (0, 3)
    assert made.is_on_fallback
    assert "by the fallback: " in made.health.degradations()["smtp"]


async def test_mails_leave_by_the_first_again_once_it_is_back(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    scripted.script["greeting"] = "421 not now"
    await made.send()
    scripted.script.clear()

    await made.until_back()

    assert await made.send() == _SENT
    assert (len(scripted.mails), len(fallback.mails)) == (1, 1)


async def test_server_that_refuses_the_sender_is_back_only_with_a_mail_that_it_takes(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    scripted.script["MAIL"] = "553 not yours"
    await made.send()
    scripted.once["MAIL"] = "553 not yours"
    scripted.script.clear()
    stop = asyncio.Event()
    watching = asyncio.create_task(made.channel.watch(stop))
    async with asyncio.timeout(10):
        while not scripted.mails:
            assert made.is_on_fallback
            assert await made.send() == _SENT
            await asyncio.sleep(0.01)
    stop.set()
    await watching

    assert not made.is_on_fallback
    assert fallback.mails


async def test_what_the_first_refuses_for_now_is_tried_at_the_fallback_next(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    scripted.script["RCPT"] = "450 busy"

    assert (await made.send()).result is Result.REFUSED_FOR_NOW
    assert await made.send(attempts=1) == _SENT

    assert (len(scripted.mails), len(fallback.mails)) == (0, 1)
    assert not made.is_on_fallback


async def test_second_try_goes_to_the_first_when_the_fallback_is_away(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    fallback.script["greeting"] = "421 not now"

    assert await made.send(attempts=1) == _SENT

    assert len(scripted.mails) == 1


async def test_reason_names_both_when_both_are_away(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    scripted.script["greeting"] = "421 not now"
    fallback.script["greeting"] = "554 not you"

    with pytest.raises(Unavailable, match=r"421 not now; fallback: .*554 not you"):
        await made.channel.verify()
    with pytest.raises(Unavailable, match=r"421 not now; fallback: .*554 not you"):
        await made.send()


async def test_fallback_that_takes_no_mail_of_ours_is_told_from_one_that_is_away(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    scripted.script["greeting"] = "421 not now"
    fallback.script["MAIL"] = "553 not yours"

    with pytest.raises(NoMailTaken, match="fallback: refuses MASKWATCH_SENDER"):
        await made.send()


@pytest.mark.parametrize("attempts", [0, 1])
async def test_ledger_that_is_away_is_no_reason_for_the_fallback(
    made: Made, scripted: ScriptedServer, fallback: ScriptedServer, attempts: int
) -> None:
    async def away() -> bool:
        raise Unavailable("postgres", "the test took it away")

    with pytest.raises(Unavailable, match="postgres"):
        await made.channel.send(Outgoing(_MAIL, attempts), before_data=away)

    assert (scripted.mails, fallback.mails) == ([], [])
    assert not made.is_on_fallback


async def test_look_at_a_silent_server_is_cut_short_at_the_end(
    made: Made, scripted: ScriptedServer
) -> None:
    scripted.script["greeting"] = ""
    await made.send()
    stop = asyncio.Event()
    watching = asyncio.create_task(made.channel.watch(stop))
    connections = len(scripted.connections)
    async with asyncio.timeout(10):
        while len(scripted.connections) == connections:
            await asyncio.sleep(0.01)

    stop.set()
    async with asyncio.timeout(5):
        await watching


async def test_notifier_with_a_fallback_is_ready_and_says_that_it_is_degraded(
    archive: Archive, replicas: Replicas, scripted: ScriptedServer, fallback: ScriptedServer
) -> None:
    scripted.script["greeting"] = "421 not now"
    replica = replicas.start(**_settings(scripted, fallback))

    await replica.ask(await archive.add())

    await archive.wait_for_state("sent")
    assert not replica.health.not_ready()
    assert "421 not now" in replica.health.degradations()["smtp"]
    assert (replica.metric("notifier_smtp_up"), replica.metric("notifier_smtp_fallback")) == (1, 1)


async def test_test_mail_goes_by_both_servers(
    scripted: ScriptedServer, fallback: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fallback.script["MAIL"] = "553 not yours"
    settings = CheckSettings(
        recipients="ann@example.org",
        sender="alerts@maskwatch.example",
        smtp_host="127.0.0.1",
        **_settings(scripted, fallback),
    )

    assert await check.send(settings) == lifecycle.EX_TEMPFAIL

    first, second = capsys.readouterr().out.splitlines()
    assert first == f"ann@example.org by 127.0.0.1:{scripted.port}: accepted"
    assert f"by 127.0.0.1:{fallback.port}: refused_for_now" in second
    assert "553 not yours" in second
