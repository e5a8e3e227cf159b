"""A case runs once a seed, and leaves a line in build/faults/results.jsonl however it ends."""

import asyncio
import itertools
import os
import subprocess
import time
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from devstack.inbox import Inbox
from devstack.kafka import Kafka
from devstack.postgres import Postgres

from faults import outcomes, servers, sources, summary
from faults.case import Case, Fault, Measured
from faults.outcomes import Bar, Outcome
from faults.path import AlertPath
from faults.servers import Door, Servers

_numbers = itertools.count(1)
_fault = pytest.StashKey[Fault]()
_failure = pytest.StashKey[str]()
_began_s = pytest.StashKey[float]()
_before = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=1, help="runs of each case, a seed each")
    parser.addoption("--first-seed", type=int, default=1, help="repeats a seed of a former run")
    parser.addoption(
        "--whole", action="store_true", help="no case is shortened: F7 with 260,000 alerts"
    )
    parser.addoption("--cases", default="", help="such as F9,F24; all by default")
    parser.addoption(
        "--resume", action="store_true", help="leave out what passed on the same sources"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "case(case): a row of the list of faults")
    config.stash[_before] = len(outcomes.read())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("case")
    if marker is None:
        return
    # Both have defaults for a run of the whole of tests/, which reads this file too late.
    first = metafunc.config.getoption("--first-seed", default=1)
    count = metafunc.config.getoption("--seeds", default=1)
    number = marker.args[0].number
    seeds = range(first, first + count)
    metafunc.parametrize("seed", seeds, ids=[f"{number}-seed{seed}" for seed in seeds])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {one for one in config.getoption("--cases", default="").split(",") if one}
    passed = _passed() if config.getoption("--resume", default=False) else set()
    left_out = [item for item in items if _is_left_out(item, wanted, passed)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _passed() -> set[tuple[str, int, str]]:
    latest = outcomes.latest(outcomes.read())
    return {(one.text, one.seed, one.digest) for one in latest if one.has_passed}


def _is_left_out(item: pytest.Item, wanted: set[str], passed: set[tuple[str, int, str]]) -> bool:
    case = _case(item)
    if case is None:
        return False
    if wanted and case.number not in wanted:
        return True
    return bool(passed) and (case.text, _seed(item), outcomes.digest(item.path)) in passed


def _case(item: pytest.Item) -> Case | None:
    marker = item.get_closest_marker("case")
    return marker.args[0] if marker else None


def _seed(item: pytest.Item) -> int:
    assert isinstance(item, pytest.Function)
    return int(str(item.callspec.params["seed"]))


# --- outcomes ---


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_began_s] = time.monotonic()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fault = item.stash.get(_fault, None)
    if fault is not None and call.when == "call" and report.passed and not fault.counts:
        report.outcome = "failed"
        report.longrepr = "the case injected nothing"
    if report.failed:
        # Some errors say nothing, such as a plain TimeoutError: their name does.
        said = call.excinfo.exconly() if call.excinfo else str(report.longrepr)
        item.stash.setdefault(_failure, said)
    if _case(item) is not None and call.when == "teardown":
        outcomes.append(_outcome(item))
    return report


def _outcome(item: pytest.Item) -> Outcome:
    case = _case(item)
    assert case is not None
    seed = _seed(item)
    fault = item.stash.get(_fault, None) or Fault(case, seed)
    failure = item.stash.get(_failure, "")
    example = fault.counter_example or failure.strip().partition("\n")[0]
    return Outcome(
        case=case.number,
        text=case.text,
        theme=item.path.stem.removeprefix("test_"),
        seed=seed,
        digest=outcomes.digest(item.path),
        commit=_commit(),
        has_passed=not failure,
        injected=dict(fault.counts),
        events=fault.events,
        recovery_s=fault.recovery_s,
        duration_s=round(time.monotonic() - item.stash[_began_s], 2),
        report=fault.verdict,
        counter_example=example[:500] if failure else "",
        bars=[_bar(measured) for measured in fault.measures],
    )


def _bar(measured: Measured) -> Bar:
    limits = (measured.at_most, measured.at_least)
    floor = next((limit for limit in limits if limit is not None), None)
    is_kept = None if floor is None else measured.is_kept
    return Bar(
        name=measured.name, value=measured.value, unit=measured.unit, floor=floor, ok=is_kept
    )


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=sources.ROOT)
    return found.stdout.strip() or "unknown"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # From the file: with --numprocesses the cases ran in other processes.
    made = outcomes.read()[terminalreporter.config.stash[_before] :]
    if made:
        terminalreporter.section("faults")
        terminalreporter.write_line(summary.text(made))
        summary.write_bars(made)


# --- fixtures ---


@pytest.fixture(scope="session")
def doors() -> list[Door]:
    return servers.doors()


@pytest.fixture(scope="session")
def kafka_server(server_folder: Path, doors: list[Door]) -> Iterator[Kafka]:
    server = servers.kafka(server_folder / "kafka", doors)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def fault_servers(
    kafka_server: Kafka,
    postgres_server: Postgres,
    inbox: Inbox,
    doors: list[Door],
    server_folder: Path,
) -> Servers:
    made = Servers(kafka_server, postgres_server, inbox, doors, server_folder)
    asyncio.run(made.prepare())
    return made


@pytest.fixture
def fault(request: pytest.FixtureRequest, seed: int) -> Fault:
    """What the case draws from and reports to."""
    case = _case(request.node)
    assert case is not None, "the fixture fault belongs to cases"
    print(f"{case.number}: --cases {case.number} --first-seed {seed}")  # noqa: T201 - repeats it
    made = Fault(case, seed, is_whole=request.config.getoption("--whole", default=False))
    request.node.stash[_fault] = made
    return made


@pytest.fixture
async def path(fault: Fault, fault_servers: Servers, tmp_path: Path) -> AsyncIterator[AlertPath]:
    """The case's own outbox, database, groups and services; nothing runs yet."""
    name = f"faults_{os.getpid()}_{next(_numbers)}"
    await fault_servers.empty()
    dsn = await fault_servers.fresh_database(name)
    folder = tmp_path / name
    folder.mkdir()
    made = AlertPath(fault_servers, folder, dsn, fault)
    yield made
    await asyncio.to_thread(made.stop)
    await asyncio.to_thread(fault_servers.heal)
    await fault_servers.postgres.drop_database(name)
