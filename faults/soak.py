"""``python -m faults.soak --minutes 30 [--seed N]``: the whole path at half its capacity, while
something is broken every 20 seconds.

At the end nothing is lost and nothing came twice, every queue is empty, and no process has grown.
"""  # noqa: D205 - one sentence

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.inbox import Inbox
from devstack.postgres import Postgres
from devstack.service import Service

from benchmarks import bars
from benchmarks.bars import Bar, at_least, at_most
from faults import path, servers, sources, watch
from faults.case import Case, Fault
from faults.load import Shape
from faults.path import AlertPath
from faults.servers import Servers
from faults.storm import Scene, Storm
from faults.watch import Trend, Watch

RECIPIENT = "operations@plant.example"
# A mail of uncertain fate may come once more, with the same Message-ID (docs/adr/0001).
_ANY = sys.maxsize
_SHAPE = Shape(devices=10, picture_bytes=1_000)
_CAPACITY_ALERTS = 4_000
_DRAIN_S = 600.0
_SAMPLES = sources.ROOT / "build" / "faults" / "soak-samples.json"
_GROWTH_MAX = 0.10
_MORE_MAX = 5


@dataclass(frozen=True)
class Soaked:
    """What a soak came to.

    Attributes:
        bars: For the table.
        verdict: The checker's report.
    """

    bars: Sequence[Bar]
    verdict: str


async def soak(fault: Fault, folder: Path, *, minutes: float, every_s: float) -> Soaked:
    """Run one soak."""
    async with _servers(folder) as started:
        dsn = await started.fresh_database("soak")
        capacity = await _capacity(started, folder / "capacity", await _spare(started), fault)
        await started.empty()
        way = _path(started, folder / "soak", dsn, fault)
        try:
            return await _soaked(
                way, fault, capacity=capacity, seconds=60 * minutes, every_s=every_s
            )
        finally:
            await asyncio.to_thread(way.stop)
            await asyncio.to_thread(started.heal)


async def _soaked(
    way: AlertPath, fault: Fault, *, capacity: float, seconds: float, every_s: float
) -> Soaked:
    scene = await _started(way)
    services = [*scene.steady, *scene.victims]
    look = Watch(lambda: {one.label: _pid(one) for one in services})
    watching = asyncio.create_task(look.run())
    way.load.begin(per_second=capacity / 2, shape=_SHAPE)
    storm = Storm(scene, fault.random, every_s=every_s)
    try:
        await storm.run(seconds)
    finally:
        watching.cancel()
        look.save(_SAMPLES)
    fault.counts.update(storm.counts)
    fault.healed()
    expected = way.expecting(recipients=(RECIPIENT,), uncertain_mails=_ANY)
    verdict = await way.prove(fault, expected, timeout_s=_DRAIN_S)
    lines = [
        Bar("capacity", capacity, "alerts/s"),
        at_least("faults injected", storm.counts.total(), seconds / every_s * 0.8, unit="faults"),
        Bar("alerts made", fault.events, "alerts"),
        at_most("findings of the checker", len(verdict.findings), 0, unit="findings"),
        Bar("until nothing waited", fault.recovery_s or 0.0, "s"),
    ]
    for service in services:
        found = watch.trend(look.samples[service.label], settle_s=min(60.0, seconds / 10))
        lines += _bars_of(service, found, is_steady=service in scene.steady)
    return Soaked(lines, str(verdict))


def _bars_of(service: Service, found: Trend | None, *, is_steady: bool) -> list[Bar]:
    """A victim's last life may be too short to tell anything: its figures promise nothing."""
    name = service.label
    if found is None:
        return [at_least(f"{name}, watched", 0, 1, unit="s")] if is_steady else []
    figures = [
        Bar(f"{name}, watched", found.seconds, "s"),
        Bar(f"{name}, resident", found.rss_mb, "MB"),
        Bar(f"{name}, slope", found.rss_mb_per_hour, "MB/h"),
    ]
    if not is_steady:
        return figures
    return [
        *figures,
        at_most(f"{name}, grown while watched", found.growth, _GROWTH_MAX, unit="share"),
        at_most(f"{name}, descriptors more", found.descriptors_more, _MORE_MAX, unit=""),
        at_most(f"{name}, connections more", found.connections_more, _MORE_MAX, unit=""),
    ]


async def _started(way: AlertPath) -> Scene:
    """Start one dispatcher, two of each consumer, every connection of the first ones by a proxy."""
    ways = {
        "dispatcher": ("kafka",),
        "ingress": ("kafka", "postgres"),
        "notifier": ("kafka", "postgres", "smtp"),
    }
    proxies = {
        f"{name} to {server}": way.proxy(name, server)  # type: ignore[arg-type]  # of the literals
        for name, targets in ways.items()
        for server in targets
    }
    steady = [way.dispatcher, way.ingress, way.notifier]
    victims = [way.replica("ingress"), way.replica("notifier")]
    await path.start(*steady, *victims)
    return Scene(way, steady, victims, proxies)


async def _capacity(started: Servers, folder: Path, dsn: str, fault: Fault) -> float:
    """Return how many alerts a second go the whole path, mails included, with two of each."""
    way = _path(started, folder, dsn, fault)
    try:
        await _started(way)
        await way.load.block(_CAPACITY_ALERTS // 10, shape=_SHAPE)
        await way.until_settled(timeout_s=_DRAIN_S)
        began_s = time.monotonic()
        await way.load.block(_CAPACITY_ALERTS, shape=_SHAPE)
        if not await way.until_settled(timeout_s=_DRAIN_S):
            raise TimeoutError("the path did not come to rest while its capacity was measured")
        return _CAPACITY_ALERTS / (time.monotonic() - began_s)
    finally:
        await asyncio.to_thread(way.stop)


async def _spare(started: Servers) -> str:
    return await started.fresh_database("capacity")


def _path(started: Servers, folder: Path, dsn: str, fault: Fault) -> AlertPath:
    folder.mkdir(parents=True)
    way = AlertPath(started, folder, dsn, fault)
    way.configure("notifier", RECIPIENTS=RECIPIENT)
    return way


def _pid(service: Service) -> int | None:
    return service.process.pid if service.is_running else None


@asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[Servers]:
    doors = servers.doors()
    parts = (
        servers.kafka(folder / "kafka", doors),
        Postgres(folder / "postgres"),
        Inbox(folder / "inbox"),
    )
    try:
        for part in parts:
            await asyncio.to_thread(part.start)
        made = Servers(*parts, doors, folder)
        await made.prepare()
        yield made
    finally:
        for part in parts:
            await asyncio.to_thread(part.stop)


def main() -> int:
    """Soak, print the table, leave build/bars/faults-soak.json, and return 1 when one is missed."""
    parser = argparse.ArgumentParser(prog="faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=20.0, metavar="SECONDS", help="a fault")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    print(f"--seed {given.seed}", flush=True)
    fault = Fault(Case("soak", "a random fault every so often"), given.seed)
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL of a root runs as another user, who must get through
        soaked = asyncio.run(soak(fault, folder, minutes=given.minutes, every_s=given.every))
    print(soaked.verdict)
    for kind, count in sorted(fault.counts.items()):
        print(f"  {count:4} {kind}")
    return 0 if bars.report("faults-soak", soaked.bars) else 1


if __name__ == "__main__":
    sys.exit(main())
