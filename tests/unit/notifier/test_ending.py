import asyncio

import pytest
from notifier import ending


async def _answer() -> int:
    await asyncio.sleep(0)
    return 7


async def test_work_that_is_done_gives_its_result() -> None:
    assert await ending.unless_stopped(_answer(), stop=asyncio.Event()) == 7


async def test_error_of_the_work_comes_out() -> None:
    async def fail() -> None:
        raise KeyError("work")

    with pytest.raises(KeyError, match="work"):
        await ending.unless_stopped(fail(), stop=asyncio.Event())


async def test_end_of_the_service_cancels_the_work() -> None:
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(ending.CutShortError):
        await ending.unless_stopped(hang(), stop=stop)
    assert cancelled.is_set()
