"""The spool's thread is real, its store a real SQLite file or one that fails on demand."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from edge_detector.metrics import Metrics
from edge_detector.spool import Event, Spool, Store
from maskwatch_proto.alert import Alert, Device
from maskwatch_runtime.clock import SystemClock
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health
from maskwatch_runtime.outbox import quarantine
from maskwatch_runtime.outbox.outbox import Outbox
from maskwatch_runtime.retry import Backoff
from prometheus_client import CollectorRegistry

_GIVE_UP_S = 10.0


def _alert(number: int) -> Alert:
    return Alert(
        event_id=UUID(int=number),
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        device=Device(guid="device-1"),
        probability=0.5,
        sequence=number,
    )


class FailingStore(Store):
    """Keeps what it is given in `stored`; refuses while `is_full`, and waits while `is_slow`."""

    def __init__(self) -> None:
        super().__init__(Path("never-opened.db"))
        self.stored: list[int] = []
        self.batches: list[int] = []
        self.tries = 0
        self.is_full = False
        self.is_going_on = threading.Event()
        self.is_going_on.set()

    def append_all(self, events: Sequence[Event]) -> None:
        self.tries += 1
        self.batches.append(len(events))
        self.is_going_on.wait(_GIVE_UP_S)
        if self.is_full:
            raise Unavailable("outbox", "database or disk is full")
        self.stored += [event.sequence for event in events]


class Spooled:
    """A spool with its thread."""

    def __init__(self, store: Store, *, capacity: int = 3) -> None:
        self.registry = CollectorRegistry()
        self.health = Health(SystemClock())
        self.spool = Spool(
            store,
            capacity=capacity,
            health=self.health,
            metrics=Metrics(self.registry),
            backoff=Backoff(initial_s=0.001, cap_s=0.001),
        )
        self.lost: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.lost = self.spool.run()

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.spool.put(_alert(number))

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"edge_detector_{name}")

    def end(self) -> None:
        self.spool.close()
        self._thread.join(_GIVE_UP_S)
        assert not self._thread.is_alive()


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def spooled(store: FailingStore) -> Iterator[Spooled]:
    made = Spooled(store)
    yield made
    store.is_going_on.set()
    made.end()


def _until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(_GIVE_UP_S / 0.002)):
        if condition():
            return
        pause.wait(0.002)
    pytest.fail("it did not happen")


def test_alerts_are_stored_in_order(spooled: Spooled, store: FailingStore) -> None:
    spooled.put(1, 2, 3)

    assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
    assert store.stored == [1, 2, 3]
    assert spooled.metric("alerts_stored_total") == 3
    assert spooled.metric("alerts_waiting") == 0
    assert spooled.health.not_ready() == {}


def test_full_disk_is_not_ready_and_nothing_is_lost_when_it_passes(
    spooled: Spooled, store: FailingStore
) -> None:
    store.is_full = True
    spooled.put(1, 2, 3)
    _until(lambda: store.tries > 2)

    assert spooled.health.not_ready() == {
        "outbox": "outbox is unavailable: database or disk is full"
    }
    assert not spooled.spool.wait_until_empty(timeout_s=0)
    assert spooled.metric("alerts_waiting") == 3

    store.is_full = False
    assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
    assert store.stored == [1, 2, 3]
    assert spooled.metric("alerts_dropped_total") == 0
    assert (spooled.metric("outbox_failures_total") or 0) >= 3
    assert spooled.health.not_ready() == {}


def test_more_than_memory_holds_pushes_the_oldest_out_and_the_count_is_exact(
    spooled: Spooled, store: FailingStore
) -> None:
    store.is_full = True
    spooled.put(1)
    _until(lambda: store.tries > 0)
    spooled.put(2, 3, 4, 5, 6)

    assert spooled.metric("alerts_dropped_total") == 2
    store.is_full = False
    assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
    assert store.stored == [1, 4, 5, 6]
    assert spooled.metric("alerts_stored_total") == 4


def test_what_came_meanwhile_is_stored_at_once_and_the_batch_is_bounded(
    store: FailingStore,
) -> None:
    spooled = Spooled(store, capacity=200)
    store.is_going_on.clear()
    spooled.put(1)
    _until(lambda: store.tries == 1)
    spooled.put(*range(2, 102))
    store.is_going_on.set()
    spooled.end()

    assert store.batches == [1, 64, 36]
    assert store.stored == [*range(1, 102)]
    assert spooled.metric("alerts_stored_total") == 101


def test_batch_that_fails_is_tried_one_by_one(store: FailingStore) -> None:
    spooled = Spooled(store, capacity=10)
    store.is_going_on.clear()
    spooled.put(1)
    _until(lambda: store.tries == 1)
    spooled.put(2, 3, 4)
    store.is_full = True
    store.is_going_on.set()
    _until(lambda: store.tries > 3)
    store.is_full = False

    assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
    spooled.end()
    assert store.stored == [1, 2, 3, 4]
    assert set(store.batches[:-1]) == {1}
    assert store.batches[-1] == 3
    assert spooled.metric("alerts_dropped_total") == 0


def test_slow_disk_does_not_hold_up_the_caller(spooled: Spooled, store: FailingStore) -> None:
    store.is_going_on.clear()
    spooled.put(1)
    _until(lambda: store.tries == 1)

    spooled.put(2)  # returns although the thread still writes the first

    assert store.stored == []
    store.is_going_on.set()
    assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)


def test_what_waits_is_stored_before_the_end(spooled: Spooled, store: FailingStore) -> None:
    store.is_going_on.clear()
    spooled.put(1, 2, 3)
    spooled.spool.close()
    store.is_going_on.set()
    spooled.end()

    assert store.stored == [1, 2, 3]
    assert spooled.lost == 0


def test_what_cannot_be_stored_at_the_end_is_counted_as_lost(
    spooled: Spooled, store: FailingStore
) -> None:
    store.is_full = True
    spooled.put(1, 2)
    spooled.end()

    assert spooled.lost == 2
    assert spooled.metric("alerts_dropped_total") == 2
    assert spooled.metric("alerts_waiting") == 0


def test_store_writes_a_real_outbox_and_opens_it_anew_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    store = Store(path)
    store.append_all([_alert(1)])
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("ALTER TABLE alert RENAME TO elsewhere")

    with pytest.raises(Unavailable, match="no such table"):
        store.append_all([_alert(2), _alert(3)])

    blocker.execute("ALTER TABLE elsewhere RENAME TO alert")
    blocker.close()
    store.append_all([_alert(2), _alert(3)])
    store.tidy()
    store.close()
    store.tidy()
    outbox = Outbox.open(path)
    assert outbox.unsent_count() == 3
    outbox.close()


def test_disk_that_died_is_noticed_while_nothing_happens(tmp_path: Path) -> None:
    store = Store(tmp_path / "alert.db")
    store.look_s = 0.005
    spooled = Spooled(store)
    try:
        spooled.put(1)
        assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
        (tmp_path / "alert.db").rename(tmp_path / "elsewhere.db")
        _until(lambda: spooled.metric("outbox_failures_total") == 1)
        _until(lambda: not spooled.health.not_ready())
        spooled.put(2)
        assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
    finally:
        spooled.end()
    with closing(Outbox.open(tmp_path / "alert.db")) as outbox:
        assert outbox.unsent_count() == 1


def test_damage_is_put_aside_stored_again_and_told_as_degraded(tmp_path: Path) -> None:
    path = tmp_path / "alert.db"
    with closing(Outbox.open(path)):
        pass
    with path.open("r+b") as file:
        file.write(b"\xff" * 100)
    spooled = Spooled(Store(path))
    try:
        spooled.put(1)
        assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
        assert "alert.db.corrupt-" in spooled.health.degradations()["outbox"]
        assert spooled.health.not_ready() == {}
        for damaged in quarantine.held(path):
            damaged.unlink()
        spooled.put(2)
        assert spooled.spool.wait_until_empty(timeout_s=_GIVE_UP_S)
        _until(lambda: not spooled.health.degradations())
    finally:
        spooled.end()


def test_page_that_breaks_while_open_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "alert.db"
    store = Store(path)
    store.append_all([_alert(1)])
    store.close()
    store.open()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(Unavailable, match="malformed"):
        store.append_all([_alert(2)])
    store.append_all([_alert(2)])
    store.close()
    assert store.damaged()
