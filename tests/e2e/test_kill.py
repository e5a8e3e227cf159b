"""kill -9 of every service in turn under load: nothing is lost and nobody is told twice."""

import asyncio
import random
import sqlite3
from collections import Counter
from pathlib import Path

import asyncpg
import cv2
import pytest
from devstack.service import Service
from devstack.system import System

from devstack import ledger, portraits


@pytest.fixture
def detector(system: System, tmp_path: Path) -> Service:
    """A detector that sees ten people without a mask a second, for ever."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "person.jpg"), portraits.eileen_collins().picture)
    return system.detector(
        str(pictures),
        {
            "MASKWATCH_DEVICE_GUID": "device-1",
            "MASKWATCH_SOURCE_LOOP": "true",
            "MASKWATCH_SOURCE_FPS": "10",
        },
    )


async def _archive(system: System) -> tuple[set[str], int, set[str]]:
    """Return event ids, the number of rows, and the Message-IDs that the ledger calls uncertain."""
    connection = await asyncpg.connect(system.dsn())
    try:
        rows = await connection.fetch("SELECT event_id FROM alert")
        uncertain = await connection.fetch("SELECT message_id FROM delivery WHERE unknowns > 0")
    finally:
        await connection.close()
    return (
        {str(row["event_id"]) for row in rows},
        len(rows),
        {row["message_id"] for row in uncertain},
    )


async def _mails(system: System) -> Counter[str]:
    async with system.infra.inbox.client() as inbox:
        return Counter(mail.message_id for mail in await inbox.messages())


def _made(system: System) -> set[str]:
    with sqlite3.connect(system.outbox) as connection:
        made = {row[0] for row in connection.execute("SELECT event_id FROM alert")}
    connection.close()
    return made


async def test_kill_9_of_each_service_loses_nothing_and_mails_nobody_twice(
    system: System, detector: Service, pytestconfig: pytest.Config
) -> None:
    rounds = pytestconfig.getoption("--kill-rounds")
    seed = pytestconfig.getoption("--kill-seed") or random.SystemRandom().randrange(2**32)
    print(f"--kill-rounds={rounds} --kill-seed={seed}")  # noqa: T201 - repeats a failure
    moments = random.Random(seed)  # noqa: S311 - no secret
    detector.start()

    for _ in range(rounds):
        for service in (detector, system.dispatcher, system.ingress, system.notifier):
            await asyncio.sleep(moments.uniform(0.2, 1.5))
            service.kill()
            service.begin()
    await asyncio.sleep(1)
    assert detector.stop() == 0
    counts = await ledger.until_settled(system.outbox, system.dsn(), timeout_s=180)

    archived, rows, uncertain = await _archive(system)
    mails = await _mails(system)
    made = _made(system)
    print(f"{len(made)} alerts, {mails.total()} mails, {len(uncertain)} of uncertain fate")  # noqa: T201
    assert len(made) >= 4 * rounds
    assert archived == made
    assert rows == len(made)
    assert len(mails) == len(made) * len(system.options.recipients) == counts.mailed
    # A mail whose sender was killed between the server's acceptance and the ledger's record may
    # come once more, with the same Message-ID. No other may.
    assert {mail for mail, count in mails.items() if count > 1} <= uncertain
    assert max(mails.values()) <= 2
