"""The outbox and its spool as tasks of a service: what detector and gateway do alike."""

import asyncio

from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.health import Health

from edge_detector.spool import Spool, Store


def opened(store: Store, health: Health) -> Store:
    """Return the store: what can never work is refused now, a bad disk is waited for.

    Raises:
        Misconfigured: The file cannot be an outbox.
    """
    try:
        store.open()
    except Unavailable as error:
        health.missing(error.dependency, error.reason)
    return store


async def run(spool: Spool, is_stored: asyncio.Event) -> None:
    """Store what is put in until the spool is closed; `is_stored` is set whatever happens.

    Raises:
        RuntimeError: Events were lost at the end.
    """
    try:
        lost = await asyncio.to_thread(spool.run)
    finally:
        is_stored.set()
    if lost:
        raise RuntimeError(f"{lost} events could not be stored before the end")
