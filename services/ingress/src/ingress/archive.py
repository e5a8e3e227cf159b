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
class _Parents:
    """What alerts refer to, by id; an alert that tells of it."""

    devices: Mapping[str, Alert]
    face_models: Mapping[str, Alert]
    mask_models: Mapping[str, Alert]

    def ids(self) -> Sequence[Sequence[str]]:
        """Return the last parameters of `statements.ALERTS`."""
        return [list(self.devices), list(self.face_models), list(self.mask_models)]

    def __len__(self) -> int:
        return len(self.devices) + len(self.face_models) + len(self.mask_models)


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
        parents = _parents(alerts)
        due = self._due(parents)
        async with self._pool.connection() as connection, connection.transaction():
            await _register(connection, due)
            values = (*columns.alerts(alerts), *parents.ids())
            (told,) = await connection.fetch(statements.ALERTS, *values)
            if told["parents"] != len(parents):
                raise ParentMissing("a device or model of these alerts is not in the archive")
            numbers = dict(zip(told["event_ids"] or (), told["numbers"] or (), strict=True))
            pictures = columns.images(numbers, alerts)
            if pictures:
                await connection.execute(statements.IMAGES, *pictures)
        self._devices.written(due.devices)
        self._face_models.written(due.face_models)
        self._mask_models.written(due.mask_models)
        return int(told["added"])

    def _due(self, parents: _Parents) -> _Parents:
        """Return those that have to be registered before the alerts."""
        return _Parents(
            self._devices.due(parents.devices),
            self._face_models.due(parents.face_models),
            self._mask_models.due(parents.mask_models),
        )

    def _forget(self) -> None:
        for registry in (self._devices, self._face_models, self._mask_models):
            registry.forget()


def _parents(alerts: Sequence[Alert]) -> _Parents:
    return _Parents(
        {alert.device.guid: alert for alert in alerts},
        {alert.face_model.guid: alert for alert in alerts},
        {alert.mask_model.guid: alert for alert in alerts},
    )


async def _register(connection: PoolConnectionProxy, due: _Parents) -> None:
    if due.devices:
        await connection.execute(statements.DEVICES, *columns.devices(due.devices.values()))
    if due.face_models:
        models = columns.models(alert.face_model for alert in due.face_models.values())
        await connection.execute(statements.FACE_MODELS, *models)
    if due.mask_models:
        models = columns.models(alert.mask_model for alert in due.mask_models.values())
        await connection.execute(statements.MASK_MODELS, *models)
