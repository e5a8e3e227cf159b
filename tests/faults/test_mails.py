"""What a mail tells, and that it is told once."""

import asyncio
import html
from collections import Counter
from pathlib import Path

import asyncpg
from devstack.service import Service
from maskwatch_proto import contract
from maskwatch_proto.alert import Device
from maskwatch_runtime.kafka import topics

from faults import mailing, members, poison, watching
from faults.case import Fault, case
from faults.path import AlertPath
from faults.poison import Poison
from faults.proof import RECIPIENTS

_CONSOLE = "https://console.plant.example"
_MISCONFIGURED = 78
_TOLD_TWICE = """
SELECT count(*) FROM (
    SELECT FROM delivery WHERE alert_id IS NOT NULL AND state = 'sent'
    GROUP BY device_id, camera, recipient HAVING count(*) > 1
) AS told_twice
"""
_NAMED = """
SELECT (SELECT sum(suppressed) FROM camera_cooldown)
    + (SELECT count(DISTINCT alert_id) FROM delivery WHERE state = 'sent')
"""
_DIGEST_WAITS = "device_event_id IS NOT NULL AND state = 'pending' AND attempts = 0"


async def _end(path: AlertPath, how: str) -> None:
    """End the notifier, and have its partitions free for the next one."""
    if how == "SIGTERM":
        assert await asyncio.to_thread(path.notifier.stop) == 0
    elif how == "SIGKILL":
        await asyncio.to_thread(path.notifier.kill)
    else:  # at a point
        assert await asyncio.to_thread(path.notifier.stop) == 0
        await path.load.block(20)
        await path.armed("notifier", how).until_signalled(timeout_s=60)
    group = path.group("notifier")
    await members.dismiss(path.servers.kafka.bootstrap, group, f"{group}-device-event")


async def _until_judged(path: AlertPath) -> None:
    """Wait until every alert is in the ledger and no mail of one is owed."""

    async def is_judged() -> bool:
        judged = await path.fetchval("SELECT count(DISTINCT alert_id) FROM delivery")
        return judged == path.load.tried and not await mailing.count(
            path, "alert_id IS NOT NULL AND next_try_at IS NOT NULL"
        )

    await watching.until(is_judged)


@case(
    "F38", "SIGTERM, SIGKILL and a step executed twice, in the cool-down and while a mail gathers"
)
async def test_restart_mails_nobody_again_and_forgets_nothing_that_waited(
    path: AlertPath, fault: Fault
) -> None:
    path.configure("notifier", COOLDOWN_MINUTES="10", CAMERA_GROUP_WAIT_S="10")
    await path.start("dispatcher", "ingress", "notifier")
    told: list[str] = []
    for how in fault.random.sample(["SIGTERM", "SIGKILL", "notifier.entered_not_offset"], k=3):
        names = [f"gate {len(told) + number}" for number in range(fault.random.randint(2, 5))]
        told += names
        await path.load.block(fault.random.randint(20, 60))
        await _until_judged(path)
        events = mailing.cameras_down(fault.random, f"plant {len(told)}", names)
        mailing.tell(path, events)
        await mailing.until(path, _DIGEST_WAITS)
        await _end(path, how)
        assert await mailing.count(path, _DIGEST_WAITS), "its mail did not wait for the restart"
        fault.injected(how)
        await path.load.block(fault.random.randint(20, 60))
        await path.start("notifier")
    fault.healed()
    await path.prove(fault, path.expecting(is_each_mailed=False))
    assert await path.fetchval(_TOLD_TWICE) == 0
    assert await path.fetchval(_NAMED) == path.load.tried
    mails = [one for one in await mailing.received(path) if "down" in str(one.parsed["Subject"])]
    named = Counter(name for one in mails for name in told if f"{name}\n" in one.text)
    assert named == Counter(told * len(RECIPIENTS))


async def _archived(path: AlertPath, count: int) -> dict[str, int]:
    """Wait until so many alerts are archived, and return their numbers by event id."""

    async def is_there() -> bool:
        return await path.fetchval("SELECT count(*) FROM alert") == count

    await watching.until(is_there)
    rows = await watching.rows(path, "SELECT event_id::text, id FROM alert")
    return {str(event_id): int(str(number)) for event_id, number in rows}


async def _execute(path: AlertPath, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(path.dsn)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


@case("F41", "the picture is not in the archive when its mail is due: it comes later, or never")
async def test_mail_waits_for_its_picture_and_leaves_without_it_in_the_end(
    path: AlertPath, fault: Fault
) -> None:
    count = fault.random.randint(20, 40)
    path.configure("notifier", PICTURE_WAIT_S="8", CONSOLE_URL=_CONSOLE)
    await path.start("dispatcher", "ingress")
    await path.load.put(mailing.made(fault.random, count))
    numbers = await _archived(path, count)
    late = set(fault.random.sample(sorted(numbers), k=count // 2))
    await _execute(path, "CREATE TABLE kept_aside AS SELECT * FROM image")
    await _execute(path, "DELETE FROM image")
    fault.injected("picture missing", count)
    await path.start("notifier")
    prompt = mailing.made(fault.random, 5, first=count + 1)
    await path.load.put(prompt)
    await mailing.until(path, "state = 'sent'", at_least=len(prompt) * len(RECIPIENTS))
    assert await mailing.count(path, "state = 'sent'") == len(prompt) * len(RECIPIENTS)
    await _execute(
        path,
        "INSERT INTO image SELECT * FROM kept_aside WHERE id = ANY($1::bigint[])",
        [numbers[event_id] for event_id in late],
    )
    await path.prove(fault)
    for mail in await mailing.received(path):
        event_id = mail.message_id[1:37]
        never_came = event_id in numbers.keys() - late
        assert mail.has_picture != never_came
        assert ("Its picture was not in the archive" in mail.text) == never_came
        if never_came:
            assert f"{_CONSOLE}/alerts/{numbers[event_id]}" in mail.text
            assert f'href="{_CONSOLE}/alerts/{numbers[event_id]}"' in mail.html


_MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}&amp;'
_BIDI = "gate \u202e txt.exe \u2028\u0085 Bcc: all@plant.example"
_BROKEN_LINE = "gate 3\r\nBcc: all@plant.example\r\n\r\n<b>body</b>"
_HEADERS = Counter(
    [
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("X-Auto-Response-Suppress", "X-Maskwatch-Event", "MIME-Version", "Content-Type"),
    ]
)


def _refused(path: AlertPath, folder: Path, **settings: str) -> str:
    """Return the one line with which a notifier refuses to start."""
    folder.mkdir()
    service = Service("notifier", folder, path.settings("notifier", "notifier", settings))
    service.begin()
    assert service.process.wait(30) == _MISCONFIGURED
    (line,) = service.log().strip().splitlines()
    return line


@case("F42", "markup and line breaks in a device's and a camera's name and in an address")
async def test_names_are_text_in_every_mail_and_addresses_with_line_breaks_are_refused(
    path: AlertPath, fault: Fault
) -> None:
    injected = f"ann@plant.example{fault.random.choice(['%0d%0a', chr(13) + chr(10), chr(10)])}"
    for name in ("RECIPIENTS", "SENDER"):
        line = _refused(path, path.folder / name, **{name: f"{injected}Bcc: all@plant.example"})
        assert f"MASKWATCH_{name}" in line
        fault.injected(f"line break in {name}")
    await path.start("dispatcher", "ingress")
    kinds = [_MARKUP, _BIDI, "gate 3"]
    fault.random.shuffle(kinds)
    alerts = [
        one
        for number, text in enumerate(kinds)
        for one in mailing.made(
            fault.random,
            1,
            first=number + 1,
            camera=text,
            device=Device(type=text, guid=f"{text} {number}"),
        )
    ]
    await path.load.put(alerts)
    numbers = await _archived(path, len(alerts))
    broken = next(one for one in alerts if one.camera == "gate 3")
    # As a writer archives it that checks nothing: ours refuses such a name.
    statement = "UPDATE alert SET camera = $1 WHERE id = $2"
    await _execute(path, statement, _BROKEN_LINE, numbers[str(broken.event_id)])
    events = mailing.cameras_down(fault.random, _MARKUP, [_MARKUP, _BIDI])
    mailing.tell(path, events)
    fault.injected("markup", 2)
    fault.injected("line break and direction", 2)
    on_the_wire = poison.good_alert(fault.random, camera=_BROKEN_LINE)
    letter = Poison("line break", topics.ALERT, contract.encode(on_the_wire))
    broker = path.servers.kafka.bootstrap
    await poison.publish(broker, [letter], numbers=fault.random)
    fault.injected("line break on the wire")
    await path.start("notifier")
    fault.healed()
    await path.prove(fault, path.expecting(dead_letters={topics.ALERT_DEAD_LETTERS: 1}))
    _check(await mailing.received(path))


def _check(mails: list[mailing.Received]) -> None:
    shapes = set()
    for mail in mails:
        assert Counter(mail.parsed.keys()) == _HEADERS
        assert mail.recipients in {(one,) for one in RECIPIENTS}
        assert mail.parsed["To"] == mail.recipients[0]
        assert not mail.parsed.defects
        assert mail.head.isascii()
        assert b"\nBcc" not in mail.head
        assert "<script" not in mail.html
        attributes = {name for _, *names in mailing.skeleton(mail.html) for name in names}
        assert not {name for name in attributes if name.startswith("on")}
        if mail.has_picture:
            shapes.add(tuple(mailing.skeleton(mail.html)))
    assert len(shapes) == 1, "a name has added a tag or an attribute"
    assert any(html.escape(_MARKUP, quote=False)[3:20] in mail.html for mail in mails)
    assert any("{{7*7}}" in mail.text for mail in mails)
    assert not any("\u202e" in mail.text + mail.html for mail in mails)
