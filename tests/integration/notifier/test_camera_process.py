import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from devstack.inbox import Faults
from devstack.inbox.client import InboxClient
from maskwatch_proto.device_event import CameraState
from maskwatch_runtime.kafka import topics

from tests.integration.notifier.archive import Archive
from tests.integration.notifier.services import Services, ask_cameras

_DOWN, _UP = CameraState.DOWN, CameraState.UP


async def test_request_becomes_a_mail_and_what_is_unreadable_a_dead_letter(
    archive: Archive,
    services: Services,
    requests: AIOKafkaProducer,
    mails: InboxClient,
    kafka: str,
) -> None:
    service = services.start()
    await ask_cameras(requests, await archive.change(_DOWN))
    await requests.send_and_wait(topics.NOTIFY_EVENT, b"short")
    await ask_cameras(requests, await archive.change(_DOWN, camera="Gate 4"))

    async with AIOKafkaConsumer(
        topics.NOTIFY_EVENT_DEAD_LETTERS, bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(30):
            letter = await consumer.getone()
    await archive.wait_for_state("sent")
    async with asyncio.timeout(30):
        while await archive.connection.fetchval("SELECT count(*) FROM camera_notice") < 2:
            await asyncio.sleep(0.05)

    assert letter.value == b"short"
    assert service.is_ready()
    assert service.stop() == 0
    assert (await mails.summary()).total == (await archive.states())["sent"]


async def test_kill_while_sending_is_unknown_and_repeated_once(
    archive: Archive, services: Services, requests: AIOKafkaProducer, mails: InboxClient
) -> None:
    await mails.set_faults(Faults(delay_s=1))
    killed = services.start()
    await ask_cameras(requests, await archive.change(_DOWN))
    await archive.wait_for_state("sending")

    killed.kill()
    # What happens meanwhile is no part of the mail that may have arrived.
    back = await archive.change(_UP)
    await mails.set_faults(Faults())
    await archive.connection.execute(
        "UPDATE delivery SET next_try_at = now(), sending_until = now()"
    )
    services.make().begin()
    await archive.wait_for_state("sent")
    await ask_cameras(requests, back)
    await archive.wait_for_state("sent", 2)

    rows = await archive.connection.fetch("SELECT message_id, unknowns FROM delivery ORDER BY id")
    ids = [one.message_id for one in await mails.messages()]
    assert [row["unknowns"] for row in rows] == [1, 0]
    assert 1 <= ids.count(rows[0]["message_id"]) <= 2
    assert ids.count(rows[1]["message_id"]) == 1
