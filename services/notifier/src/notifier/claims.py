"""Deliveries that are due, taken from the ledger and made into mails."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import uuid4

from maskwatch_runtime.postgres import Pool

from notifier import alerts, device_events, ledger
from notifier.alerts import Alert
from notifier.compose import Composer
from notifier.connection import Mail
from notifier.deliveries import Change, Delivery, Key, Kind, Subject
from notifier.device_events import Report
from notifier.wording import Further

# Short: whoever claims what nobody has begun to send makes no second mail.
_CLAIM_LEASE_S = 10.0
_LOOK_S = 1.0  # between looks for a picture


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed delivery and its mail."""

    delivery: Delivery
    mail: Mail


@dataclass(frozen=True, slots=True)
class Claimed:
    """Claimed deliveries of one mail.

    Attributes:
        told: None when the archive has it no longer.
        wait_s: Seconds until its picture is looked for again; 0: the mail may leave.
    """

    deliveries: tuple[Delivery, ...]
    told: Alert | Report | None
    wait_s: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """Which pictures are mailed.

    Attributes:
        bytes_max: Larger ones are not.
        wait_s: How long a mail waits for one that the archive does not have yet.
    """

    bytes_max: int
    wait_s: float


class Claims:
    """This process's part of the ledger.

    Args:
        pool: The database of the ledger and the archive.
        composer: Makes the mails.
        pictures: Which are mailed, and waited for.
        sending_lease_s: How long a mail may take from its mark to its answer.
    """

    def __init__(
        self, pool: Pool, composer: Composer, *, pictures: Pictures, sending_lease_s: float
    ) -> None:
        self._pool = pool
        self._composer = composer
        self._pictures = pictures
        self._owner = uuid4()
        self._sending_lease_s = sending_lease_s

    async def take(self, *, limit: int) -> list[Claimed]:
        """Claim deliveries that are due and read what their mails tell.

        Raises:
            Unavailable: The database is away; what was claimed is free again after a short lease.
        """
        async with self._pool.connection() as connection:
            deliveries = await ledger.claim(
                connection, owner=self._owner, lease_s=_CLAIM_LEASE_S, limit=limit
            )
            if not deliveries:
                return []
            found = await self._read(connection, {one.subject for one in deliveries})
        grouped = groupby(deliveries, key=lambda one: one.subject)
        return [self._claimed(tuple(group), found.get(subject)) for subject, group in grouped]

    def _claimed(self, group: tuple[Delivery, ...], told: Alert | Report | None) -> Claimed:
        is_awaited = isinstance(told, Alert) and told.is_picture_missing
        left_s = self._pictures.wait_s - group[0].waited_s if is_awaited else 0.0
        return Claimed(group, told, wait_s=min(_LOOK_S, max(0.0, left_s)))

    async def _read(
        self, connection: ledger.Connection, subjects: set[Subject]
    ) -> dict[Subject, Alert | Report]:
        found: dict[Subject, Alert | Report] = {}
        if ids := [one.id for one in subjects if one.kind is Kind.ALERT]:
            read = await alerts.read(connection, ids, picture_bytes_max=self._pictures.bytes_max)
            found |= {Subject(Kind.ALERT, number): alert for number, alert in read.items()}
        if ids := [one.id for one in subjects if one.kind is Kind.DEVICE_EVENT]:
            reports = await device_events.read(connection, ids)
            found |= {Subject(Kind.DEVICE_EVENT, number): one for number, one in reports.items()}
        return found

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
        """Compose what the deliveries share once, and an envelope for each of them."""
        first = claimed.deliveries[0]
        match claimed.told:
            case None:
                return []
            case Alert():
                further = Further(first.further, first.further_since)
                body = self._composer.body(claimed.told, further)
            case Report():
                body = self._composer.camera_body(claimed.told)
        return [Job(one, self._composer.mail(body, one)) for one in claimed.deliveries]
