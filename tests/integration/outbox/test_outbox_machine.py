"""The outbox against a list, over every order of calls, crashes among them."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from maskwatch_proto import contract
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_runtime.outbox import eviction
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import Wire

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class OutboxMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._folders: list[tempfile.TemporaryDirectory[str]] = []
        self._unsent: dict[int, Alert] = {}
        self._sent: set[int] = set()
        self._refused: set[int] = set()
        self._count = 0

    @initialize()
    def begin(self) -> None:
        self._path = self._new_folder() / "outbox.db"
        self._open()

    @rule(picture=st.binary(max_size=6000))
    def append(self, picture: bytes) -> None:
        self._count += 1
        alert = Alert(
            event_id=UUID(int=self._count),
            event_time=_NOW + timedelta(seconds=self._count),
            device=Device(guid="device-1"),
            probability=0.5,
            image=Image(data=picture),
        )
        self._outbox.append(alert)
        self._unsent[self._count] = alert

    @precondition(lambda self: self._unsent)
    @rule(data=st.data())
    def mark_sent(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self._unsent)), unique=True))
        self._outbox.mark_sent(ids)
        for number in ids:
            del self._unsent[number]
        self._sent.update(ids)

    @precondition(lambda self: self._unsent)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self._unsent)))
        self._outbox.refuse(number, "because")
        del self._unsent[number]
        self._refused.add(number)

    @precondition(lambda self: self._unsent)
    @rule(data=st.data())
    def drop_picture(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self._unsent)))
        assert self._outbox.drop_picture(number) is bool(self._unsent[number].image.data)
        self._unsent[number] = _without_picture(self._unsent[number])

    @rule()
    def evict_by_age(self) -> None:
        """Sent rows older than the tenth alert go; nothing else does."""
        limits = eviction.Limits(keep_sent=timedelta(0), size_bytes_max=10**9)
        evicted = eviction.evict(self._outbox.connection, limits, now=_NOW + timedelta(seconds=10))
        assert evicted == eviction.Evicted(rows=sum(number < 10 for number in self._sent))
        self._sent = {number for number in self._sent if number >= 10}

    @rule()
    def evict_to_nothing(self) -> None:
        """Every sent row and every picture go, no unsent metadata does."""
        limits = eviction.Limits(keep_sent=timedelta(days=9), size_bytes_max=1)
        evicted = eviction.evict(self._outbox.connection, limits, now=_NOW)
        assert evicted.rows == len(self._sent)
        self._sent.clear()
        self._unsent = {number: _without_picture(alert) for number, alert in self._unsent.items()}

    @rule()
    def checkpoint(self) -> None:
        self._checkpointer.checkpoint(self._outbox.connection)

    @rule()
    def close_and_open(self) -> None:
        self._close()
        self._open()

    @rule()
    def crash(self) -> None:
        """Go on from what stands in the files, as after kill -9: nothing is closed first."""
        folder = self._new_folder()
        for file in (self._path, self._path.with_name("outbox.db-wal")):
            if file.exists():
                shutil.copy(file, folder)
        self._close()
        self._path = folder / "outbox.db"
        self._open()

    @invariant()
    def pending_is_what_was_appended_and_not_yet_sent(self) -> None:
        if not hasattr(self, "_outbox"):
            return
        found = {}
        for row in self._outbox.pending(after=0, limit=10_000, size_bytes_max=10**9):
            assert isinstance(row.wire, Wire)
            found[row.row_id] = contract.decode(row.wire.value)
        assert list(found.items()) == sorted(self._unsent.items())
        assert self._outbox.unsent_count() == len(self._unsent)

    @invariant()
    def no_row_is_lost_and_none_is_there_twice(self) -> None:
        if not hasattr(self, "_outbox"):
            return
        (count,) = self._outbox.connection.execute("SELECT count(*) FROM alert").fetchone()
        assert count == len(self._unsent) + len(self._sent) + len(self._refused)

    def teardown(self) -> None:
        if hasattr(self, "_outbox"):
            check = self._outbox.connection.execute("PRAGMA integrity_check").fetchone()
            assert check == ("ok",)
            self._close()
        for folder in self._folders:
            folder.cleanup()

    def _open(self) -> None:
        self._outbox = Outbox.open(self._path)
        self._checkpointer = Checkpointer(self._path, wal_bytes=1)

    def _close(self) -> None:
        self._checkpointer.close()
        self._outbox.close()

    def _new_folder(self) -> Path:
        self._folders.append(tempfile.TemporaryDirectory())
        return Path(self._folders[-1].name)


def _without_picture(alert: Alert) -> Alert:
    return alert.model_copy(update={"image": Image()})


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
