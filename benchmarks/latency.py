"""From the frame to the inbox: the detector sees five people without a mask a second."""

import asyncio
import tempfile
from pathlib import Path

import asyncpg
import cv2
import numpy as np
from devstack.stack import Infrastructure
from devstack.system import Options, System

from benchmarks.bars import Bar, at_most
from devstack import ledger, portraits

ALERTS = 300
ALERTS_A_SECOND = 5


async def measure(system: System, folder: Path, *, alerts: int = ALERTS) -> list[Bar]:
    """Return the time from a frame's taking to the acceptance of its mail, ms."""
    pictures = folder / "pictures"
    pictures.mkdir()
    person = portraits.eileen_collins().picture
    for number in range(alerts):
        cv2.imwrite(str(pictures / f"{number:04}.jpg"), person)
    detector = system.detector(
        str(pictures),
        {
            "MASKWATCH_DEVICE_GUID": "device-1",
            "MASKWATCH_SOURCE_FPS": str(ALERTS_A_SECOND),
            "MASKWATCH_EXIT_AT_END": "true",
        },
    )
    detector.begin()
    await asyncio.to_thread(detector.process.wait, alerts / ALERTS_A_SECOND + 60)
    counts = await ledger.until_settled(system.outbox, system.dsn(), timeout_s=60)
    delays_ms = await _delays_ms(system)
    if not len(delays_ms) == counts.mailed == alerts:
        raise RuntimeError(f"{alerts} alerts were to be mailed: {counts}, {len(delays_ms)} arrived")
    return [
        at_most("frame to inbox, p95", float(np.percentile(delays_ms, 95)), 1000, unit="ms"),
        Bar("frame to inbox, median", float(np.median(delays_ms)), "ms"),
        Bar("frame to inbox, longest", max(delays_ms), "ms"),
    ]


async def _delays_ms(system: System) -> list[float]:
    connection = await asyncpg.connect(system.dsn())
    try:
        rows = await connection.fetch("SELECT message_id, event_time FROM delivery")
    finally:
        await connection.close()
    taken_at = {row["message_id"]: row["event_time"] for row in rows}
    async with system.infra.inbox.client() as inbox:
        return [
            1000 * (mail.received_at - taken_at[mail.message_id]).total_seconds()
            for mail in await inbox.messages()
        ]


def main() -> list[Bar]:
    """Run the whole system for a minute and measure."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        folder = Path(name)
        with (
            Infrastructure(folder / "stack") as infra,
            System(infra, Options(recipients=("operations@plant.example",))) as system,
        ):
            return asyncio.run(measure(system, folder))
