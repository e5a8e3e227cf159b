"""The outbox between processes: killed, started together, checkpointing beside each other."""

import random
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil
from maskwatch_proto import contract
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import Wire

_KILL_ROUNDS = 40
# Appends alerts of 40 KB and tells the number of each after it is durable.
_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox

path, begin, count, wal_bytes = Path(sys.argv[1]), *map(int, sys.argv[2:])
print("ready", flush=True)
sys.stdin.readline()
outbox = Outbox.open(path)
checkpointer = Checkpointer(path, wal_bytes=wal_bytes)
for number in range(begin, begin + count):
    outbox.append(Alert(
        event_id=uuid4(),
        event_time=datetime.now(UTC),
        device=Device(guid="device-1"),
        probability=0.5,
        image=Image(data=number.to_bytes(4, "big") * 10_000),
        sequence=number,
    ))
    print(number, flush=True)
    checkpointer.checkpoint(outbox.connection)
"""


def _writer(path: Path, *, begin: int, count: int, wal_bytes: int) -> subprocess.Popen[str]:
    """Start a writer; it waits for a line before it opens the outbox."""
    numbers = map(str, (begin, count, wal_bytes))
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert _pipe(process.stdout).readline() == "ready\n"
    return process


def _go(process: subprocess.Popen[str]) -> None:
    _pipe(process.stdin).write("\n")
    _pipe(process.stdin).flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def _stored(path: Path) -> list[int]:
    """Return the numbers in the outbox in order, each row's picture compared."""
    outbox = Outbox.open(path)
    try:
        assert outbox.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = outbox.pending(after=0, limit=100_000, size_bytes_max=10**10)
        numbers = []
        for row in rows:
            assert isinstance(row.wire, Wire)
            alert = contract.decode(row.wire.value)
            assert alert.image.data == alert.sequence.to_bytes(4, "big") * 10_000
            numbers.append(alert.sequence)
        return numbers
    finally:
        outbox.close()


def test_killed_while_inserting_no_row_that_was_told_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    chance = random.Random(20_261_121)  # noqa: S311 - a seed, no secret
    told: set[int] = set()
    for kill in range(_KILL_ROUNDS):
        process = _writer(path, begin=kill * 1000, count=1000, wal_bytes=400_000)
        _go(process)
        for _ in range(chance.randint(1, 12)):
            told.add(int(_pipe(process.stdout).readline()))
        process.kill()
        rest, _ = process.communicate()
        # A last line may be cut; one that is whole was told.
        told |= {int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")}

    stored = _stored(path)

    assert told <= set(stored)
    assert len(stored) == len(set(stored))
    assert stored == sorted(stored)


def test_processes_that_open_a_new_outbox_together_all_get_it(tmp_path: Path) -> None:
    for round_ in range(5):
        path = tmp_path / f"outbox-{round_}.db"
        processes = [_writer(path, begin=n * 10, count=1, wal_bytes=10**9) for n in range(3)]
        for process in processes:
            _go(process)

        errors = [process.communicate(timeout=60)[1] for process in processes]

        assert [process.returncode for process in processes] == [0, 0, 0], errors
        assert sorted(_stored(path)) == [0, 10, 20]


def test_two_writers_and_a_reader_share_the_outbox_and_its_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    count = 150
    reader = Outbox.open(path)
    processes = [_writer(path, begin=n * 1000, count=count, wal_bytes=1_000_000) for n in (1, 2)]
    for process in processes:
        _go(process)

    seen = 0
    while any(process.poll() is None for process in processes):
        batch = reader.pending(after=seen, limit=50, size_bytes_max=10**9)
        if batch:
            seen = batch[-1].position
            reader.mark_sent([row.position for row in batch])
        # What a full pipe would hold up.
        for process in processes:
            if psutil.pid_exists(process.pid):
                _pipe(process.stdout).readline()
    for row in reader.pending(after=seen, limit=1000, size_bytes_max=10**9):
        reader.mark_sent([row.position])
    errors = [process.communicate()[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], errors
    assert reader.unsent_count() == 0
    sent = reader.connection.execute("SELECT sequence FROM alert WHERE sent = 1 ORDER BY rowid")
    sequences = [row[0] for row in sent]
    for begin in (1000, 2000):
        own = [number for number in sequences if begin <= number < begin + 1000]
        assert own == [*range(begin, begin + count)]
    assert reader.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert path.with_name("outbox.db-wal").stat().st_size < 8_000_000
    reader.close()


# Takes the lock as a process that is killed in its checkpoint has it.
_LOCKER = """
import fcntl, sys, time
lock = open(sys.argv[1], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)
"""


def test_checkpoint_lock_goes_back_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox.open(path)
    lock = path.with_name("outbox.db-checkpoint.lock")
    process = subprocess.Popen(
        [sys.executable, "-c", _LOCKER, str(lock)], stdout=subprocess.PIPE, text=True
    )
    assert _pipe(process.stdout).readline() == "locked\n"
    own = Checkpointer(path, wal_bytes=1)
    assert not own.checkpoint(outbox.connection)

    process.kill()
    process.communicate()

    assert own.checkpoint(outbox.connection)
    outbox.close()


def test_full_disk_fails_the_append_and_leaves_the_outbox_whole(tmp_path: Path) -> None:
    """The kernel refuses the write, as a full disk does; SQLite's own limits play no part."""
    path = tmp_path / "outbox.db"
    process = _writer(path, begin=0, count=1000, wal_bytes=10**9)
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (100_000, 100_000))
    _go(process)

    output, error = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "sqlite3.OperationalError" in error
    assert _stored(path) == [int(line) for line in output.split()]
