"""Between the notifier and the mail server."""

import asyncio
import time

from devstack.inbox import Faults, Inbox, InboxOptions, Login
from devstack.service import Service

from devstack import ports
from faults import mailing, members, watching
from faults.case import Fault, case
from faults.path import AlertPath, start
from faults.proof import RECIPIENTS

_SERVER_BACKOFF_S = 30.0  # the cap, as `notifier.sender` and `notifier.channel` set it
_FOR_NOW = (
    Faults(recipient_reply="450 4.2.1 Mailbox busy"),
    Faults(recipient_reply="421 4.3.2 Shutting down"),
    Faults(data_reply="451 4.3.0 Local error"),
    Faults(data_reply="421 4.3.2 Shutting down"),
)
_SHUT = Faults(greeting_reply="421 4.3.2 Not now", recipient_reply="421 4.3.2 Not now")


async def _is_shut(path: AlertPath, notifiers: list[Service], fault: Fault) -> None:
    """Have the server take nobody in: that is held against no mail."""
    await path.mail_faults(_SHUT)
    await path.load.block(fault.random.randint(20, 60))
    for notifier in notifiers:
        await watching.until(lambda: not notifier.is_ready())  # noqa: B023 - of this round
        assert notifier.is_live()
        assert "421" in mailing.said(notifier)["missing"]["smtp"]
    fault.injected("421 at the greeting")
    await path.mail_faults(Faults())
    fault.healed()
    for notifier in notifiers:
        fault.recovered(await watching.until(notifier.is_ready))  # awaited in turn
    assert await path.until_settled()


async def _is_given_up(path: AlertPath, fault: Fault) -> None:
    """Have both mails of an alert refused past their deadline: the next one tells of it."""
    last, following = mailing.made(fault.random, 2, camera="gate")
    await path.mail_faults(Faults(data_reply="451 4.3.0 Local error"))
    await path.load.put([last])
    await mailing.until(path, "state = 'expired'", at_least=len(RECIPIENTS))
    fault.injected("451 past the deadline")
    await path.mail_faults(Faults())
    await path.load.put([following])
    assert await path.until_settled()
    mails = [
        one for one in await mailing.received(path) if str(following.event_id) in one.message_id
    ]
    assert len(mails) == len(RECIPIENTS)
    assert all("1 further alert of this camera since" in one.text for one in mails)


@case("F33", "421, 450 and 451: at the greeting, to the recipient, to the data; for good at last")
async def test_what_is_refused_for_now_is_mailed_once_or_named_by_the_next_mail(
    path: AlertPath, fault: Fault
) -> None:
    await path.start("dispatcher", "ingress", "notifier")
    notifiers = [path.notifier, path.replica("notifier")]
    await start(notifiers[1])
    for refusal in fault.random.sample(_FOR_NOW, k=len(_FOR_NOW)):
        times = fault.random.randint(5, 30)
        refused = await mailing.count(path, "attempts > 1")
        await path.mail_faults(refusal.model_copy(update={"mails": times}))
        await path.load.block(fault.random.randint(20, 60))
        await mailing.until(path, "attempts > 1", at_least=refused + 1)
        assert await path.until_settled()
        fault.injected(str(refusal.recipient_reply or refusal.data_reply), times)
    await _is_shut(path, notifiers, fault)
    await path.prove(fault)
    for notifier in notifiers:
        assert await asyncio.to_thread(notifier.stop) == 0
    patient = path.replica("notifier", DELIVERY_DEADLINE_S="2", COOLDOWN_MINUTES="10")
    await start(patient)
    await _is_given_up(path, fault)
    await path.prove(fault, path.expecting(is_each_mailed=False))
    assert await mailing.count(path, "state NOT IN ('sent', 'expired')") == 0
    fault.measured("SMTP server back", fault.recovery_s or 0.0, "s", at_most=_SERVER_BACKOFF_S)


@case("F34", "550 to one of five recipients, or 554 to every mail of theirs")
async def test_refused_recipient_bounces_and_the_four_others_are_mailed_once(
    path: AlertPath, fault: Fault
) -> None:
    names = ["ann", "bob", "cem", "dora", "eve"]
    refused = fault.random.choice(names)
    kind = fault.random.choice(["550", "data554"])
    others = tuple(f"{name}@plant.example" for name in names if name != refused)
    gone = f"{refused}+{kind}@plant.example"
    everyone = fault.random.sample([*others, gone], k=len(names))
    path.configure("notifier", RECIPIENTS=",".join(everyone))
    await path.start("dispatcher", "ingress", "notifier")
    await start(path.replica("notifier"), path.replica("notifier"))
    made = fault.random.randint(50, 200)
    await path.load.block(made)
    await path.prove(fault, path.expecting(recipients=others))
    fault.injected(kind, made)
    bounced = f"state = 'bounced' AND recipient = '{gone}' AND attempts = 1"
    assert await mailing.count(path, bounced) == made
    assert await mailing.count(path, "state = 'sent'") == made * len(others)


async def _is_dropped(path: AlertPath, fault: Fault) -> None:
    """Have the server close after the data, before and after it has taken the mail."""
    for drop in fault.random.sample(["before_store", "after_store"], k=2):
        times, before = fault.random.randint(3, 10), await mailing.unknowns(path)
        await path.mail_faults(Faults.model_validate({"drop": drop, "mails": times}))
        await path.load.block(fault.random.randint(20, 40))
        await _until_unknown(path, before + times)
        fault.injected(drop, times)
        assert await path.until_settled()


async def _is_cut(path: AlertPath, fault: Fault) -> None:
    """Cut connections somewhere in a mail, and lose answers on the way back."""
    door = path.proxy("notifier", "smtp")
    before = await mailing.unknowns(path)
    door.cut_after(fault.random.randint(20_000, 60_000))
    await path.load.block(30)
    await _until_unknown(path, before + 1)
    door.heal()
    fault.injected("cut in the data", await mailing.unknowns(path) - before)
    assert await path.until_settled()
    before = await mailing.unknowns(path)
    await path.mail_faults(Faults(delay_s=0.8))
    await path.load.block(10)
    await mailing.until(path, "state = 'sending'")
    await asyncio.sleep(fault.random.uniform(0.2, 0.4))  # marked before its envelope is answered
    door.half_open(dead="to_client")
    await _until_unknown(path, before + 1)
    door.heal()
    await path.mail_faults(Faults())
    fault.injected("answer lost", await mailing.unknowns(path) - before)
    assert await path.until_settled()


async def _until_unknown(path: AlertPath, at_least: int) -> None:
    async def is_reached() -> bool:
        return await mailing.unknowns(path) >= at_least

    await watching.until(is_reached)


async def _is_killed(path: AlertPath, fault: Fault) -> None:
    """Kill notifiers between a mail's mark and its data, and between the answer and the ledger."""
    assert await asyncio.to_thread(path.notifier.stop) == 0
    await path.load.block(60)
    group = path.group("notifier")
    for point in fault.random.sample(
        ["notifier.marked_not_sent", "notifier.accepted_not_recorded"], k=2
    ):
        killed = path.armed("notifier", point, nth=fault.random.randint(1, 5))
        await killed.until_signalled(timeout_s=60)
        fault.injected(f"SIGKILL at {point}")
        await members.dismiss(path.servers.kafka.bootstrap, group, f"{group}-device-event")
    await path.start("notifier")
    fault.healed()
    assert await path.until_settled()


@case("F35", "the connection or the notifier ends between a mail's data and its answer")
async def test_mail_of_unknown_fate_is_sent_once_more_as_the_same_mail(
    path: AlertPath, fault: Fault
) -> None:
    path.configure("notifier", RETRY_INITIAL_S="4", RETRY_CAP_S="4", SMTP_TIMEOUT_S="1")
    path.proxy("notifier", "smtp")
    await path.start("dispatcher", "ingress", "notifier")
    await _is_dropped(path, fault)
    await _is_cut(path, fault)
    await _is_killed(path, fault)
    uncertain = await mailing.unknowns(path)
    await path.prove(fault, path.expecting(uncertain_mails=uncertain))
    assert await mailing.count(path, "unknowns > 1") == 0
    mails = [(one.message_id, one.raw) for one in await mailing.received(path)]
    assert len(set(mails)) == len({message_id for message_id, _ in mails}), "not the same bytes"
    assert len(set(mails)) < len(mails), "no mail came twice: no answer was lost"


def _wrong(path: AlertPath, strict: Inbox) -> dict[str, dict[str, str]]:
    """Return what is wrong with a mail server, and the settings that lead there."""
    return {
        "Timed out": {"SMTP_PORT": str(path.proxy("notifier", "smtp").port)},
        "MASKWATCH_SMTP_TLS=starttls": {"SMTP_TLS": "starttls"},
        "MASKWATCH_SMTP_USERNAME or _PASSWORD": {
            "SMTP_PORT": str(strict.smtp_port),
            "SMTP_USERNAME": "maskwatch",
            "SMTP_PASSWORD": "wrong",
        },
    }


async def _are_down(path: AlertPath, wrong: dict[str, dict[str, str]], fault: Fault) -> None:
    """Start a notifier on each such server: it says so in time, lives on, and ends as asked."""
    made = {
        words: path.replica("notifier", SMTP_TIMEOUT_S="2", **settings)
        for words, settings in wrong.items()
    }
    patient = path.replica("notifier", SMTP_TIMEOUT_S="60", **wrong["Timed out"])
    for notifier in (*made.values(), patient):
        notifier.begin()
    waited_s = 0.0
    for words, notifier in made.items():
        await watching.until(notifier.is_live)
        waited_s += await watching.until(lambda: words in notifier.log())  # noqa: B023 - of this round
        assert not notifier.is_ready()
        assert notifier.metric("notifier_smtp_up") == 0
        assert words in mailing.said(notifier)["missing"]["smtp"]
    fault.measured("until what is wrong was named", waited_s, "s", at_most=10)
    for notifier in (*made.values(), patient):
        began_s = time.monotonic()
        assert await asyncio.to_thread(notifier.stop) == 0, notifier.log()
        fault.measured("until ended", time.monotonic() - began_s, "s", at_most=10)
    for words in made:
        fault.injected(words)


@case("F36", "a mail server that is silent, without STARTTLS, refuses the login; then a fallback")
async def test_server_that_is_of_no_use_is_named_and_the_fallback_takes_its_mails(
    path: AlertPath, fault: Fault
) -> None:
    options = InboxOptions(login=Login(username="maskwatch", password="right"))
    strict = Inbox(path.folder / "strict", options=options)
    await asyncio.to_thread(strict.start)
    try:
        await _use_the_fallback(path, strict, fault)
    finally:
        await asyncio.to_thread(strict.stop)


async def _use_the_fallback(path: AlertPath, strict: Inbox, fault: Fault) -> None:
    hole, wrong = path.proxy("notifier", "smtp"), _wrong(path, strict)
    hole.blackhole()
    await path.start("dispatcher", "ingress")
    await path.load.block(fault.random.randint(20, 60))
    await _are_down(path, wrong, fault)
    assert await mailing.count(path, "attempts > 0") == 0
    path.configure(
        "notifier",
        SMTP_TIMEOUT_S="2",
        SMTP_FALLBACK_HOST=ports.LOOPBACK,
        SMTP_FALLBACK_PORT=str(path.servers.inbox.smtp_port),
        SMTP_FALLBACK_TLS="none",
    )
    made = {words: path.replica("notifier", **settings) for words, settings in wrong.items()}
    await start(*made.values())
    assert await path.until_settled()
    for words, notifier in made.items():
        assert words in mailing.said(notifier)["degraded"]["smtp"]
        assert notifier.metric("notifier_smtp_fallback") == 1
    silent = made["Timed out"]
    hole.heal()
    fault.recovered(await watching.until(lambda: silent.metric("notifier_smtp_fallback") == 0))
    await path.load.block(fault.random.randint(20, 60))
    assert await path.until_settled()
    hole.blackhole()  # with connections open
    fault.injected("black hole in the middle")
    await path.load.block(fault.random.randint(100, 200))
    assert await path.until_settled()
    hole.heal()
    await path.prove(fault, path.expecting(uncertain_mails=await mailing.unknowns(path)))
    fault.measured("SMTP server back", fault.recovery_s or 0.0, "s", at_most=_SERVER_BACKOFF_S)
