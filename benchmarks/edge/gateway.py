"""`python -m benchmarks.edge.gateway [MINUTES]`: 200 boards, a result a second each, by MQTT.

Each board shows a person without a mask for three results and nobody for one; three of three have
to agree, so an alert follows from all four: lose one and its id is not in the outbox. The broker
is killed twice. Client certificates on both sides; boards publish with QoS 1 and send again what
the broker did not acknowledge, as the protocol has it.
"""

import argparse
import asyncio
import itertools
import json
import logging
import random
import ssl
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import psutil
from edge_detector.gateway import tls
from edge_detector.gateway.compose import event_id_of

from benchmarks import bars
from benchmarks.bars import Bar, at_least, at_most
from benchmarks.edge.gateway_service import GatewayService
from benchmarks.edge.mosquitto import Authority, Mosquitto
from devstack import ports

_BOARDS = 200
_INTERVAL_S = 1.0
_PATTERN = ("no_mask", "no_mask", "no_mask", "no_face")
# Nothing has come for so long: the rest is lost.
_STILL_S = 60.0
_CONFIG = "defaults: {votes_agreeing: 3, votes_among: 3, absence_s: 0.5}\n"


@dataclass
class Load:
    """What the boards have done: the broker has acknowledged each of `sent`."""

    context: ssl.SSLContext
    port: int
    sent: Counter[int] = field(default_factory=Counter)
    reconnects: int = 0


@dataclass
class Usage:
    """Of the gateway's process; MB are 10^6 bytes."""

    cpu_s: float = 0.0
    rss_mb: float = 0.0


def measure(*, minutes: float) -> list[Bar]:
    """Return what was lost, and what the gateway took."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        return asyncio.run(_measure(Path(name), seconds=minutes * 60))


async def _measure(folder: Path, *, seconds: float) -> list[Bar]:
    authority = Authority(folder / "certificates")
    broker = Mosquitto(folder / "mosquitto", authority)
    service = _service(folder, broker, authority)
    pair = authority.issue("board")
    context = tls.client(tls.Files(authority.cert, pair.cert, pair.key), setting="BENCHMARK")
    broker.start()
    try:
        await asyncio.to_thread(service.start)
        load, usage = Load(context, broker.port), Usage()
        watching = asyncio.create_task(_watch(service.process.pid, usage))
        count = round(seconds / _INTERVAL_S) // len(_PATTERN) * len(_PATTERN)
        began_s = time.monotonic()
        killing = asyncio.create_task(_kill_twice(broker, seconds))
        await asyncio.gather(*(_board(load, number, count) for number in range(_BOARDS)))
        await killing
        taken_s = time.monotonic() - began_s
        behind_s = await _settled(service, _BOARDS * count)
        watching.cancel()
        accepted = service.metric("gateway_results_total", outcome="accepted")
        duplicates = service.metric("gateway_results_total", outcome="duplicate")
        service.process.stop()
        return _bars(service, load, usage, count, (accepted, duplicates, taken_s, behind_s))
    finally:
        broker.kill()


def _bars(
    service: GatewayService,
    load: Load,
    usage: Usage,
    count: int,
    figures: tuple[float, float, float, float],
) -> list[Bar]:
    accepted, duplicates, taken_s, behind_s = figures
    found = [event_id for event_id, _ in service.alerts()]
    # The third result of each person decides.
    expected = {
        str(event_id_of(f"gw/{_name(board)}", number))
        for board, number in itertools.product(range(_BOARDS), range(2, count, len(_PATTERN)))
    }
    ended = [kind for _, kind in service.device_events()].count("episode_ended")
    counted = f"{_BOARDS * count:,} results"
    return [
        at_most(f"lost, of {counted}", _BOARDS * count - accepted, 0, unit="results"),
        at_most("alerts missing, by id", len(expected - set(found)), 0, unit="alerts"),
        at_most("alerts that should not be, by id", len(set(found) - expected), 0, unit="alerts"),
        at_least("alerts in the outbox", len(set(found)), len(expected), unit="alerts"),
        at_least("episodes that ended", ended, len(expected), unit="events"),
        Bar("duplicates recognised", duplicates, "results"),
        Bar("stored twice, the same id", len(found) - len(set(found)), "alerts"),
        at_least("broker killed; boards that lost it", load.reconnects, 2, unit="reconnects"),
        Bar("rate", sum(load.sent.values()) / taken_s, "results/s"),
        Bar("behind the last board at the end", behind_s, "s"),
        Bar("CPU of one core", 100 * usage.cpu_s / (taken_s + behind_s), "%"),
        Bar("peak RSS", usage.rss_mb, "MB"),
    ]


def _service(folder: Path, broker: Mosquitto, authority: Authority) -> GatewayService:
    pair = authority.issue("gateway")
    (folder / "gateway.yml").write_text(_CONFIG)
    return GatewayService(
        folder,
        {
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


async def _board(load: Load, board: int, count: int) -> None:
    """Send the results of one board, each until the broker has acknowledged it."""
    chance = random.Random(board)  # noqa: S311 - spreads the boards over the second
    began_s = time.monotonic() + chance.random() * _INTERVAL_S
    number = 0
    while number < count:
        try:
            async with aiomqtt.Client(
                ports.LOOPBACK,
                load.port,
                identifier=_name(board),
                tls_context=load.context,
                keepalive=30,
            ) as client:
                while number < count:
                    due_s = began_s + number * _INTERVAL_S
                    await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                    await client.publish(
                        f"maskwatch/{_name(board)}/result", _message(number, due_s), qos=1
                    )
                    load.sent[board] += 1
                    number += 1
        except aiomqtt.MqttError:
            load.reconnects += 1
            await asyncio.sleep(0.5 + chance.random())


def _message(number: int, due_s: float) -> bytes:
    taken_at = time.time() - (time.monotonic() - due_s)
    label = _PATTERN[number % len(_PATTERN)]
    told = [{"label": label, "value": 0.93}, {"label": "mask", "value": 0.07}]
    return json.dumps({"id": number, "timestamp": taken_at, "results": told}).encode()


def _name(board: int) -> str:
    return f"board-{board:03}"


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
