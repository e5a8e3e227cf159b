"""Keeps one server: when its parent or the server ends, nothing of the server is left behind.

A keeper is a small process between us and a server. Our end of its standard input is the lifeline:
it closes however we end, kill -9 included. The keeper then kills the server and every process that
the server started. It works for a server started from any thread (a parent-death signal set by the
kernel fires when the starting *thread* ends) and for servers that fork, such as PostgreSQL.

This file also runs as a program, under ``python -I -S`` so that it starts in some 15 ms; it imports
nothing but the standard library and never ``devstack``.
"""

import contextlib
import ctypes
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_LIFELINE_FD = 0
_PARENT_CHECK_S = 1.0
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LIBC = ctypes.CDLL(None, use_errno=True)


class Identity(NamedTuple):
    """A process, told apart from a later one with the same number by when it started."""

    pid: int
    started: int  # clock ticks since boot, field 22 of /proc/PID/stat

    def is_alive(self) -> bool:
        return process_identity(self.pid) == self


def process_identity(pid: int) -> Identity | None:
    """Who has this process number now; None when nobody or only a zombie has it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return None if fields[0] in "ZX" else Identity(pid, int(fields[19]))


def descendants(ancestor: int) -> list[int]:
    """The process numbers of children, grandchildren and so on, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            children.setdefault(_parent_of(entry.name), []).append(int(entry.name))
    found = list(children.get(ancestor, ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _parent_of(pid: str) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0  # ended meanwhile
    return int(stat.rpartition(")")[2].split()[1])


def enter_user_namespace() -> None:
    """Continue as the user ``nobody`` of a new user namespace, with root's files as our own.

    PostgreSQL refuses to run as root. In the namespace it sees an ordinary user who owns what root
    owns outside: no system user has to be made and no folder opened to others.

    Raises:
        OSError: The kernel or the container forbids it.
    """
    nobody = pwd.getpwnam("nobody")
    if _LIBC.unshare(_CLONE_NEWUSER) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} 0 1", encoding="ascii")
    # The kernel lets a process map groups only after it gave up changing its own.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} 0 1", encoding="ascii")


def become_nobody() -> None:
    """Continue as the system's user ``nobody``: for containers that forbid user namespaces."""
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


_CHANGE_USER = {"same": lambda: None, "namespace": enter_user_namespace, "nobody": become_nobody}


def _start(argv: list[str], user: str) -> "subprocess.Popen[bytes]":
    keeper_pid = os.getpid()

    def prepare() -> None:
        _CHANGE_USER[user]()
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which clears it
        if os.getppid() != keeper_pid:
            os.kill(os.getpid(), signal.SIGKILL)

    # The keeper has one thread, so that code between fork and exec is safe here.
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, preexec_fn=prepare)  # noqa: PLW1509


def _report(server: "subprocess.Popen[bytes]", pid_file: Path, lifeline: socket.socket) -> None:
    identities = {
        "server": process_identity(server.pid) or Identity(server.pid, 0),
        "keeper": process_identity(os.getpid()),
    }
    record = json.dumps(identities)
    unfinished = pid_file.with_suffix(".new")
    unfinished.write_text(record, encoding="utf-8")
    unfinished.replace(pid_file)
    lifeline.sendall(record.encode() + b"\n")


def _wait_for_an_end(server: "subprocess.Popen[bytes]", parent_pid: int) -> None:
    """Come back when the server has ended or the parent has."""
    ended = select.poll()
    server_fd = os.pidfd_open(server.pid)
    ended.register(_LIFELINE_FD, select.POLLIN | select.POLLHUP)
    ended.register(server_fd, select.POLLIN)
    # A process forked off our parent may hold the lifeline open; the parent's number tells as well.
    while os.getppid() == parent_pid:
        if ended.poll(_PARENT_CHECK_S * 1000):
            break
    os.close(server_fd)


def _end_everything(server_pid: int) -> int:
    """Kill and reap until no descendant is left; give the server's exit code as Popen does.

    Whoever is forked while we look becomes ours, the subreaper's, when its parent dies, and is seen
    in the next round.
    """
    code = 0
    while True:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return code
        if pid == server_pid:
            code = os.waitstatus_to_exitcode(status)


def _end_on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(1)


def keep(argv: list[str], *, pid_file: Path, parent_pid: int, user: str) -> int:
    """Run the server until it or the parent ends.

    Returns:
        The server's exit status; 128 + n when signal n ended it, 127 when it did not start.
    """
    for number in _ENDING_SIGNALS:
        signal.signal(number, _end_on_signal)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    lifeline = socket.socket(fileno=os.dup(_LIFELINE_FD))
    try:
        server = _start(argv, user)
    except (OSError, subprocess.SubprocessError) as error:
        lifeline.sendall(json.dumps({"error": f"{argv[0]}: {error}"}).encode() + b"\n")
        return 127
    try:
        _report(server, pid_file, lifeline)
        _wait_for_an_end(server, parent_pid)
    finally:
        for number in _ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        server.returncode = _end_everything(server.pid)
        pid_file.unlink(missing_ok=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def main() -> int:
    """Run as ``keeper.py PID_FILE PARENT_PID USER COMMAND...`` or ``keeper.py --probe``."""
    if sys.argv[1] == "--probe":
        enter_user_namespace()
        return 0
    pid_file, parent_pid, user, *argv = sys.argv[1:]
    return keep(argv, pid_file=Path(pid_file), parent_pid=int(parent_pid), user=user)


if __name__ == "__main__":
    sys.exit(main())
