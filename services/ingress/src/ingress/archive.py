"""Alerts into PostgreSQL: one transaction per batch, each alert once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asyncpg.pool import PoolConnectionProxy
from maskwatch_proto.alert import Alert
from maskwatch_runtime.clock import Clock
from maskwatch_runtime.postgres import Pool

from ingress import columns, statements
from ingress.refusals import ParentMissing, refusals
from ingress.registry import Registry


@dataclass(frozen=True, slots=True)
class _Due:
    """What has to be registered before the alerts that refer to it."""

    devices: Mapping[str, Alert]
    face_models: Mapping[str, Alert]
    mask_models: Mapping[str, Alert]


class Archive:
    """Writes batches through a pool; safe to call side by side."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._devices = Registry(clock)
        self._face_models = Registry(clock)
        self._mask_models = Registry(clock)

    async def insert(self, alerts: Sequence[Alert]) -> int:
        """Write all in one transaction, pictures and requests with them; return how many were new.

        Args:
            alerts: Of distinct event ids. One that the archive has already changes nothing.

        Raises:
            Unavailable: The database is away or its schema not made yet; nothing was written.
            RowRefused: At least one row breaks a rule of the schema; nothing was written.
        """
        # The same order everywhere, so that two batches with the same alerts cannot deadlock.
        ordered = sorted(alerts, key=lambda alert: alert.event_id.int)
        try:
            with refusals():
                return await self._insert(ordered)
        except ParentMissing:
            # Somebody has deleted a device or a model that this process took for registered.
            self._forget()
        with refusals():
            return await self._insert(ordered)

    async def _insert(self, alerts: Sequence[Alert]) -> int:
        due = self._due(alerts)
        async with self._pool.connection() as connection, connection.transaction():
            await _register(connection, due)
            (told,) = await connection.fetch(statements.ALERTS, *columns.alerts(alerts))
            numbers = dict(zip(told["event_ids"] or (), told["numbers"] or (), strict=True))
            pictures = columns.images(numbers, alerts)
            if pictures:
                await connection.execute(statements.IMAGES, *pictures)
        self._devices.written(due.devices)
        self._face_models.written(due.face_models)
        self._mask_models.written(due.mask_models)
        return int(told["added"])

    def _due(self, alerts: Sequence[Alert]) -> _Due:
        return _Due(
            self._devices.due({alert.device.guid: alert for alert in alerts}),
            self._face_models.due({alert.face_model.guid: alert for alert in alerts}),
            self._mask_models.due({alert.mask_model.guid: alert for alert in alerts}),
        )

    def _forget(self) -> None:
        for registry in (self._devices, self._face_models, self._mask_models):
            registry.forget()


async def _register(connection: PoolConnectionProxy, due: _Due) -> None:
    if due.devices:
        await connection.execute(statements.DEVICES, *columns.devices(due.devices.values()))
    if due.face_models:
        models = columns.models(alert.face_model for alert in due.face_models.values())
        await connection.execute(statements.FACE_MODELS, *models)
    if due.mask_models:
        models = columns.models(alert.mask_model for alert in due.mask_models.values())
        await connection.execute(statements.MASK_MODELS, *models)
