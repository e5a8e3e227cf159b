from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devstack.stack import Infrastructure
from devstack.system import Options, System

RECIPIENTS = ("operations@plant.example", "safety@plant.example")


@pytest.fixture
def start_system(tmp_path: Path) -> Iterator[Callable[[Options], System]]:
    """Start the whole system but the detector; everything ends with the test."""
    infra = Infrastructure(tmp_path / "stack")
    started: list[System] = []

    def start(options: Options) -> System:
        infra.start()
        system = System(infra, options)
        started.append(system)
        system.prepare()
        system.start()
        return system

    yield start
    for system in started:
        system.stop()
    if started:
        infra.stop()


@pytest.fixture
def system(start_system: Callable[[Options], System]) -> System:
    return start_system(Options(recipients=RECIPIENTS))
