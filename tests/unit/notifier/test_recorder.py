import asyncio
from collections.abc import Sequence

import pytest
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.retry import Backoff
from notifier.deliveries import Change, Key
from notifier.recorder import Marker, Recorder
from notifier.retries import State

_AWAY = Unavailable("postgres", "the test took it away")


_AT_ONCE = Backoff(initial_s=0.0)


def _sent(number: int) -> Change:
    return Change(number, State.SENT, None)


class _Ledger:
    """Writes when it is let; fails for as many times as it is told."""

    def __init__(self, *, failures: int = 0) -> None:
        self.batches: list[list[Key]] = []
        self.is_let = asyncio.Event()
        self.is_let.set()
        self._failures = failures

    async def record(self, changes: Sequence[Change]) -> None:
        await self.mark([change.key for change in changes])

    async def mark(self, keys: Sequence[Key]) -> set[Key]:
        await self.is_let.wait()
        if self._failures:
            self._failures -= 1
            raise _AWAY
        self.batches.append(list(keys))
        return {key for key in keys if key < 100}


async def test_results_that_gather_meanwhile_are_the_next_batch() -> None:
    ledger = _Ledger()
    recorder = Recorder(ledger.record)
    running = asyncio.create_task(recorder.run())
    ledger.is_let.clear()
    recorder.put(_sent(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for number in (2, 3):
        recorder.put(_sent(number))

    ledger.is_let.set()
    recorder.close()
    await running

    assert ledger.batches == [[1], [2, 3]]


async def test_later_change_takes_the_place_of_one_not_yet_written() -> None:
    written: list[Change] = []

    async def write(changes: Sequence[Change]) -> None:
        written.extend(changes)

    recorder = Recorder(write)
    recorder.put(Change(1, State.PENDING, 0.0))
    recorder.put(Change(1, State.SENT, None))
    recorder.close()

    await recorder.run()

    assert [change.state for change in written] == [State.SENT]


async def test_results_outlive_a_database_that_is_away() -> None:
    ledger = _Ledger(failures=2)
    told: list[Unavailable | None] = []
    recorder = Recorder(ledger.record, on_tried=told.append, backoff=_AT_ONCE)
    running = asyncio.create_task(recorder.run())

    recorder.put(_sent(1))
    async with asyncio.timeout(5):
        while not ledger.batches:
            await asyncio.sleep(0)
    recorder.close()
    await running

    assert ledger.batches == [[1]]
    assert told[:3] == [_AWAY, _AWAY, None]


async def test_closing_does_not_wait_for_ever() -> None:
    recorder = Recorder(_Ledger(failures=100).record, backoff=_AT_ONCE)
    recorder.put(_sent(1))
    recorder.close()

    async with asyncio.timeout(10):
        await recorder.run()


async def test_mark_says_whether_the_row_was_still_ours() -> None:
    ledger = _Ledger()
    marker = Marker(ledger.mark)

    answers = await asyncio.gather(*(marker.mark(number) for number in (1, 100, 2)))

    assert answers == [True, False, True]


async def test_mark_fails_for_everybody_in_the_batch_and_works_again_later() -> None:
    marker = Marker(_Ledger(failures=1).mark)

    answers = await asyncio.gather(
        *(marker.mark(number) for number in (1, 2)), return_exceptions=True
    )

    assert answers == [_AWAY, _AWAY]
    assert await marker.mark(3)


async def test_mark_that_nobody_waits_for_any_more_disturbs_nothing() -> None:
    ledger = _Ledger()
    ledger.is_let.clear()
    marker = Marker(ledger.mark)
    leaving = asyncio.create_task(marker.mark(1))
    await asyncio.sleep(0)
    leaving.cancel()
    ledger.is_let.set()

    assert await marker.mark(2)
    with pytest.raises(asyncio.CancelledError):
        await leaving
