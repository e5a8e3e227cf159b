import asyncio

import pytest
from devstack.inbox import Faults
from devstack.inbox.client import InboxClient
from maskwatch_proto import notification
from maskwatch_proto.device_event import CameraState

from tests.integration.notifier.archive import Archive
from tests.integration.notifier.replicas import Replicas, record

_DOWN, _UP = CameraState.DOWN, CameraState.UP


async def test_camera_that_went_down_becomes_a_mail_to_each_administrator(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(recipients="ann@example.org,bob@example.org")
    event_id = await archive.change(_DOWN)

    await replica.ask_cameras(event_id)

    await archive.wait_for_state("sent", 2)
    received = await mails.messages()
    assert sorted(one.rcpt_to for one in received) == [("ann@example.org",), ("bob@example.org",)]
    assert {one.subject for one in received} == {"Camera down: Gate 3, 12:03:23"}
    text = (await mails.message(received[0].id)).text
    assert "The device says: no frame comes" in text
    assert "nobody is watched there until it is back" in text
    assert replica.metric("notifier_camera_changes_total", verdict="mailed") == 1


async def test_camera_that_came_back_is_told_with_the_time_it_was_away(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start()
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.wait_for_state("sent")

    await replica.ask_cameras(await archive.change(_UP))

    await archive.wait_for_state("sent", 2)
    newest, _ = await mails.messages()
    assert newest.subject == "Camera back: Gate 3, after 1 min 35 s"


async def test_repeated_request_mails_nobody_twice(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    ids = [
        await archive.change(_DOWN, device_id=f"door-{number}", camera="Gate") for number in "1234"
    ]
    first, second = replicas.start(), replicas.start()

    await asyncio.gather(
        first.ask_cameras(*ids), second.ask_cameras(*reversed(ids)), first.ask_cameras(*ids)
    )
    await archive.wait_for_state("sent", 4)
    await second.ask_cameras(*ids)

    assert await archive.states() == {"sent": 4}
    assert (await mails.summary()).total == 4


async def test_device_that_says_down_once_more_is_not_mailed_again(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start()
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.wait_for_state("sent")

    await replica.ask_cameras(await archive.change(_DOWN))

    assert replica.metric("notifier_camera_changes_total", verdict="repeated") == 1
    assert await archive.states() == {"sent": 1}
    assert (await mails.summary()).total == 1


async def test_camera_that_was_never_down_is_not_back(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start()
    for _ in range(2):  # as at each start of a device
        await replica.ask_cameras(await archive.change(_UP))

    assert replica.metric("notifier_camera_changes_total", verdict="repeated") == 2
    assert await archive.states() == {}
    assert (await mails.summary()).total == 0


async def test_cameras_that_go_down_together_are_one_mail(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(camera_group_wait_s=1)
    ids = [await archive.change(_DOWN, camera=f"Gate {number}") for number in range(3)]
    elsewhere = await archive.change(_DOWN, camera="Hall", device_id="hall-1")

    for event_id in (*ids, elsewhere):
        await replica.ask_cameras(event_id)

    await archive.wait_for_state("sent", 2)
    received = {one.subject: one.id for one in await mails.messages()}
    assert set(received) == {"3 cameras down: door-1, 12:03:23", "Camera down: Hall, 12:03:26"}
    text = (await mails.message(received["3 cameras down: door-1, 12:03:23"])).text
    assert all(f"Gate {number}" in text for number in range(3))


async def test_flapping_camera_is_told_in_one_mail_once_its_mails_are_used_up(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(camera_mails_per_hour=2)
    for sent, state in ((1, _DOWN), (2, _UP)):
        await replica.ask_cameras(await archive.change(state))
        await archive.wait_for_state("sent", sent)
    for state in (_DOWN, _UP, _DOWN):
        await replica.ask_cameras(await archive.change(state))
    assert await archive.states() == {"sent": 2, "pending": 1}

    await archive.pass_an_hour()
    replica.sender.wake()

    await archive.wait_for_state("sent", 3)
    newest, *_ = await mails.messages()
    text = (await mails.message(newest.id)).text
    assert newest.subject.startswith("Camera down: Gate 3")
    assert "It changed 3 times since 4 May, 12:03:25." in text


async def test_mail_server_that_was_away_ends_in_one_mail_that_tells_how_things_stand(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    waiting = replicas.make()
    for state in (_DOWN, _UP, _DOWN, _UP):
        await waiting.ask_cameras(await archive.change(state))

    waiting.start()

    await archive.wait_for_state("sent")
    (mail,) = await mails.messages()
    assert mail.subject == "Camera back: Gate 3, after 1 min 35 s"
    assert "It changed 4 times" in (await mails.message(mail.id)).text


async def test_change_during_a_mail_is_told_in_the_next(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start()
    await mails.set_faults(Faults(delay_s=1.0))
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.wait_for_state("sending")

    await replica.ask_cameras(await archive.change(_UP))

    await archive.wait_for_state("sent", 2)
    assert [one.subject.partition(":")[0] for one in await mails.messages()] == [
        "Camera back",
        "Camera down",
    ]


async def test_mail_that_somebody_was_sent_tells_nothing_more(
    archive: Archive, replicas: Replicas
) -> None:
    replica = replicas.make(recipients="ann@example.org,bob@example.org")
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.connection.execute(
        "UPDATE delivery SET state = 'sent', next_try_at = NULL WHERE recipient LIKE 'ann%'"
    )

    await replica.ask_cameras(await archive.change(_UP))

    assert await archive.states() == {"sent": 1, "pending": 3}


async def test_camera_that_has_been_quiet_does_not_wait_for_one_that_flaps(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(camera_mails_per_hour=1)
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.wait_for_state("sent")
    await replica.ask_cameras(await archive.change(_UP))
    assert (await archive.states())["pending"] == 1

    await replica.ask_cameras(await archive.change(_DOWN, camera="Gate 4"))

    await archive.wait_for_state("sent", 2)
    newest, _ = await mails.messages()
    assert newest.subject == "1 of 2 cameras down: door-1, 12:03:24"


async def test_mail_about_a_camera_silences_no_alert(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.start(cooldown_minutes=10)
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.wait_for_state("sent")

    await replica.ask(await archive.add())

    await archive.wait_for_state("sent", 2)
    assert {one.subject.partition(":")[0] for one in await mails.messages()} == {
        "Camera down",
        "No mask",
    }


@pytest.mark.parametrize("marker", ["450x2", "lostx1"])
async def test_what_is_refused_or_unknown_is_repeated_with_the_same_bytes(
    archive: Archive, replicas: Replicas, mails: InboxClient, marker: str
) -> None:
    replica = replicas.start(recipients=f"ann+{marker}@example.org")
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.wait_for_state("sent")

    received = [await mails.raw(one.id) for one in await mails.messages()]

    assert len(received) == (2 if marker == "lostx1" else 1)
    assert len(set(received)) == 1


async def test_event_that_left_the_archive_is_not_mailed(
    archive: Archive, replicas: Replicas, mails: InboxClient
) -> None:
    replica = replicas.make()
    await replica.ask_cameras(await archive.change(_DOWN))
    await archive.connection.execute("DELETE FROM device_event")

    replica.start()

    await archive.wait_for_state("withdrawn")
    assert (await mails.summary()).total == 0


async def test_requests_that_nobody_can_act_on_are_rejected(
    archive: Archive, replicas: Replicas
) -> None:
    heartbeat = await archive.add_event("heartbeat", "{}")
    nothing = await archive.add_event("camera_changed", "[]")
    wrong = await archive.add_event("camera_changed", '{"state": "sideways", "since": "now"}')
    replica = replicas.make()
    values = [
        b"short",
        (2**64 - 1).to_bytes(8, "little"),
        *(notification.encode(one) for one in (10**9, heartbeat, nothing, wrong)),
    ]

    rejected = await replica.cameras.handle([record(value) for value in values])

    said = {one.record.value: f"{one.field} {one.reason}" for one in rejected}
    assert list(said) == values
    assert [said[value].partition(",")[2] for value in values[1:]] == [
        " too large for an id",
        " which is not in the archive",
        " which is of kind heartbeat, which no mail tells of",
        " which has a wrong state: Field required",
        " which has a wrong state: Input should be 'down' or 'up'",
    ]
    assert await archive.states() == {}


async def test_mails_that_are_turned_off_let_requests_pass(
    archive: Archive, replicas: Replicas
) -> None:
    replica = replicas.make(camera_mails=False)

    await replica.ask_cameras(await archive.change(_DOWN))

    assert await archive.states() == {}
