"""`python -m benchmarks [NAME ...]`: run the benchmarks, print their tables, leave build/bars/.

Without a name, the short ones. `debezium` (some 12 minutes; downloads Kafka Connect once) and
`scaling` (some 15; draws docs/performance/*.svg) are run when named, `all` runs everything.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from devstack.kafka import Kafka
from devstack.postgres import Postgres

from benchmarks import bars, detector, dispatcher, drain, ingress, latency, notifier, scaling
from benchmarks.bars import Bar
from benchmarks.debezium import comparison


def main() -> int:
    """Run what the command line names and return 1 when a bar was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(_SHORT), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (%(default)s)")
    chosen = parser.parse_args()
    known = _SHORT | _LONG
    if unknown := set(chosen.names) - {*known, *_WORDS}:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join((*known, *_WORDS))}")
    names = [each for name in chosen.names for each in _WORDS.get(name, (name,))]
    kept = [bars.report(f"path-{name}", known[name](chosen.rounds)) for name in names]
    return 0 if all(kept) else 1


def _detector(rounds: int) -> list[Bar]:
    return detector.measure(rounds=rounds)


def _dispatcher(rounds: int) -> list[Bar]:
    return _on_kafka(lambda kafka: asyncio.run(dispatcher.measure(kafka, rounds=rounds)))


def _drain(_: int) -> list[Bar]:
    return _on_kafka(lambda kafka: asyncio.run(drain.measure(kafka)))


def _on_kafka(measure: Callable[[Kafka], list[Bar]]) -> list[Bar]:
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as folder:
        kafka = Kafka(Path(folder) / "kafka")
        try:
            kafka.start()
            return measure(kafka)
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


def _debezium(part: comparison.Part) -> Callable[[int], list[Bar]]:
    return lambda rounds: _on_both(
        lambda kafka, postgres: asyncio.run(
            comparison.measure(kafka, postgres, part, rounds=rounds)
        )
    )


def _scaling(part: scaling.Part) -> Callable[[int], list[Bar]]:
    return lambda rounds: _on_both(
        lambda kafka, postgres: asyncio.run(scaling.measure(kafka, postgres, part, rounds=rounds))
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


_SHORT: dict[str, Callable[[int], list[Bar]]] = {
    "detector": _detector,
    "dispatcher": _dispatcher,
    "drain": _drain,
    "ingress": _ingress,
    "notifier": _notifier,
    "latency": _latency,
}
_LONG: dict[str, Callable[[int], list[Bar]]] = {
    **{f"debezium-{part.name}": _debezium(part) for part in comparison.PARTS},
    **{f"scaling-{part.name}": _scaling(part) for part in scaling.PARTS},
}
# What stands for several.
_WORDS = {
    "debezium": tuple(name for name in _LONG if name.startswith("debezium-")),
    "scaling": tuple(name for name in _LONG if name.startswith("scaling-")),
    "all": (*_SHORT, *_LONG),
}

if __name__ == "__main__":
    sys.exit(main())
