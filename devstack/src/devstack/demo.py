"""``python -m devstack demo``: the whole of Maskwatch on a short film, and the mail it sends."""

import argparse
import asyncio
import secrets
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from devstack import clip, ledger, ports, processes, terminal
from devstack.inbox.client import MessageDetail
from devstack.jars import JarError
from devstack.ledger import Counts
from devstack.service import Service
from devstack.stack import FolderInUseError, Infrastructure
from devstack.system import Options, System

_RECIPIENTS = ("Operations <operations@plant.example>", "Safety <safety@plant.example>")
_FIRST_MAIL_TIMEOUT_S = 60.0
_SETTLED_TIMEOUT_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Outcome:
    """What came of the film: counts along the path and the mails, oldest first."""

    counts: Counts
    mails: tuple[MessageDetail, ...]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe this command to the command line."""
    parser = commands.add_parser("demo", help="the whole system on a short film")
    parser.add_argument(
        "--folder", type=Path, default=Path("demo-data"), help="holds all data (%(default)s)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="no person looks: exit 0 only if exactly the expected mails and rows are there",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; give its exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    began_s = time.monotonic()
    try:
        return _run(arguments.folder.resolve(), began_s, is_check=arguments.check)
    except KeyboardInterrupt:
        print("\n  Stopped.")
        return 0 if not arguments.check else 1
    except (processes.ProcessError, FolderInUseError, JarError, OSError) as error:
        terminal.failed(str(error))
        return 1


def _run(folder: Path, began_s: float, *, is_check: bool) -> int:
    terminal.heading("Maskwatch demo")
    reset(folder)
    infra = Infrastructure(folder)
    with terminal.step("Kafka, PostgreSQL, mail server (the first time: downloads them)"):
        infra.start()
    try:
        with terminal.step("a film: one person without a mask, one with a mask"):
            facts = clip.build(folder / "clip.avi")
        expected = sum(each.label == "no_mask" for each in facts.appearances)
        system = System(infra, Options(recipients=_RECIPIENTS))
        with terminal.step("database schema, logins and topics"):
            system.prepare()
        try:
            with terminal.step("dispatcher, ingress and notifier"):
                system.start()
            return _watch(system, facts, expected, began_s, is_check=is_check)
        finally:
            system.stop()
    finally:
        infra.stop()


def _watch(
    system: System, facts: clip.ClipFacts, expected: int, began_s: float, *, is_check: bool
) -> int:
    detector = system.detector(
        str(facts.path),
        {
            "MASKWATCH_DEVICE_GUID": "demo-device",
            "MASKWATCH_CAMERA": "North door",
            "MASKWATCH_EXIT_AT_END": "true",
        },
    )
    with terminal.step("edge detector: the first person walks in, a mail goes out"):
        detector.begin()
        asyncio.run(_first_mail(system, detector))
    first_mail_s = time.monotonic() - began_s
    with terminal.step(f"edge detector: the film to its end ({facts.duration_s:.0f} s)"):
        status = detector.process.wait(facts.duration_s + _SETTLED_TIMEOUT_S)
        if status != 0:
            raise processes.ProcessError(_epitaph(detector.process))
        outcome = asyncio.run(_settled(system))
    _show(system, outcome, first_mail_s)
    if is_check:
        return _verdict(outcome, expected)
    page = _page(system, facts)
    terminal.paragraph(
        "Everything stays up: look around. Ctrl-C ends it, and no process stays behind."
    )
    _wait(system, page)
    return 1


def _page(system: System, facts: clip.ClipFacts) -> Service:
    """Show the film again and again on the live page; what is seen there is mailed to nobody."""
    (port,) = ports.free(1)
    token = secrets.token_urlsafe(18)
    detector = system.detector(
        str(facts.path),
        {
            "MASKWATCH_DEVICE_GUID": "demo-page",
            "MASKWATCH_CAMERA": "North door",
            "MASKWATCH_SOURCE_LOOP": "true",
            "MASKWATCH_ABSENCE_S": "3600",
            "MASKWATCH_OUTBOX_PATH": str(system.folder / "page.db"),
            "MASKWATCH_WEB_PORT": str(port),
            "MASKWATCH_WEB_TOKEN": token,
        },
    )
    detector.start()
    terminal.line("live page", f"http://127.0.0.1:{port}/ with the token {token}")
    return detector


def reset(folder: Path) -> None:
    """Begin with an empty folder, whatever a former run left there, its processes included."""
    if not folder.exists():
        return
    if (folder / "lock").exists():
        Infrastructure.check_free(folder)
    for pid_file in folder.rglob("*.pid"):
        processes.end_leftover(pid_file)
    shutil.rmtree(folder)


async def _first_mail(system: System, detector: Service) -> None:
    deadline_s = time.monotonic() + _FIRST_MAIL_TIMEOUT_S
    async with system.infra.inbox.client() as inbox:
        while not (await inbox.summary()).total:
            if detector.process.exit_status:
                raise processes.ProcessError(_epitaph(detector.process))
            _check_services(system)
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"no mail within {_FIRST_MAIL_TIMEOUT_S:.0f} s")
            await asyncio.sleep(_POLL_S)


async def _settled(system: System) -> Outcome:
    counts = await ledger.until_settled(system.outbox, system.dsn(), timeout_s=_SETTLED_TIMEOUT_S)
    async with system.infra.inbox.client() as inbox:
        mails = [await inbox.message(mail.id) for mail in await inbox.messages()]
    return Outcome(counts, tuple(reversed(mails)))


def _show(system: System, outcome: Outcome, first_mail_s: float) -> None:
    terminal.heading("What came of it")
    for mail in outcome.mails:
        terminal.line("mail", f"{mail.subject}")
        terminal.line("", f"to {mail.to}")
    counts = outcome.counts
    terminal.line(
        "path", f"{counts.made} alert made, {counts.archived} archived, {counts.mailed} mails"
    )
    terminal.line("first mail", f"{first_mail_s:.1f} s after the command")
    terminal.heading("Where to look")
    terminal.line("inbox", system.infra.inbox.url)
    for service in (system.dispatcher, system.ingress, system.notifier):
        terminal.line(service.name, f"{service.admin_url}/metrics")
    terminal.line("logs", str(system.folder))
    terminal.line("SQL", "SELECT * FROM alert_overview; (more in docs/queries.md)")
    print(f"{system.infra.postgres.psql()} '{system.dsn('reader')}'\n", flush=True)


def _verdict(outcome: Outcome, expected: int) -> int:
    """Compare with the film: one alert for a person without a mask, one mail for each told."""
    counts = outcome.counts
    mails = [mail for mail in outcome.mails if any(part.content_id for part in mail.parts)]
    wanted = expected * len(_RECIPIENTS)
    checks = {
        f"{expected} alert in the archive": counts.archived == expected,
        f"{wanted} mails with a picture": len(mails) == len(outcome.mails) == wanted,
        "one mail for each administrator": len({mail.to for mail in mails}) == len(_RECIPIENTS),
    }
    for text, is_kept in checks.items():
        (terminal.done if is_kept else terminal.failed)(text)
    return 0 if all(checks.values()) else 1


def _wait(system: System, page: Service) -> None:
    """Wait for the first part that ends on its own."""
    parts = [server.process for server in system.infra.servers]
    parts += [each.process for each in (system.dispatcher, system.ingress, system.notifier, page)]
    while all(part.is_running for part in parts):
        time.sleep(_POLL_S)
    for part in parts:
        if not part.is_running:
            terminal.failed(_epitaph(part))


def _check_services(system: System) -> None:
    for service in (system.dispatcher, system.ingress, system.notifier):
        if not service.is_running:
            raise processes.ProcessError(_epitaph(service.process))


def _epitaph(process: processes.Process) -> str:
    return f"{process.command.name} ended; its log ends:\n{process.log_tail()}"


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
