"""Device events into PostgreSQL: one transaction per batch, each event once."""

from collections.abc import Sequence

from maskwatch_proto.device_event import DeviceEvent
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.postgres import Pool

from ingress import columns, statements
from ingress.refusals import ParentMissing, refusals
from ingress.registry import Registry


class EventArchive:
    """Writes batches through a pool."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._devices = Registry(clock)

    async def insert(self, events: Sequence[DeviceEvent]) -> int:
        """Write all in one transaction, requests for mails with them; return how many were new.

        Args:
            events: Of distinct event ids, in the order in which they get their numbers. One that
                the archive has already changes nothing.

        Raises:
            Unavailable: The database is away or its schema not made yet; nothing was written.
            RowRefused: At least one row breaks a rule of the schema; nothing was written.
        """
        try:
            with refusals():
                return await self._insert(events)
        except ParentMissing:
            # Somebody has deleted a device that this process took for registered.
            self._devices.forget()
        with refusals():
            return await self._insert(events)

    async def _insert(self, events: Sequence[DeviceEvent]) -> int:
        due = self._devices.due({event.device.guid: event for event in events})
        async with self._pool.connection() as connection, connection.transaction():
            if due:
                await connection.execute(statements.DEVICES, *columns.devices(due.values()))
            added = await connection.fetch(statements.EVENTS, *columns.events(events))
        self._devices.written(due)
        return len(added)
