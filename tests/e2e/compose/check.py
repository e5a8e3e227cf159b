"""Runs docker-compose.yml for real and proves what the README says of it; see `make compose-check`.

Brings up a project of its own beside a running one, on free ports: a mail has to come, the page has
to show, a board's result to the gateway has to be archived, every container is killed (kill -9 from
inside, as a crash would) and has to come back with new mail, the passwords are replaced, the
detector is drained; then the outbox, the archive and the inbox have to agree. Whatever happens, the
project is removed at the end. Needs Docker Compose v2; takes minutes.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from aiokafka.errors import KafkaError

from tests.e2e.compose import device
from tests.e2e.compose.project import DockerError, Project

OURS = ("edge_detector", "gateway", "dispatcher", "ingress", "notifier")
SERVICES = (*OURS, "mailpit", "postgres", "kafka")
MAIL_WITHIN_S = 90.0  # a round of the film takes 11 s, a consumer group's session 10 to 45 s


def main() -> int:
    """Run the check and return the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(supplied=Path(folder))
        try:
            _check(project, Path(folder))
        except BaseException:
            sys.stderr.write(project.compose("ps", "--all"))
            sys.stderr.write(project.compose("logs", "--tail", "15"))
            raise
        finally:
            project.compose("down", "--volumes", "--timeout", "20")
    label = f"label=com.docker.compose.project={project.name}"
    for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls")):
        left = project.docker(*kind, "--quiet", "--filter", label)
        _require(not left, f"docker {kind[0]}: left behind: {left}")
    _say("removed; everything holds")
    return 0


def _check(project: Project, supplied: Path) -> None:
    started = time.monotonic()
    project.compose("build")
    _say(f"images built in {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    project.compose("up", "--detach")
    _wait_for("the first mail", lambda: len(project.mails()) > 0)
    _say(f"first mail {time.monotonic() - started:.1f} s after `docker compose up`")
    _look_at_mail(project)
    _look_at_containers(project)
    _look_at_device(project)
    for service in SERVICES:
        _kill(project, service)
    _replace_passwords(project, supplied)
    _drain(project)


def _look_at_mail(project: Project) -> None:
    mail = project.mails()[0]
    _require("mask" in mail["Subject"].lower(), f"a strange subject: {mail['Subject']}")
    addresses = [recipient["Address"] for recipient in mail["To"]]
    _require(addresses == ["administrator@example.org"], f"strange recipients: {addresses}")
    parts = json.loads(project.fetch(f"message/{mail['ID']}"))["Inline"]
    _require([part["ContentType"] for part in parts] == ["image/jpeg"], f"no picture: {parts}")
    picture = project.fetch(f"message/{mail['ID']}/part/{parts[0]['PartID']}")
    _require(picture[:2] == b"\xff\xd8", "the picture is no JPEG")
    _say(f"mail: {mail['Subject']!r}, picture of {len(picture)} bytes")


def _look_at_containers(project: Project) -> None:
    for service in SERVICES:
        container = project.container(service)
        host, user = container["HostConfig"], container["Config"]["User"]
        _require(user not in {"", "0", "root", "0:0"}, f"{service} runs as root")
        _require(host["CapDrop"] == ["ALL"], f"{service} has capabilities")
        _require("no-new-privileges:true" in host["SecurityOpt"], f"{service} may gain rights")
        _require(service == "kafka" or host["ReadonlyRootfs"], f"{service} may write everywhere")
        bound = [one["HostIp"] for ports in host["PortBindings"].values() for one in ports]
        _require(set(bound) <= {"127.0.0.1"}, f"{service} listens on {bound}")
        if service in OURS:
            size = json.loads(project.docker("image", "inspect", container["Image"]))[0]["Size"]
            _say(f"{service}: user {user}, image {size / 1e6:.0f} MB")


def _look_at_device(project: Project) -> None:
    token = project.compose("exec", "-T", "edge_detector", "cat", "/run/secrets/page/password")
    size_bytes = device.look_at_page(project.page_port, token.strip())
    device.tell_gateway(project.gateway_port, token.strip(), "board-1")
    _wait_for("the board's alert", lambda: bool(project.archived(camera="board-1")))
    _require(len(project.archived(camera="board-1")) == 1, "one person, more than one alert")
    _say(f"page: a live picture of {size_bytes} bytes; gateway: a board's alert is archived")


def _kill(project: Project, service: str) -> None:
    restarts = project.container(service)["RestartCount"]
    known = {mail["MessageID"] for mail in project.mails()}
    started = time.monotonic()
    # Signal 9 to all but the container's init, which then ends: no stop that docker knows of.
    project.run("exec", project.container(service)["Id"], "sh", "-c", "kill -9 -1")
    _wait_for(f"{service} to restart", lambda: _is_back(project, service, restarts))
    back_s = time.monotonic() - started
    fresh_from = set(project.outbox()) | known
    _wait_for(
        f"mail after {service} was killed",
        lambda: any(_event_id(mail) not in fresh_from for mail in project.mails()),
    )
    _say(
        f"{service}: killed, healthy after {back_s:.1f} s, "
        f"mail of a later alert after {time.monotonic() - started:.1f} s"
    )


def _is_back(project: Project, service: str, restarts: int) -> bool:
    container = project.container(service)
    state = container["State"]
    is_healthy = state.get("Health", {}).get("Status", "healthy") == "healthy"
    return bool(container["RestartCount"] > restarts and state["Running"] and is_healthy)


def _replace_passwords(project: Project, supplied: Path) -> None:
    password = secrets.token_urlsafe(24)
    for user in ("ingress", "notifier"):
        (supplied / user).write_text(password)
        (supplied / user).chmod(0o400)
    files = ("-f", "docker-compose.yml", "-f", "deploy/compose/own-secrets.yml")
    project.compose(*files, "up", "--detach", "--force-recreate")
    read = project.compose("exec", "-T", "ingress", "cat", "/run/secrets/ingress/password")
    _require(read == password, "ingress does not have the supplied password")
    known = set(project.outbox())
    _wait_for(
        "mail after the passwords were replaced",
        lambda: any(_event_id(mail) not in known for mail in project.mails()),
    )
    _say("passwords replaced by supplied ones, everything started anew, mail came")


def _drain(project: Project) -> None:
    project.compose("stop", "edge_detector")
    code = project.container("edge_detector")["State"]["ExitCode"]
    _require(code == 0, f"edge_detector stopped with exit code {code}")
    made = project.outbox()
    _wait_for("the archive to hold what was made", lambda: len(project.archived()) >= len(made))
    archived = project.archived()
    _require(Counter(archived) == Counter(set(made)), "outbox and archive differ")
    _wait_for(
        "a mail for every alert", lambda: {_event_id(mail) for mail in project.mails()} >= set(made)
    )
    mails = Counter(mail["MessageID"] for mail in project.mails())
    copies = mails.total() - len(mails)
    # A kill between the server's acceptance and the ledger's note of it may cost one copy.
    _require(copies <= 2, f"{copies} mails came twice")
    published = asyncio.run(project.published())
    _require(published >= len(made), f"{published} messages for {len(made)} alerts")
    _say(
        f"{len(made)} alerts made, {published} published, {len(archived)} archived, "
        f"{mails.total()} mails of which {copies} copies"
    )


def _event_id(mail: dict[str, Any]) -> str:
    return str(mail["MessageID"]).partition(".")[0]


def _wait_for(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MAIL_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if is_so():
                return
        except (OSError, psycopg.Error, KafkaError, DockerError):
            pass  # on its way back
        time.sleep(0.5)
    raise TimeoutError(f"waited {MAIL_WITHIN_S:.0f} s for {what}")


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - what is required
    if not holds:
        raise AssertionError(otherwise)


def _say(text: str) -> None:
    sys.stdout.write(f"compose-check: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
