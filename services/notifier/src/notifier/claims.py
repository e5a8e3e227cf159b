"""Deliveries that are due, taken from the ledger and made into mails."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import uuid4

from maskwatch_runtime.postgres import Pool

from notifier import alerts, ledger
from notifier.alerts import Alert
from notifier.compose import Composer
from notifier.connection import Mail
from notifier.deliveries import Change, Delivery, Key
from notifier.wording import Further

# Short: whoever claims what nobody has begun to send makes no second mail.
_CLAIM_LEASE_S = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed delivery and its mail."""

    delivery: Delivery
    mail: Mail


@dataclass(frozen=True, slots=True)
class Claimed:
    """Claimed deliveries of one alert; `alert` is None when the archive has it no longer."""

    deliveries: tuple[Delivery, ...]
    alert: Alert | None


class Claims:
    """This process's part of the ledger.

    Args:
        pool: The database of the ledger and the archive.
        composer: Makes the mails.
        picture_bytes_max: Larger pictures are not mailed.
        sending_lease_s: How long a mail may take from its mark to its answer.
    """

    def __init__(
        self, pool: Pool, composer: Composer, *, picture_bytes_max: int, sending_lease_s: float
    ) -> None:
        self._pool = pool
        self._composer = composer
        self._picture_bytes_max = picture_bytes_max
        self._owner = uuid4()
        self._sending_lease_s = sending_lease_s

    async def take(self, *, limit: int) -> list[Claimed]:
        """Claim deliveries that are due and read their alerts.

        Raises:
            Unavailable: The database is away; what was claimed is free again after a short lease.
        """
        async with self._pool.connection() as connection:
            deliveries = await ledger.claim(
                connection, owner=self._owner, lease_s=_CLAIM_LEASE_S, limit=limit
            )
            if not deliveries:
                return []
            ids = sorted({one.alert_id for one in deliveries})
            found = await alerts.read(connection, ids, picture_bytes_max=self._picture_bytes_max)
        grouped = groupby(deliveries, key=lambda one: one.alert_id)
        return [Claimed(tuple(group), found.get(alert_id)) for alert_id, group in grouped]

    async def take_over(self, *, limit: int) -> list[Delivery]:
        """Take deliveries that a process which is no more may have sent.

        Raises:
            Unavailable: The database is away.
        """
        async with self._pool.connection() as connection:
            return await ledger.take_over(
                connection, owner=self._owner, lease_s=_CLAIM_LEASE_S, limit=limit
            )

    async def mark_sending(self, keys: Sequence[Key]) -> set[Key]:
        """Mark rows whose mails are about to leave and return those that are still ours.

        Raises:
            Unavailable: The database is away.
        """
        async with self._pool.connection() as connection:
            return await ledger.mark_sending(
                connection, keys, owner=self._owner, lease_s=self._sending_lease_s
            )

    async def record(self, changes: Sequence[Change]) -> None:
        """Write the changes of the rows that are still ours.

        Raises:
            Unavailable: The database is away; nothing was written, or all of it.
        """
        async with self._pool.connection() as connection:
            await ledger.record(connection, changes, owner=self._owner)

    def jobs(self, claimed: Claimed) -> list[Job]:
        """Compose the mails of an alert: the body once, an envelope for each delivery."""
        if claimed.alert is None:
            return []
        first = claimed.deliveries[0]
        further = Further(first.further, first.further_since)
        body = self._composer.body(claimed.alert, further)
        return [
            Job(delivery, self._composer.mail(claimed.alert, body, delivery))
            for delivery in claimed.deliveries
        ]
