"""`python -m benchmarks.edge.gateway [MINUTES]`: 200 boards, a result a second each, by MQTT.

Behind the gateway runs the whole chain, and ids are compared in PostgreSQL: outbox, dispatcher,
Kafka, ingress, archive. The broker of the boards is killed twice. Client certificates on both
sides; see `boards` for what they send.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from edge_detector import tls

from benchmarks import bars
from benchmarks.bars import Bar, at_least, at_most
from benchmarks.edge import boards
from benchmarks.edge.boards import Boards
from benchmarks.edge.chain import Chain
from benchmarks.edge.gateway_service import GatewayService
from benchmarks.edge.mosquitto import Authority, Mosquitto
from devstack import ports

_BOARDS = 200
# Nothing has come for so long: the rest is lost.
_STILL_S = 60.0


@dataclass
class Usage:
    """Of the gateway's process; MB are 10^6 bytes."""

    cpu_s: float = 0.0
    rss_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it.

    Attributes:
        accepted: Results that the gateway has counted, without the duplicates.
        taken_s: The boards'.
        behind_s: From the last board's end to the last result at the gateway.
    """

    accepted: float
    duplicates: float
    taken_s: float
    behind_s: float
    usage: Usage


def measure(*, minutes: float) -> list[Bar]:
    """Return what was lost, and what the gateway took."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as another user, who must get through
        authority = Authority(folder / "certificates")
        broker = Mosquitto(folder / "mosquitto", authority)
        service = _service(folder, broker, authority)
        pair = authority.issue("board")
        context = tls.client(tls.Files(authority.cert, pair.cert, pair.key), setting="BENCHMARK")
        seconds = minutes * 60
        load = Boards(context, broker.port, _BOARDS, boards.whole_patterns(seconds))
        with Chain(folder / "chain", service.outbox_path) as chain:
            broker.start()
            try:
                service.start()
                run = asyncio.run(_run(service, broker, load, seconds))
                # What stands in memory goes to the outbox.
                service.process.stop()
                return _bars(service, chain, load, run, chain.settle())
            finally:
                broker.kill()


async def _run(service: GatewayService, broker: Mosquitto, load: Boards, seconds: float) -> Run:
    usage = Usage()
    watching = asyncio.create_task(_watch(service.process.pid, usage))
    began_s = time.monotonic()
    killing = asyncio.create_task(_kill_twice(broker, seconds))
    await load.run()
    await killing
    taken_s = time.monotonic() - began_s
    behind_s = await _settled(service, load.total)
    watching.cancel()
    accepted = service.metric("gateway_results_total", outcome="accepted")
    duplicates = service.metric("gateway_results_total", outcome="duplicate")
    return Run(accepted, duplicates, taken_s, behind_s, usage)


def _bars(
    service: GatewayService, chain: Chain, load: Boards, run: Run, archive_s: float
) -> list[Bar]:
    expected = load.alert_ids
    found, stored = chain.alerts(), {event_id for event_id, _ in service.alerts()}
    ended = [one for one, kind in chain.device_events() if kind == "episode_ended"]
    made = {one for one, kind in service.device_events() if kind == "episode_ended"}
    return [
        at_most(f"lost, of {load.total:,} results", load.total - run.accepted, 0, unit="results"),
        at_most("missing in PostgreSQL, by id", len(expected - set(found)), 0, unit="alerts"),
        at_most("not expected there, by id", len(set(found) - expected), 0, unit="alerts"),
        at_most("twice there, the same id", len(found) - len(set(found)), 0, unit="alerts"),
        at_least("in PostgreSQL", len(set(found)), len(expected), unit="alerts"),
        at_least("in the outbox", len(stored), len(expected), unit="alerts"),
        at_least("episode_ended in PostgreSQL", len(set(ended)), len(expected), unit="events"),
        at_most("of the outbox missing there, by id", len(made - set(ended)), 0, unit="events"),
        at_most("more of them than alerts", len(ended) - len(expected), 0, unit="events"),
        Bar("duplicates recognised", run.duplicates, "results"),
        at_least("broker killed; boards that lost it", load.reconnects, 2, unit="reconnects"),
        Bar("rate", load.sent.total() / run.taken_s, "results/s"),
        Bar("gateway behind the last board", run.behind_s, "s"),
        Bar("archive behind the gateway's end", archive_s, "s"),
        Bar("CPU of one core", 100 * run.usage.cpu_s / (run.taken_s + run.behind_s), "%"),
        Bar("peak RSS", run.usage.rss_mb, "MB"),
    ]


def _service(folder: Path, broker: Mosquitto, authority: Authority) -> GatewayService:
    pair = authority.issue("gateway")
    (folder / "gateway.yml").write_text(boards.CONFIG)
    return GatewayService(
        folder / "gateway",
        {
            "device_guid": boards.GATEWAY_GUID,
            "gateway_file": folder / "gateway.yml",
            "gateway_unknown_boards": "accept",
            "gateway_mqtt_host": ports.LOOPBACK,
            "gateway_mqtt_port": broker.port,
            "gateway_mqtt_ca_file": authority.cert,
            "gateway_mqtt_cert_file": pair.cert,
            "gateway_mqtt_key_file": pair.key,
            "log_level": "warning",
        },
    )


async def _kill_twice(broker: Mosquitto, seconds: float) -> None:
    """Kill the broker after a third and after two thirds of the time, away for 2 s and 5 s."""
    for away_s in (2.0, 5.0):
        await asyncio.sleep(seconds / 3)
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(broker.start)


async def _settled(service: GatewayService, results: int) -> float:
    """Wait until everything has arrived, or nothing more comes; return the seconds it took."""
    began_s = moved_s = time.monotonic()
    seen = 0.0
    while seen < results and time.monotonic() - moved_s < _STILL_S:
        now_seen = service.metric("gateway_results_total", outcome="accepted")
        if now_seen > seen:
            seen, moved_s = now_seen, time.monotonic()
        await asyncio.sleep(1.0)
    return moved_s - began_s


async def _watch(pid: int, usage: Usage) -> None:
    process = psutil.Process(pid)
    before = process.cpu_times()
    while True:
        now = process.cpu_times()
        usage.cpu_s = now.user + now.system - before.user - before.system
        usage.rss_mb = max(usage.rss_mb, process.memory_info().rss / 1e6)
        await asyncio.sleep(0.25)


def main() -> int:
    """Measure, print, and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.edge.gateway", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=5.0, metavar="MINUTES")
    chosen = parser.parse_args()
    # It tells of every connection that the killed broker has cut off, which is what is asked for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return 0 if bars.report("edge-gateway", measure(minutes=chosen.minutes)) else 1


if __name__ == "__main__":
    sys.exit(main())
