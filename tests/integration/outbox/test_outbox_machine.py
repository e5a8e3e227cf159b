"""The outbox against a list, over every order of calls, crashes among them."""

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from maskwatch_proto import contract, event_contract
from maskwatch_proto.alert import Alert, Device, Image
from maskwatch_proto.device_event import Compliance, DeviceEvent, Happening, Heartbeat
from maskwatch_proto.invalid import InvalidMessage
from maskwatch_runtime.outbox import eviction, quarantine
from maskwatch_runtime.outbox.checkpoint import Checkpointer
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.outbox.rows import Wire

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class OutboxMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._folders: list[tempfile.TemporaryDirectory[str]] = []
        self._unsent: dict[int, Alert | DeviceEvent] = {}
        self._sent: dict[int, Alert | DeviceEvent] = {}
        self._refused: set[int] = set()
        # Where the outbox put the message with this number.
        self._positions: dict[int, int] = {}
        self._count = 0
        self._last = 0

    @initialize()
    def begin(self) -> None:
        self._path = self._new_folder() / "outbox.db"
        self._open()

    @rule(picture=st.binary(max_size=6000))
    def append(self, picture: bytes) -> None:
        self._count += 1
        self._append(_alert(self._count, picture))

    @rule(is_heartbeat=st.booleans())
    def append_event(self, *, is_heartbeat: bool) -> None:
        self._count += 1
        at = _NOW + timedelta(seconds=self._count)
        happening: Happening = Heartbeat(uptime_s=1)
        if not is_heartbeat:
            happening = Compliance(
                window_start=at,
                window_s=900,
                observed_s=900,
                people=3,
                with_mask=1,
                without_mask=1,
                badly_worn=1,
                unsure=0,
            )
        event = DeviceEvent(
            event_id=UUID(int=self._count),
            event_time=at,
            device=Device(guid="device-1"),
            happening=happening,
        )
        self._append(event)

    def _append(self, told: Alert | DeviceEvent) -> None:
        self._outbox.append(told)
        self._unsent[self._count] = told
        last = self._outbox.pending(after=self._last, limit=10, size_bytes_max=10**9)
        assert len(last) == 1, "what is new stands behind everything before it"
        self._positions[self._count] = self._last = last[0].position

    @precondition(lambda self: self._unsent)
    @rule(data=st.data())
    def mark_sent(self, data: st.DataObject) -> None:
        numbers = data.draw(st.lists(st.sampled_from(sorted(self._unsent)), unique=True))
        self._outbox.mark_sent([self._positions[number] for number in numbers])
        self._sent |= {number: self._unsent.pop(number) for number in numbers}

    @precondition(lambda self: self._unsent)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self._unsent)))
        self._outbox.refuse(self._positions[number], "because")
        del self._unsent[number]
        self._refused.add(number)

    @precondition(lambda self: self._unsent)
    @rule(data=st.data())
    def drop_picture(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self._unsent)))
        told = self._unsent[number]
        had_picture = isinstance(told, Alert) and bool(told.image.data)
        assert self._outbox.drop_picture(self._positions[number]) is had_picture
        self._unsent[number] = _without_picture(told)

    @rule()
    def evict_by_age(self) -> None:
        """Sent rows older than the tenth message go; nothing else does."""
        limits = eviction.Limits(keep_sent=timedelta(0), size_bytes_max=10**9)
        evicted = eviction.evict(self._outbox.connection, limits, now=_NOW + timedelta(seconds=10))
        aged = [told for number, told in self._sent.items() if number < 10]
        alerts = sum(isinstance(told, Alert) for told in aged)
        assert evicted == eviction.Evicted(rows=alerts, events=len(aged) - alerts)
        self._sent = {number: told for number, told in self._sent.items() if number >= 10}

    @rule()
    def evict_to_nothing(self) -> None:
        """Every sent row, unsent heartbeat and picture go, no other unsent metadata does."""
        limits = eviction.Limits(keep_sent=timedelta(days=9), size_bytes_max=1)
        evicted = eviction.evict(self._outbox.connection, limits, now=_NOW)
        assert evicted.rows + evicted.events == len(self._sent)
        self._sent.clear()
        before = len(self._unsent)
        self._unsent = {
            number: _without_picture(told)
            for number, told in self._unsent.items()
            if not (isinstance(told, DeviceEvent) and isinstance(told.happening, Heartbeat))
        }
        assert evicted.heartbeats == before - len(self._unsent)

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
        self._crash()

    @rule(picture=st.binary(max_size=6000), share=st.floats(0, 1))
    def crash_while_storing(self, picture: bytes, share: float) -> None:
        """The log ends within what was being written: that is there as a whole, or not at all."""
        wal = self._path.with_name("outbox.db-wal")
        before = wal.stat().st_size if wal.exists() else 0
        self._count += 1
        alert = _alert(self._count, picture)
        self._outbox.append(alert)
        cut = before + int(share * (wal.stat().st_size - before))
        self._crash(wal_bytes=cut)
        rows = self._outbox.pending(after=self._last, limit=10, size_bytes_max=10**9)
        assert len(rows) <= 1
        if rows:
            self._unsent[self._count] = alert
            self._positions[self._count] = self._last = rows[0].position

    @rule()
    def lose_the_header(self) -> None:
        """What was not sent is saved, in its order; what was sent stays in the damaged file."""
        self._close()
        with self._path.open("r+b") as file:
            file.write(b"\xff" * 100)
        self._open()
        assert len(quarantine.held(self._path)) == 1
        self._sent.clear()
        kept = [self._positions[number] for number in self._unsent]
        self._last = max(kept, default=0)
        self._move_away()

    @invariant()
    def pending_is_what_was_appended_and_not_yet_sent(self) -> None:
        if not hasattr(self, "_outbox"):
            return
        rows = self._outbox.pending(after=0, limit=10_000, size_bytes_max=10**9)
        assert [row.position for row in rows] == [self._positions[n] for n in sorted(self._unsent)]
        assert [_message(row.wire) for row in rows] == [
            self._unsent[number] for number in sorted(self._unsent)
        ]
        assert self._outbox.unsent_count() == len(self._unsent)

    @invariant()
    def no_row_is_lost_and_none_is_there_twice(self) -> None:
        if not hasattr(self, "_outbox"):
            return
        (count,) = self._outbox.connection.execute(
            "SELECT (SELECT count(*) FROM alert) + (SELECT count(*) FROM device_event)"
        ).fetchone()
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

    def _crash(self, *, wal_bytes: int | None = None) -> None:
        folder = self._new_folder()
        wal = self._path.with_name("outbox.db-wal")
        lock = self._path.with_name("outbox.db-open.lock")
        for file in (self._path, wal, lock):
            if file.exists():
                shutil.copy(file, folder)
        if wal_bytes is not None:
            os.truncate(folder / wal.name, wal_bytes)
        self._close()
        self._path = folder / "outbox.db"
        self._open()

    def _move_away(self) -> None:
        """Go on in another folder, so that damaged files do not add up."""
        self._close()
        folder = self._new_folder()
        for name in ("outbox.db", "outbox.db-open.lock"):
            shutil.copy(self._path.with_name(name), folder)
        self._path = folder / "outbox.db"
        self._open()

    def _close(self) -> None:
        self._outbox.close()

    def _new_folder(self) -> Path:
        self._folders.append(tempfile.TemporaryDirectory())
        return Path(self._folders[-1].name)


def _alert(number: int, picture: bytes) -> Alert:
    return Alert(
        event_id=UUID(int=number),
        event_time=_NOW + timedelta(seconds=number),
        device=Device(guid="device-1"),
        probability=0.5,
        image=Image(data=picture),
    )


def _without_picture(told: Alert | DeviceEvent) -> Alert | DeviceEvent:
    return told.model_copy(update={"image": Image()}) if isinstance(told, Alert) else told


def _message(wire: Wire | InvalidMessage) -> Alert | DeviceEvent:
    assert isinstance(wire, Wire)
    decode = contract.decode if wire.kind == "alert" else event_contract.decode
    return decode(wire.value)


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
