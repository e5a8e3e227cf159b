"""The whole stack as a person runs it: ended in order, killed, and started again over the rest."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from devstack.processes import ProcessError
from devstack.stack import FolderInUseError, Infrastructure

from devstack import keeper

START_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stack"


@pytest.fixture
def program(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """``python -m devstack infra``, ready."""
    argv = [sys.executable, "-u", "-m", "devstack", "infra", "--folder", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        for line in started.stdout:
            if line.startswith("Ready"):
                break
        yield started
        started.kill()


def processes_below(pid: int) -> list[int]:
    return keeper.descendants(pid)


def wait_until_ended(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while any(keeper.process_identity(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_stops_everything_in_order(program: "subprocess.Popen[str]", folder: Path) -> None:
    below = processes_below(program.pid)
    assert len(below) > 6  # three keepers, three servers, and PostgreSQL's own children
    program.send_signal(signal.SIGINT)
    assert program.wait(30) == 0
    assert not any(keeper.process_identity(pid) for pid in below)
    log = (folder / "postgres" / "postgres.log").read_text(encoding="utf-8")
    assert "database system is shut down" in log
    assert list(folder.rglob("*.pid")) == []


async def test_killed_stack_leaves_no_process_and_starts_again(
    program: "subprocess.Popen[str]", folder: Path
) -> None:
    below = processes_below(program.pid)
    program.kill()
    program.wait(10)
    wait_until_ended(below)
    with Infrastructure(folder) as infrastructure:
        connection = await asyncpg.connect(infrastructure.postgres.dsn())
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


def test_second_stack_in_a_folder_is_refused(
    program: "subprocess.Popen[str]", folder: Path
) -> None:
    with pytest.raises(FolderInUseError, match=str(folder)):
        Infrastructure(folder).start()
    assert program.poll() is None


def test_stack_whose_server_cannot_start_stops_the_others(folder: Path) -> None:
    before = set(processes_below(os.getpid()))  # servers of other tests
    infrastructure = Infrastructure(folder, postgres_settings={"shared_buffers": "senseless"})
    with pytest.raises(ProcessError, match="senseless"):
        infrastructure.start()
    assert not infrastructure.kafka.process.is_running
    assert not infrastructure.inbox.process.is_running
    assert set(processes_below(os.getpid())) <= before


def test_server_that_dies_ends_the_program(program: "subprocess.Popen[str]") -> None:
    (java,) = [
        pid
        for pid in processes_below(program.pid)
        if b"kafka.Kafka" in Path(f"/proc/{pid}/cmdline").read_bytes()
        and b"keeper.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(java, signal.SIGKILL)
    assert program.wait(30) == 1
    assert program.stdout is not None
    assert "kafka ended with status 137" in program.stdout.read()
