import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from devstack.inbox.client import InboxClient
from tests.integration.notifier.conftest import PICTURE, Archive, Replicas

_ALL = ",".join(f"{name}@example.org" for name in ("ann", "bob", "cat", "dan", "eve+550"))


async def parsed(mails: InboxClient, number: int) -> EmailMessage:
    raw = await mails.raw(number)
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


async def test_alert_becomes_a_mail_with_its_picture(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    replica = replicas.start()

    await replica.ask(alert_id)

    await archive.wait_for_state("sent")
    (one,) = await mails.messages()
    message = await parsed(mails, one.id)
    pictures = [part for part in message.walk() if part.get_content_type() == "image/jpeg"]
    assert one.rcpt_to == ("ann@example.org",)
    assert one.message_id.startswith(f"<{await archive.event_id(alert_id)}.")
    assert [part.get_content() for part in pictures] == [PICTURE]
    assert await archive.is_told(alert_id)
    assert (await archive.delivery(alert_id))["attempts"] == 1


async def test_each_administrator_has_a_delivery_of_their_own(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    replica = replicas.start(recipients=_ALL)

    await replica.ask(alert_id)

    await archive.wait_for_state("sent", 4)
    await archive.wait_for_state("bounced")
    bounced = await archive.delivery(alert_id, "eve+550@example.org")
    assert sorted((await mails.summary()).by_recipient.values()) == [1, 1, 1, 1]
    assert bounced["reason"].startswith("550 5.1.1")
    assert bounced["next_try_at"] is None


async def test_repeated_request_mails_nobody_twice(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    ids = [await archive.add() for _ in range(5)]
    first, second = replicas.start(), replicas.start()

    await asyncio.gather(first.ask(*ids), second.ask(*reversed(ids)), first.ask(*ids))
    await archive.wait_for_state("sent", 5)
    await second.ask(*ids)

    assert await archive.states() == {"sent": 5}
    assert (await mails.summary()).total == 5
    assert first.metric("notifier_alerts_total", verdict="mailed") + second.metric(
        "notifier_alerts_total", verdict="mailed"
    ) == 5


@pytest.mark.parametrize("marker", ["450x2", "data451x2", "dropx1"])
async def test_what_is_refused_for_now_is_sent_later(
    archive: Archive, replicas: Replicas, mails: InboxClient, marker: str
) -> None:
    alert_id = await archive.add()
    replica = replicas.start(recipients=f"ann+{marker}@example.org")

    await replica.ask(alert_id)

    await archive.wait_for_state("sent")
    delivery = await archive.delivery(alert_id)
    assert (await mails.summary()).total == 1
    assert delivery["attempts"] == int(marker[-1]) + 1
    assert delivery["unknowns"] == (1 if marker == "dropx1" else 0)
