import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.retry import Backoff, sleep_unless_stopped, until_available


@given(tries=st.integers(0, 2000), share=st.floats(0, 1))
def test_delay_never_leaves_its_bounds(tries: int, share: float) -> None:
    backoff = Backoff(initial_s=0.5, cap_s=8, uniform=lambda low, high: low + share * (high - low))

    delays_s = [backoff.next_s() for _ in range(tries)]

    assert all(0.25 <= delay_s <= 8 for delay_s in delays_s)


def test_delay_doubles_up_to_the_cap_and_starts_anew_after_a_success() -> None:
    backoff = Backoff(initial_s=1, cap_s=4, uniform=lambda _, high: high)

    assert [backoff.next_s() for _ in range(4)] == [1, 2, 4, 4]
    backoff.reset()
    assert backoff.next_s() == 1


async def test_operation_is_tried_until_it_succeeds() -> None:
    failures = [Unavailable("kafka", "away"), Unavailable("kafka", "away")]
    seen: list[Unavailable] = []

    async def operation() -> str:
        if failures:
            raise failures.pop()
        return "done"

    result = await until_available(
        operation,
        backoff=Backoff(initial_s=0, cap_s=0),
        stop=asyncio.Event(),
        on_wait=seen.append,
    )

    assert result == "done"
    assert [error.dependency for error in seen] == ["kafka", "kafka"]


async def test_stop_ends_the_waiting_with_the_last_failure() -> None:
    stop = asyncio.Event()
    stop.set()

    async def operation() -> None:
        raise Unavailable("smtp", "away")

    with pytest.raises(Unavailable, match="smtp is unavailable: away"):
        await until_available(operation, backoff=Backoff(cap_s=60), stop=stop)


async def test_other_errors_are_not_retried() -> None:
    calls = 0

    async def operation() -> None:
        nonlocal calls
        calls += 1
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await until_available(operation, backoff=Backoff(), stop=asyncio.Event())
    assert calls == 1


async def test_sleep_tells_whether_it_was_stopped() -> None:
    stop = asyncio.Event()

    assert not await sleep_unless_stopped(0, stop=stop)
    stop.set()
    assert await sleep_unless_stopped(60, stop=stop)
