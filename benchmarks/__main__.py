"""`python -m benchmarks [NAME ...]`: run the benchmarks, print their tables, leave build/bars/."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from devstack.kafka import Kafka
from devstack.postgres import Postgres

from benchmarks import bars, detector, dispatcher, ingress, latency, notifier
from benchmarks.bars import Bar


def main() -> int:
    """Run what the command line names and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(_BENCHMARKS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (%(default)s)")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(_BENCHMARKS):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(_BENCHMARKS)}")
    kept = [bars.report(f"path-{name}", _BENCHMARKS[name](chosen.rounds)) for name in chosen.names]
    return 0 if all(kept) else 1


def _detector(rounds: int) -> list[Bar]:
    return detector.measure(rounds=rounds)


def _dispatcher(rounds: int) -> list[Bar]:
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as folder:
        kafka = Kafka(Path(folder) / "kafka")
        try:
            kafka.start()
            return asyncio.run(dispatcher.measure(kafka, rounds=rounds))
        finally:
            kafka.stop()


def _ingress(rounds: int) -> list[Bar]:
    return _on_both(
        lambda kafka, postgres: asyncio.run(ingress.measure(kafka, postgres, rounds=rounds))
    )


def _notifier(rounds: int) -> list[Bar]:
    return _on_both(
        lambda kafka, postgres: asyncio.run(notifier.measure(kafka, postgres, rounds=rounds))
    )


def _latency(_: int) -> list[Bar]:
    return latency.main()


def _on_both(measure: Callable[[Kafka, Postgres], list[Bar]]) -> list[Bar]:
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        # Each measurement begins on empty servers: what one leaves must not slow the next.
        kafka, postgres = Kafka(Path(name) / "kafka"), Postgres(Path(name) / "postgres")
        try:
            kafka.start()
            postgres.start()
            return measure(kafka, postgres)
        finally:
            kafka.stop()
            postgres.stop()


_BENCHMARKS: dict[str, Callable[[int], list[Bar]]] = {
    "detector": _detector,
    "dispatcher": _dispatcher,
    "ingress": _ingress,
    "notifier": _notifier,
    "latency": _latency,
}

if __name__ == "__main__":
    sys.exit(main())
