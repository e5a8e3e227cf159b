import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from devstack.inbox.client import InboxClient

from tests.integration.notifier.archive import PICTURE, Archive
from tests.integration.notifier.replicas import Replicas, record

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
    assert (
        first.metric("notifier_alerts_total", verdict="mailed")
        + second.metric("notifier_alerts_total", verdict="mailed")
        == 5
    )


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


async def test_lost_answer_is_repeated_once_under_the_same_id(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    replica = replicas.start(recipients="ann+lostx1@example.org")

    await replica.ask(alert_id)

    await archive.wait_for_state("sent")
    first, second = await mails.messages()
    assert await mails.raw(first.id) == await mails.raw(second.id)
    assert (await archive.delivery(alert_id))["unknowns"] == 1


@pytest.mark.parametrize("repeats", [0, 1])
async def test_answer_that_stays_lost_ends_as_unknown(
    archive: Archive, replicas: Replicas, mails: InboxClient, repeats: int
) -> None:
    alert_id = await archive.add()
    replica = replicas.start(
        recipients="ann+lost@example.org", unknown_repeats=repeats, cooldown_minutes=10
    )

    await replica.ask(alert_id)

    async with asyncio.timeout(30):
        while (await archive.delivery(alert_id))["attempts"] <= repeats:
            await asyncio.sleep(0.02)
    delivery = await archive.delivery(alert_id)
    assert (delivery["state"], delivery["next_try_at"]) == ("unknown", None)
    assert (await mails.summary()).total == repeats + 1
    assert not await archive.is_told(alert_id)
    # It has probably arrived: the camera is quiet.
    assert await archive.connection.fetchval("SELECT last_sent_at FROM camera_cooldown")


async def test_refusals_past_the_deadline_end_the_delivery(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    replica = replicas.start(recipients="ann+450@example.org", delivery_deadline_s=3)

    await replica.ask(alert_id)

    await archive.wait_for_state("expired")
    delivery = await archive.delivery(alert_id)
    assert delivery["reason"].startswith("past its deadline; last: 450 4.2.1")
    assert delivery["attempts"] > 2
    assert (await mails.summary()).total == 0


async def test_alert_that_left_the_archive_is_not_mailed(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id, other = await archive.add(), await archive.add()
    replica = replicas.make()
    await replica.ask(alert_id, other)
    await archive.connection.execute("DELETE FROM alert WHERE id = $1", alert_id)

    replica.start()

    await archive.wait_for_state("sent")
    await archive.wait_for_state("withdrawn")
    assert (await mails.summary()).total == 1


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (None, "kept no picture"),
        (b"", "kept no picture"),
        (PICTURE * 10, "too large for a mail"),
        (b"torn", "cannot be read"),
    ],
)
async def test_mail_goes_without_a_picture_that_cannot_be_had(
    archive: Archive, replicas: Replicas, mails: InboxClient, picture: bytes | None, words: str
) -> None:
    alert_id = await archive.add(picture=picture)
    replica = replicas.start(picture_bytes_max=len(PICTURE))

    await replica.ask(alert_id)

    await archive.wait_for_state("sent")
    (one,) = await mails.messages()
    assert words in (await mails.message(one.id)).text


async def test_alert_of_an_original_program_is_mailed_with_what_is_known(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add(
        camera="", label=None, probability=0.0, longitude=0.0, latitude=0.0
    )
    replica = replicas.start()

    await replica.ask(alert_id)

    await archive.wait_for_state("sent")
    (one,) = await mails.messages()
    text = (await mails.message(one.id)).text
    assert one.subject.startswith("No mask: raspberry pi 4, ")
    assert "Certainty" not in text
    assert "Where" not in text


async def test_mail_of_a_deleted_picture_waits_for_it_and_leaves_without_it(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    await archive.connection.execute("DELETE FROM image")
    replica = replicas.start(picture_wait_s=0.5)

    await replica.ask(alert_id)

    await archive.wait_for_state("sent")
    delivery = await archive.delivery(alert_id)
    assert delivery["attempts"] == 1
    assert (delivery["sent_at"] - delivery["created_at"]).total_seconds() >= 0.5
    (mail,) = await mails.messages()
    assert "Its picture was not in the archive when" in (await mails.message(mail.id)).text


async def test_picture_that_comes_late_is_in_its_mail(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    await archive.connection.execute("CREATE TABLE aside AS SELECT * FROM image")
    await archive.connection.execute("DELETE FROM image")
    replica = replicas.start(picture_wait_s=60)
    await replica.ask(alert_id)
    async with asyncio.timeout(30):
        while "picture" not in (await archive.delivery(alert_id))["reason"]:
            await asyncio.sleep(0.02)

    await archive.connection.execute("INSERT INTO image SELECT * FROM aside")

    await archive.wait_for_state("sent")
    (mail,) = await mails.messages()
    pictures = [one for one in (await mails.message(mail.id)).parts if one.content_id]
    assert len(pictures) == 1
    assert (await archive.delivery(alert_id))["attempts"] == 1


async def test_requests_that_nobody_can_act_on_are_rejected(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    alert_id = await archive.add()
    replica = replicas.start()
    values = [b"", b"1234567", (2**64 - 1).to_bytes(8, "little"), (10**9).to_bytes(8, "little")]
    good = alert_id.to_bytes(8, "little") + b"what follows is ignored"

    rejected = await replica.handler.handle([record(value) for value in [*values, good]])

    await archive.wait_for_state("sent")
    assert [(one.record.value, one.field) for one in rejected] == [
        (values[0], "message"),
        (values[1], "message"),
        (values[2], "alert_id"),
        (values[3], "alert_id"),
    ]
    assert (await mails.summary()).total == 1
    assert not await replica.handler.handle([])
