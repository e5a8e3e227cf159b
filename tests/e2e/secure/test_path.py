"""A person walks in: detector, Kafka, PostgreSQL and SMTP, all with TLS and logins."""

import asyncio
import base64
import json
import random
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from devstack.inbox.client import MessageDetail
from devstack.processes import ProcessError
from devstack.service import Service
from maskwatch_proto import contract
from maskwatch_proto.alert import Image
from maskwatch_runtime.kafka import topics

from devstack import clip, ledger, load, ports
from tests.e2e.secure.conftest import RECIPIENT, Secure

_TIMEOUT_S = 90.0
_SEARCHED_BYTES = 4096  # of a picture
_RUN_BYTES = 24  # of a secret's or a picture's bytes that may not stand in a log


@dataclass(frozen=True)
class Run:
    """What came of the film."""

    mails: tuple[MessageDetail, ...]
    pictures: tuple[bytes, ...]
    web_token: str
    poison: bytes


@pytest.fixture(scope="module")
def run(secure: Secure, tmp_path_factory: pytest.TempPathFactory) -> Run:
    facts = clip.build(tmp_path_factory.mktemp("clip") / "clip.avi")
    token = secrets.token_urlsafe(24)
    detector = secure.system.detector(str(facts.path), _detector_settings(token))
    detector.begin()
    status = detector.process.wait(facts.duration_s + _TIMEOUT_S)
    if status:
        raise ProcessError(detector.process.log_tail())
    poison = _poison()
    asyncio.run(_publish_as_dispatcher(secure, poison))
    secure.system.ingress.process.wait_until(
        lambda: secure.system.ingress.metric("ingress_messages_rejected_total") >= 1, timeout_s=30
    )
    return asyncio.run(_collect(secure, token, poison))


def _poison() -> bytes:
    """An alert that ends within its picture."""
    picture = Image(format="jpg", data=b"\xff\xd8\xff\xe0" + secrets.token_bytes(4_000))
    return contract.encode(load.alert(7).model_copy(update={"image": picture}))[:-1_000]


def _detector_settings(token: str) -> dict[str, str]:
    (port,) = ports.free(1)
    return {
        "MASKWATCH_DEVICE_GUID": "secure-device",
        "MASKWATCH_CAMERA": "North door",
        "MASKWATCH_EXIT_AT_END": "true",
        "MASKWATCH_LOG_LEVEL": "debug",
        "MASKWATCH_WEB_PORT": str(port),
        "MASKWATCH_WEB_TOKEN": token,
    }


async def _publish_as_dispatcher(secure: Secure, value: bytes) -> None:
    kafka = secure.infra.kafka
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap,
        enable_idempotence=False,
        **kafka.client_options("dispatcher"),
    ) as producer:
        await producer.send_and_wait(topics.ALERT, value)


async def _collect(secure: Secure, token: str, poison: bytes) -> Run:
    system = secure.system
    await ledger.until_settled(system.outbox, system.dsn(), timeout_s=_TIMEOUT_S)
    connection = await asyncpg.connect(system.dsn())
    pictures = await connection.fetch("SELECT data FROM image WHERE data IS NOT NULL")
    await connection.close()
    async with secure.infra.inbox.client() as inbox:
        mails = [await inbox.message(mail.id) for mail in await inbox.messages()]
    return Run(tuple(mails), tuple(row["data"] for row in pictures), token, poison)


def test_one_person_is_one_mail_with_a_picture(run: Run) -> None:
    (mail,) = run.mails
    (picture,) = run.pictures

    assert mail.to == RECIPIENT
    assert picture.startswith(b"\xff\xd8\xff")
    assert any(part.content_type == "image/jpeg" for part in mail.parts)


async def test_services_have_a_tls_session_in_postgresql(run: Run, secure: Secure) -> None:
    connection = await asyncpg.connect(secure.system.dsn())
    try:
        sessions = await connection.fetch(
            "SELECT usename, ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE usename IN ('ingress', 'notifier')"
        )
    finally:
        await connection.close()

    assert run.mails
    assert {row["usename"] for row in sessions} == {"ingress", "notifier"}
    assert all(row["ssl"] and row["version"] == "TLSv1.3" for row in sessions)


def _secrets(secure: Secure, run: Run) -> dict[str, str]:
    system = secure.system
    found = {f"Kafka's {login}": word for login, word in secure.infra.kafka.logins.items()}
    found |= {"SMTP": secure.infra.smtp_password, "live page": run.web_token}
    found["PostgreSQL's owner"] = (secure.infra.postgres.folder / "password").read_text()
    for login in ("ingress", "notifier", "reader"):
        found[f"PostgreSQL's {login}"] = system.dsn(login).split(":")[2].split("@")[0]
    return found


def _spellings(content: bytes) -> Iterator[str]:
    """How bytes would stand in a log: as they are, escaped, as base64, as hexadecimal digits."""
    yield content.decode("latin-1")
    yield repr(content)[2:-1]
    yield json.dumps(content.decode("latin-1"))[1:-1]
    yield content.hex()
    for offset in range(3):  # base64 says the same in three ways, by where it begins
        yield base64.b64encode(content[offset : offset + len(content) // 3 * 3]).decode()[:-4]


def _logs(secure: Secure) -> dict[str, str]:
    found = {
        path.name: path.read_bytes().decode("latin-1")
        for path in secure.infra.folder.rglob("*.log")
    }
    ran = {"edge_detector.log", "dispatcher.log", "ingress.log", "notifier.log", "kafka.log"}
    assert ran <= found.keys()
    assert all(found[name] for name in ran)
    return found


def test_services_logged_at_debug_level(run: Run, secure: Secure) -> None:
    services: tuple[Service, ...] = (secure.system.ingress, secure.system.notifier)

    assert run.mails
    assert any('"level": "debug"' in service.log() for service in services)


def _leaks(logs: Mapping[str, str], contents: Iterable[bytes]) -> set[str]:
    """The names of the logs in which any of the contents stands, in whatever spelling."""
    spellings = {spelling for content in contents for spelling in _spellings(content)}
    return {name for name, text in logs.items() if any(spelling in text for spelling in spellings)}


def _runs(content: bytes) -> Iterable[bytes]:
    """Cut the beginning of a picture, all kinds of its bytes among them, into short runs."""
    return (
        content[start : start + _RUN_BYTES]
        for start in range(0, min(len(content), _SEARCHED_BYTES) - _RUN_BYTES, _RUN_BYTES)
    )


def test_no_secret_stands_in_any_log(run: Run, secure: Secure) -> None:
    logs = _logs(secure)

    found = {
        whose: leaks
        for whose, secret in _secrets(secure, run).items()
        if (leaks := _leaks(logs, [secret.encode()]))
    }

    assert not found


def test_no_picture_stands_in_any_log(run: Run, secure: Secure) -> None:
    logs = _logs(secure)

    assert not _leaks(logs, (part for picture in run.pictures for part in _runs(picture)))
    assert not _leaks(logs, _runs(run.poison))
    assert "message rejected" in logs["ingress.log"]


@pytest.mark.parametrize(
    "line",
    [
        "value {0!r}",
        "value {1}",
        "value {2}",
        '{{"value": {3}}}',
    ],
    ids=["escaped", "base64", "hexadecimal", "JSON"],
)
def test_search_finds_a_picture_that_was_logged(line: str) -> None:
    picture = b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(2_000)  # noqa: S311 - no secret
    text = json.dumps(picture.decode("latin-1"))
    written = line.format(picture, base64.b64encode(picture).decode(), picture.hex(), text)

    assert _leaks({"a.log": "nothing\n", "b.log": written}, _runs(picture)) == {"b.log"}


def test_secrets_lie_in_files_that_their_owner_alone_reads(secure: Secure) -> None:
    folder: Path = secure.infra.folder / "secrets"

    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert secure.infra.folder.joinpath("kafka", "server.properties").stat().st_mode & 0o77 == 0
