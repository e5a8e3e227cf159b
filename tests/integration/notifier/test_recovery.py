import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from devstack.inbox import Faults, Inbox, InboxOptions, Login, Tls
from devstack.inbox.client import InboxClient
from devstack.postgres import Postgres
from maskwatch_runtime.errors import Unavailable

from tests.integration.notifier.archive import Archive
from tests.integration.notifier.replicas import Replica, Replicas
from tests.integration.notifier.scripted_server import ScriptedServer
from tests.integration.notifier.services import Services, ask

_SLOW = Faults(delay_s=1.0)


async def _end_leases(archive: Archive) -> None:
    await archive.connection.execute(
        "UPDATE delivery SET next_try_at = now(), sending_until = now()"
        " WHERE state IN ('claimed', 'sending')"
    )


async def _wait_until_down(replica: Replica) -> str:
    async with asyncio.timeout(30):
        while replica.health.not_ready().get("smtp", "not connected yet") == "not connected yet":
            await asyncio.sleep(0.02)
    assert not replica.health.not_live()
    return replica.health.not_ready()["smtp"]


async def test_what_a_killed_process_had_only_claimed_is_sent_once(
    archive: Archive, services: Services, requests: AIOKafkaProducer, mails: InboxClient
) -> None:
    ids = [await archive.add() for _ in range(8)]
    await mails.set_faults(Faults(delay_s=5))
    killed = services.start(SMTP_CONNECTIONS="1", SMTP_TIMEOUT_S="30")
    await ask(requests, *ids)
    await archive.wait_for_state("sending")
    await archive.wait_for_state("claimed", 3)

    killed.kill()
    await mails.set_faults(Faults())
    services.make().begin()
    await archive.wait_for_state("sent", 7)  # once the lease of ten seconds is over

    assert await archive.states() == {"sending": 1, "sent": 7}
    received = [mail.message_id for mail in await mails.messages()]
    assert len(set(received)) == len(received)


async def test_what_a_killed_process_was_sending_is_unknown_and_repeated_once(
    archive: Archive, services: Services, requests: AIOKafkaProducer, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    await mails.set_faults(Faults(delay_s=1))
    killed = services.start()
    await ask(requests, alert_id)
    await archive.wait_for_state("sending")

    killed.kill()
    await mails.set_faults(Faults())
    await _end_leases(archive)
    services.make().begin()
    await archive.wait_for_state("sent")

    delivery = await archive.delivery(alert_id)
    received = await mails.messages()
    assert delivery["unknowns"] == 1
    assert {mail.message_id for mail in received} == {delivery["message_id"]}
    assert 1 <= len(received) <= 2


async def test_claim_that_another_replica_took_is_not_sent(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    ids = [await archive.add() for _ in range(3)]
    await mails.set_faults(_SLOW)
    replica = replicas.start(smtp_connections=1)
    await replica.ask(*ids)
    await archive.wait_for_state("sending")
    await archive.wait_for_state("claimed", 2)

    await archive.connection.execute(
        "UPDATE delivery SET owner = gen_random_uuid(), next_try_at = now() + interval '1 hour'"
        " WHERE state = 'claimed'"
    )
    await mails.set_faults(Faults())
    await archive.wait_for_state("sent")
    await replica.end()

    assert await archive.states() == {"sent": 1, "claimed": 2}
    assert (await mails.summary()).total == 1


async def test_orderly_end_finishes_the_mail_in_hand_and_gives_back_the_rest(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    ids = [await archive.add() for _ in range(5)]
    await mails.set_faults(_SLOW)
    replica = replicas.start(smtp_connections=1)
    await replica.ask(*ids)
    await archive.wait_for_state("sending")

    await replica.end()

    assert await archive.states() == {"sent": 1, "pending": 4}
    await mails.set_faults(Faults())
    replicas.start()
    await archive.wait_for_state("sent", 5)
    assert (await mails.summary()).total == 5


async def test_database_that_goes_away_loses_nothing(
    archive: Archive, replicas: Replicas, mails: InboxClient, postgres_server: Postgres
) -> None:
    ids = [await archive.add() for _ in range(20)]
    replica = replicas.start()
    await mails.set_faults(Faults(delay_s=0.1))
    await replica.ask(*ids)
    await archive.wait_for_state("sent")
    await archive.connection.close()

    postgres_server.stop()
    with pytest.raises(Unavailable, match="postgres"):
        await replica.ask(*ids)
    async with asyncio.timeout(30):
        while "postgres" not in replica.health.not_ready():
            await asyncio.sleep(0.05)
    assert not replica.health.not_live()
    postgres_server.start()

    summary = await mails.wait_for(20, timeout_s=60)
    async with asyncio.timeout(30):
        while "postgres" in replica.health.not_ready():
            await asyncio.sleep(0.05)
    assert summary.total == 20
    assert len({mail.message_id for mail in await mails.messages()}) == 20


@pytest.fixture
def own_inbox(tmp_path: Path) -> Iterator[Inbox]:
    inbox = Inbox(tmp_path)
    yield inbox
    inbox.stop()


async def test_server_that_is_away_is_waited_for(
    archive: Archive, replicas: Replicas, own_inbox: Inbox
) -> None:
    replica = replicas.start(smtp_port=own_inbox.smtp_port)
    await replica.ask(await archive.add())
    await _wait_until_down(replica)
    assert replica.metric("notifier_smtp_up") == 0

    own_inbox.start()
    await archive.wait_for_state("sent")
    assert not replica.health.not_ready()
    assert replica.metric("notifier_smtp_up") == 1

    own_inbox.kill()
    alert_id = await archive.add()
    await replica.ask(alert_id)
    await _wait_until_down(replica)
    own_inbox.start()
    await archive.wait_for_state("sent", 2)
    assert (await archive.delivery(alert_id))["unknowns"] == 0


async def _serve(folder: Path, options: InboxOptions) -> Inbox:
    inbox = Inbox(folder, options=options)
    await asyncio.to_thread(inbox.start)
    return inbox


async def test_wrong_password_marks_the_channel_down_and_loses_nothing(
    archive: Archive, replicas: Replicas, tmp_path: Path
) -> None:
    login = Login(username="maskwatch", password="right")
    inbox = await _serve(tmp_path, InboxOptions(login=login))
    port, name = inbox.smtp_port, login.username
    wrong = replicas.start(smtp_port=port, smtp_username=name, smtp_password="wrong")
    alert_id = await archive.add()
    await wrong.ask(alert_id)

    reason = await _wait_until_down(wrong)

    assert "MASKWATCH_SMTP_USERNAME or _PASSWORD: 535" in reason
    assert "wrong" not in reason
    assert (await archive.delivery(alert_id))["attempts"] == 0
    await wrong.end()
    replicas.start(smtp_port=port, smtp_username=name, smtp_password="right")
    await archive.wait_for_state("sent")
    inbox.stop()


async def test_sender_that_is_refused_marks_the_channel_down_until_it_is_not(
    archive: Archive, replicas: Replicas, scripted: ScriptedServer
) -> None:
    scripted.script["MAIL"] = "553 not yours"
    replica = replicas.start(smtp_port=scripted.port)
    await replica.ask(*[await archive.add() for _ in range(20)])

    reason = await _wait_until_down(replica)

    assert reason == "refuses MASKWATCH_SENDER: 553 not yours"
    scripted.script.clear()
    await archive.wait_for_state("sent", 20)
    assert not replica.health.not_ready()


async def test_server_that_takes_few_connections_is_used_with_those(
    archive: Archive, replicas: Replicas, scripted: ScriptedServer
) -> None:
    replica = replicas.start(smtp_port=scripted.port)
    async with asyncio.timeout(30):
        while replica.health.not_ready():
            await asyncio.sleep(0.01)
    scripted.script["greeting"] = "421 too many connections"

    await replica.ask(*[await archive.add() for _ in range(20)])

    await archive.wait_for_state("sent", 20)
    assert len(scripted.mails) == 20
    assert not replica.health.not_ready()


async def test_server_that_asks_for_a_login_marks_the_channel_down(
    archive: Archive, replicas: Replicas, tmp_path: Path
) -> None:
    login = Login(username="maskwatch", password="right")
    inbox = await _serve(tmp_path, InboxOptions(login=login))
    replica = replicas.start(smtp_port=inbox.smtp_port)
    alert_id = await archive.add()
    await replica.ask(alert_id)

    assert "MASKWATCH_SMTP_USERNAME" in await _wait_until_down(replica)

    await replica.end()
    delivery = await archive.delivery(alert_id)
    assert (delivery["state"], delivery["attempts"]) == ("pending", 0)
    inbox.stop()


@pytest.mark.parametrize("mode", ["required", "implicit"])
async def test_mail_goes_over_tls(
    archive: Archive, replicas: Replicas, tmp_path: Path, certificate: Tls, mode: str
) -> None:
    tls = Tls(certificate=certificate.certificate, key=certificate.key, mode=mode)
    inbox = await _serve(tmp_path, InboxOptions(tls=tls))
    replica = replicas.start(
        smtp_port=inbox.smtp_port,
        smtp_tls="tls" if mode == "implicit" else "starttls",
        smtp_ca_file=certificate.certificate,
    )

    await replica.ask(await archive.add())

    await archive.wait_for_state("sent")
    inbox.stop()


async def test_certificate_of_a_stranger_is_not_trusted(
    archive: Archive, replicas: Replicas, tmp_path: Path, certificate: Tls
) -> None:
    inbox = await _serve(tmp_path, InboxOptions(tls=certificate))
    replica = replicas.start(smtp_port=inbox.smtp_port, smtp_tls="starttls")
    await replica.ask(await archive.add())

    reason = await _wait_until_down(replica)

    assert "MASKWATCH_SMTP_CA_FILE does not hold" in reason
    inbox.stop()


async def test_server_without_starttls_marks_the_channel_down(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(smtp_tls="starttls")
    await replica.ask(await archive.add())

    reason = await _wait_until_down(replica)

    assert "does not fit MASKWATCH_SMTP_TLS=starttls" in reason
    assert (await mails.summary()).total == 0


async def test_server_that_falls_silent_does_not_hold_up_the_end(
    archive: Archive, replicas: Replicas, mails: InboxClient, scripted: ScriptedServer
) -> None:
    scripted.script["RCPT"] = ""
    replica = replicas.start(smtp_port=scripted.port, smtp_timeout_s=300, shutdown_s=0.4)
    alert_id = await archive.add()
    await replica.ask(alert_id)
    async with asyncio.timeout(30):
        while not any(command.startswith("RCPT") for command in scripted.commands):
            await asyncio.sleep(0.01)

    await replica.end()

    await _end_leases(archive)
    replicas.start()
    await archive.wait_for_state("sent")
    assert (await mails.summary()).total == 1
