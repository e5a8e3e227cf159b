"""No process outlives its parent, however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devstack.processes import Command, Process, ProcessError

from devstack import keeper, processes

# A server with a child of its own, each telling its number; the child ignores polite requests.
FAMILY = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
print(subprocess.Popen([sys.executable, "-c", child], start_new_session=True).pid, flush=True)
time.sleep(600)
"""
PARENT = """
import sys, threading, time
from pathlib import Path
from devstack.processes import Command, Process
command = Command(name="family", argv=(sys.executable, "-c", sys.argv[2]), folder=Path(sys.argv[1]))
kept = []
def start():
    kept.append(Process(command))
thread = threading.Thread(target=start)
thread.start(); thread.join()
print(kept[0].pid, flush=True)
time.sleep(600)
"""


def wait_for(condition: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def family(folder: Path) -> Command:
    return Command(name="family", argv=(sys.executable, "-c", FAMILY), folder=folder)


def child_of(folder: Path) -> int:
    """The number that the newest family told in its log."""
    log = folder / "family.log"
    wait_for(lambda: log.exists() and log.read_text(encoding="utf-8").endswith("\n"))
    return int(log.read_text(encoding="utf-8").splitlines()[-1])


def is_alive(pid: int) -> bool:
    return keeper.process_identity(pid) is not None


def test_stop_ends_the_server_and_its_descendants(tmp_path: Path) -> None:
    process = Process(family(tmp_path))
    child = child_of(tmp_path)
    assert process.stop() == 128 + signal.SIGTERM
    assert not process.is_running
    assert not is_alive(process.pid)
    assert not is_alive(child)
    assert not process.command.pid_file.exists()


def test_kill_ends_the_server_and_its_descendants(tmp_path: Path) -> None:
    process = Process(family(tmp_path))
    child = child_of(tmp_path)
    assert process.kill() == 128 + signal.SIGKILL
    assert not is_alive(child)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process whose thread, ended since, started a family."""
    argv = [sys.executable, "-c", PARENT, str(tmp_path), FAMILY]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as started:
        yield started
        started.kill()


def first_number(program: "subprocess.Popen[bytes]") -> int:
    assert program.stdout is not None
    return int(program.stdout.readline())


def test_server_outlives_the_thread_that_started_it(
    parent: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    server = first_number(parent)  # told after the thread's end
    assert is_alive(child_of(tmp_path))
    assert is_alive(server)


def test_killed_parent_leaves_no_process_behind(
    parent: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    server, child = first_number(parent), child_of(tmp_path)
    parent.kill()
    wait_for(lambda: not is_alive(server) and not is_alive(child))


def test_paused_server_goes_with_its_killed_parent(
    parent: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    server, child = first_number(parent), child_of(tmp_path)
    for pid in (server, child):
        os.kill(pid, signal.SIGSTOP)
    parent.kill()
    wait_for(lambda: not is_alive(server) and not is_alive(child))


def test_next_start_ends_what_a_killed_keeper_left(tmp_path: Path) -> None:
    first = Process(Command(name="nap", argv=("/bin/sleep", "600"), folder=tmp_path))
    record = first.command.pid_file.read_text(encoding="utf-8")
    first.stop()
    orphan = subprocess.Popen(["/bin/sleep", "600"])
    identity = keeper.process_identity(orphan.pid)
    assert identity is not None
    former = list(keeper.Identity(first.pid, 1))
    assert str(first.pid) in record
    first.command.pid_file.write_text(
        f'{{"server": {list(identity)}, "keeper": {former}}}', encoding="utf-8"
    )
    second = Process(first.command)
    assert orphan.wait(5) == -signal.SIGKILL
    second.stop()


def test_process_with_a_reused_number_is_left_alone(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["/bin/sleep", "600"])
    pid_file = tmp_path / "nap.pid"
    stranger = [bystander.pid, 1]
    pid_file.write_text(f'{{"server": {stranger}, "keeper": {stranger}}}', encoding="utf-8")
    processes.end_leftover(pid_file)
    assert bystander.poll() is None
    assert not pid_file.exists()
    bystander.kill()
    bystander.wait()


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"server": 1}', '{"server": null}'])
def test_torn_pid_file_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "nap.pid").write_text(content, encoding="utf-8")
    processes.end_leftover(tmp_path / "nap.pid")
    assert not (tmp_path / "nap.pid").exists()


def test_pause_freezes_until_resume(tmp_path: Path) -> None:
    process = Process(family(tmp_path))
    child = child_of(tmp_path)
    process.pause()
    wait_for(lambda: state(process.pid) == state(child) == "T")
    process.resume()
    wait_for(lambda: "T" not in {state(process.pid), state(child)})
    process.pause()
    assert process.stop() == 128 + signal.SIGTERM
    assert not is_alive(child)


def state(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return stat.rpartition(")")[2].split()[0]


def test_ctrl_c_of_the_terminal_does_not_reach_the_server(tmp_path: Path) -> None:
    process = Process(Command(name="nap", argv=("/bin/sleep", "600"), folder=tmp_path))
    assert os.getpgid(process.pid) != os.getpgid(0)
    assert os.getsid(process.pid) != os.getsid(0)
    process.stop()


def test_program_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="no-such-program"):
        Process(Command(name="absent", argv=("/no-such-program",), folder=tmp_path))


def test_server_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "import sys; sys.exit('port taken')")
    process = Process(Command(name="early", argv=argv, folder=tmp_path))
    with pytest.raises(ProcessError, match=r"status 1(.|\n)*port taken"):
        process.wait_until(lambda: False, timeout_s=10)


def test_stop_is_forced_after_its_limit(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)"
    argv = (sys.executable, "-u", "-c", stubborn)
    process = Process(Command(name="family", argv=argv, folder=tmp_path, stop_timeout_s=0.2))
    child_of(tmp_path)
    assert process.stop() == 128 + signal.SIGKILL
