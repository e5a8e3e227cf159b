import asyncio
import json
import os
import random
import sys

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from devstack.inbox.client import InboxClient
from maskwatch_runtime import lifecycle
from maskwatch_runtime.kafka import topics

from tests.integration.notifier.archive import Archive
from tests.integration.notifier.services import Services, ask

_SEED = 20260504


async def test_request_becomes_a_mail_and_the_service_ends_in_order(
    archive: Archive, services: Services, requests: AIOKafkaProducer, mails: InboxClient
) -> None:
    service = services.start()

    await ask(requests, await archive.add())
    await mails.wait_for(1, timeout_s=30)
    await archive.wait_for_state("sent")

    assert service.is_ready()
    assert service.is_live()
    assert service.metric("notifier_deliveries_total") == 1
    assert service.metric("notifier_delay_seconds_count") == 1
    assert service.stop() == 0
    assert '"action": "stop"' in service.log()


async def test_unreadable_request_goes_to_the_dead_letters_and_its_neighbours_are_mailed(
    archive: Archive,
    services: Services,
    requests: AIOKafkaProducer,
    mails: InboxClient,
    kafka: str,
) -> None:
    service = services.start()
    await ask(requests, await archive.add())
    await requests.send_and_wait(topics.NOTIFY, b"short")
    await requests.send_and_wait(topics.NOTIFY, b"")
    await ask(requests, await archive.add())

    await mails.wait_for(2, timeout_s=30)

    async with AIOKafkaConsumer(
        topics.NOTIFY_DEAD_LETTERS, bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(30):
            letters = [await consumer.getone() for _ in range(2)]
    assert sorted(letter.value for letter in letters) == [b"", b"short"]
    assert {dict(letter.headers)["dlq.field"] for letter in letters} == {b"message"}
    assert service.metric("notifier_dead_letters_total") == 2
    assert service.is_running


async def test_kill_under_load_mails_every_alert_and_nobody_twice_but_for_the_unknown(
    archive: Archive, services: Services, requests: AIOKafkaProducer, mails: InboxClient
) -> None:
    ids = [await archive.add() for _ in range(150)]
    chance = random.Random(_SEED)  # noqa: S311 - not for secrets
    asking = asyncio.create_task(ask(requests, *ids))

    for _ in range(5):
        service = services.make(CONSUMER_GROUP="killed", UNKNOWN_REPEATS="1")
        service.begin()
        received = (await mails.summary()).total
        async with asyncio.timeout(60):
            while (await mails.summary()).total < min(received + 5, len(ids)):
                await asyncio.sleep(0.02)
        await asyncio.sleep(chance.random() / 10)
        service.kill()
    await asking
    services.make(CONSUMER_GROUP="killed", UNKNOWN_REPEATS="1").begin()

    async with asyncio.timeout(120):
        while (await archive.states()).get("sent", 0) < len(ids):
            await asyncio.sleep(0.1)
    unknowns = await archive.connection.fetchval("SELECT sum(unknowns) FROM delivery")
    by_id = [mail.message_id for mail in await mails.messages()]
    assert len(set(by_id)) == len(ids)
    assert len(by_id) <= len(ids) + unknowns
    assert max(by_id.count(message_id) for message_id in set(by_id)) <= 2
    assert await archive.connection.fetchval("SELECT bool_and(notification_sent) FROM alert")


async def _run(command: str, environment: dict[str, str]) -> tuple[int | None, str]:
    """Run a sub-command to its end and return its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "notifier",
        command,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_test_mail_says_what_became_of_each(services: Services, mails: InboxClient) -> None:
    two = services.environment(RECIPIENTS="ann@example.org,bob+550@example.org")

    ended = await _run("test-mail", two)

    (mail,) = await mails.messages()
    assert ended == (
        lifecycle.EX_TEMPFAIL,
        "ann@example.org: accepted\nbob+550@example.org: refused 550 5.1.1 No such user here\n",
    )
    assert "This is a test mail." in (await mails.message(mail.id)).text


async def test_test_mail_says_why_the_server_cannot_be_reached(services: Services) -> None:
    status, output = await _run("test-mail", services.environment(SMTP_PORT="9"))

    assert status == lifecycle.EX_TEMPFAIL
    assert "smtp is unavailable: 127.0.0.1:9" in output


async def test_senseless_setting_ends_the_process_with_its_name(services: Services) -> None:
    for command in ("run", "test-mail"):
        status, output = await _run(command, services.environment(RECIPIENTS="nobody"))

        assert status == lifecycle.EX_CONFIG
        assert "MASKWATCH_RECIPIENTS" in json.loads(output)["reason"]


async def test_service_without_anything_to_talk_to_is_live_and_not_ready(
    services: Services,
) -> None:
    service = services.make(
        KAFKA_BOOTSTRAP="127.0.0.1:9", POSTGRES_PORT="9", SMTP_PORT="9", KAFKA_TIMEOUT_S="1"
    )
    service.begin()
    async with asyncio.timeout(30):
        while not service.is_live():
            await asyncio.sleep(0.1)
    async with httpx.AsyncClient() as client:
        async with asyncio.timeout(30):
            while True:
                answer = await client.get(f"{service.admin_url}/health/ready")
                if "9" in answer.json()["missing"].get("smtp", ""):
                    break
                await asyncio.sleep(0.1)

    assert answer.status_code == 503
    assert set(answer.json()["missing"]) >= {"smtp", "kafka"}
    assert service.stop() == 0
