"""The end that was asked for."""

import asyncio
import sqlite3
import time
from pathlib import Path

from devstack.service import Service

from faults import detector, watching
from faults.case import Fault, case
from faults.path import AlertPath, Name

_GRACE_S = 10.0  # MASKWATCH_SHUTDOWN_S, unless it is set
_NAMES: tuple[Name, ...] = ("dispatcher", "ingress", "notifier")
_POINTS: dict[Name, tuple[str, ...]] = {
    "dispatcher": ("dispatcher.read_not_published", "dispatcher.acknowledged_not_marked"),
    "ingress": ("ingress.read_not_archived", "ingress.committed_not_offset"),
    "notifier": ("notifier.claimed_not_sent", "notifier.accepted_not_recorded"),
}


async def _end(service: Service, fault: Fault) -> None:
    began_s = time.monotonic()
    assert await asyncio.to_thread(service.stop) == 0
    fault.measured(f"{service.name} ended after", time.monotonic() - began_s, "s", at_most=_GRACE_S)
    fault.injected("SIGTERM")


async def _end_at_a_point(path: AlertPath, name: Name, fault: Fault) -> None:
    armed = path.armed(name, fault.random.choice(_POINTS[name]), number="TERM")
    await armed.until_signalled(timeout_s=60)
    assert await asyncio.to_thread(armed.process.wait, _GRACE_S + 5) == 0
    fault.injected("SIGTERM at a point")


def _stored(outbox: Path) -> int:
    with sqlite3.connect(f"file:{outbox}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT count(*) FROM device_event").fetchone()[0])


@case("F48", "SIGTERM of every service under load, at any moment and between two effects")
async def test_every_service_ends_in_time_with_0_and_leaves_nothing_half_done(
    path: AlertPath, fault: Fault
) -> None:
    camera = detector.made(path.folder, path.folder / "camera.db")
    await path.start(*_NAMES)
    await asyncio.to_thread(path.load.begin, per_second=20)
    for name in fault.random.sample(_NAMES, k=3):
        await asyncio.sleep(fault.random.uniform(0.2, 1.5))
        await _end(getattr(path, name), fault)
        await _end_at_a_point(path, name, fault)
        await path.start(name)
    path.load.end()
    camera.begin()
    await watching.until(camera.is_ready)
    await asyncio.sleep(fault.random.uniform(1, 3))
    stored = camera.metric("edge_detector_frames_total")
    await _end(camera, fault)
    fault.healed()
    await path.prove(fault)
    assert stored > 0
    assert _stored(path.folder / "camera.db") > 0
