import asyncio

import pytest
from devstack.inbox import Faults
from devstack.inbox.client import InboxClient

from tests.integration.notifier.archive import Archive
from tests.integration.notifier.replicas import Replicas


async def _end_cooldown(archive: Archive) -> None:
    await archive.connection.execute(
        "UPDATE camera_cooldown SET last_sent_at = last_sent_at - interval '10 minutes'"
    )


async def test_alerts_in_the_cooldown_are_named_in_the_next_mail(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(cooldown_minutes=10)
    await replica.ask(await archive.add())
    await archive.wait_for_state("sent")
    await replica.ask(*[await archive.add() for _ in range(3)])
    elsewhere = await archive.add(camera="Gate 4")
    await replica.ask(elsewhere)
    await archive.wait_for_state("sent", 2)
    await _end_cooldown(archive)

    await replica.ask(await archive.add())

    await archive.wait_for_state("sent", 3)
    newest, other, oldest = await mails.messages()
    assert "3 further alerts of this camera since" in (await mails.message(newest.id)).text
    assert "further" not in (await mails.message(other.id)).text
    assert "further" not in (await mails.message(oldest.id)).text
    assert await archive.states() == {"sent": 3, "suppressed": 3}


async def test_restart_in_the_cooldown_mails_nobody(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    first = replicas.start(cooldown_minutes=10)
    told = await archive.add()
    await first.ask(told)
    await archive.wait_for_state("sent")
    await first.end()

    second = replicas.start(cooldown_minutes=10)
    await second.ask(told, await archive.add())
    await archive.wait_for_state("suppressed")

    assert await archive.states() == {"sent": 1, "suppressed": 1}
    assert (await mails.summary()).total == 1


async def test_replicas_that_race_send_one_mail_per_camera(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    cameras = [f"Gate {number}" for number in range(4)]
    ids = [await archive.add(camera=camera) for camera in cameras for _ in range(10)]
    both = [replicas.start(cooldown_minutes=10) for _ in range(2)]

    await asyncio.gather(*(replica.ask(*ids[number::5]) for number in range(5) for replica in both))

    await archive.wait_for_state("sent", 4)
    suppressed = await archive.connection.fetch("SELECT suppressed FROM camera_cooldown")
    assert await archive.states() == {"sent": 4, "suppressed": 36}
    assert [row["suppressed"] for row in suppressed] == [9, 9, 9, 9]
    assert (await mails.summary()).total == 4


async def test_camera_whose_mail_bounced_everywhere_is_not_quiet(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    refused = replicas.start(
        cooldown_minutes=10, recipients="ann+550@example.org,bob+550@example.org"
    )
    await refused.ask(await archive.add())
    await archive.wait_for_state("bounced", 2)
    await refused.end()

    replica = replicas.start(cooldown_minutes=10)
    await replica.ask(await archive.add())

    await archive.wait_for_state("sent")
    (mail,) = await mails.messages()
    assert "1 further alert of this camera since" in (await mails.message(mail.id)).text


@pytest.mark.parametrize("cooldown_minutes", [0, 10])
async def test_alerts_that_reached_nobody_after_a_newer_one_are_named_too(
    archive: Archive, replicas: Replicas, mails: InboxClient, cooldown_minutes: int
) -> None:
    await mails.set_faults(Faults(data_reply="451 later"))
    replica = replicas.start(cooldown_minutes=cooldown_minutes)
    for _ in range(3):
        await replica.ask(await archive.add())
        # Its mail has been on its way for too long: the camera is quiet no more.
        await archive.connection.execute("UPDATE camera_cooldown SET open_until = now()")
    await archive.connection.execute("UPDATE delivery SET deadline = now()")
    await archive.wait_for_state("expired", 3)
    await mails.set_faults(Faults())

    await replica.ask(await archive.add())

    await archive.wait_for_state("sent")
    (mail,) = await mails.messages()
    assert "3 further alerts of this camera since" in (await mails.message(mail.id)).text


async def test_one_who_was_told_is_enough_for_the_cooldown(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(cooldown_minutes=10, recipients="ann+550@example.org,bob@example.org")
    await replica.ask(await archive.add())
    await archive.wait_for_state("bounced")
    await archive.wait_for_state("sent")

    await replica.ask(await archive.add())

    assert await archive.states() == {"bounced": 1, "sent": 1, "suppressed": 2}
    assert (await mails.summary()).total == 1


async def test_clock_of_the_database_set_back_silences_for_one_cooldown_at_most(
    archive: Archive, replicas: Replicas
) -> None:
    replica = replicas.start(cooldown_minutes=10)
    await replica.ask(await archive.add())
    await archive.wait_for_state("sent")
    await archive.connection.execute(
        "UPDATE camera_cooldown SET last_sent_at = last_sent_at + interval '14 days'"
    )

    await replica.ask(await archive.add())
    await _end_cooldown(archive)
    await replica.ask(await archive.add())

    await archive.wait_for_state("sent", 2)
    assert await archive.states() == {"sent": 2, "suppressed": 1}
