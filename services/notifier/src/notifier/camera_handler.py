"""From a request about a camera to rows of the ledger; judged, durable, not yet sent."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass

import structlog
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool

from notifier import camera_policy, compose, device_events, ledger, notices, requests
from notifier.audience import Audience
from notifier.camera_policy import Verdict
from notifier.deliveries import Kind, NewDelivery, Subject
from notifier.device_events import Heading
from notifier.metrics import Metrics
from notifier.notices import Notice
from notifier.retries import State

_FIELD = "device_event_id"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CameraHandler:
    """Gathers cameras' changes into mails; a repeated request changes nothing."""

    pool: Pool
    audience: Audience
    _: KW_ONLY
    rules: camera_policy.Rules
    metrics: Metrics
    on_entered: Callable[[], None]

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Enter what the records ask for; see `maskwatch_runtime.kafka.consumer.Handler`."""
        asked, rejected = requests.decode(records, field=_FIELD)
        if not asked:
            return rejected
        async with self.pool.connection() as connection:
            headings = await device_events.headings(connection, list(asked))
            good = [one for one in headings.values() if not one.problem]
            changes = [one for one in good if not one.is_repeated]
            if changes:
                await self._enter(connection, changes)
        self.metrics.camera_changes.labels("repeated").inc(len(good) - len(changes))
        self.on_entered()
        missing = requests.missing(asked, headings, field=_FIELD)
        useless = [
            Rejected(asked[one.id], _FIELD, f"is {one.id}, which {one.problem}")
            for one in headings.values()
            if one.problem
        ]
        return [*rejected, *missing, *useless]

    async def _enter(self, connection: ledger.Connection, headings: list[Heading]) -> None:
        async with connection.transaction():
            devices, now = await notices.lock_devices(
                connection, (heading.device_id for heading in headings)
            )
            # Under the devices' locks: no other replica can be judging these events.
            known = await notices.known(connection, [heading.id for heading in headings])
            judged: list[tuple[Heading, Verdict]] = []
            for heading in sorted(headings, key=lambda one: one.id):
                if heading.id in known:
                    continue
                verdict = camera_policy.judge(
                    devices[heading.device_id],
                    event_id=heading.id,
                    camera=heading.camera,
                    now=now,
                    rules=self.rules,
                )
                devices[heading.device_id] = verdict.after
                judged.append((heading, verdict))
            await self._write(connection, judged)
        self._count(judged, known=len(known))

    async def _write(
        self, connection: ledger.Connection, judged: list[tuple[Heading, Verdict]]
    ) -> None:
        if not judged:
            return
        begun = [pair for pair in judged if pair[1].is_new]
        if begun:
            deliveries = [one for pair in begun for one in self._deliveries(*pair)]
            deadline_s = self.rules.deadline.total_seconds()
            await ledger.add(connection, deliveries, deadline_s=deadline_s)
        await notices.add(connection, [_notice(*pair) for pair in judged])

    def _deliveries(self, heading: Heading, verdict: Verdict) -> list[NewDelivery]:
        return [
            NewDelivery(
                subject=Subject(Kind.DEVICE_EVENT, heading.id),
                recipient=recipient.address,
                state=State.PENDING,
                camera=(heading.device_id, heading.camera),
                event_time=heading.event_time,
                message_id=compose.message_id(
                    heading.event_id, recipient.address, domain=self.audience.sender.domain
                ),
                due_at=verdict.mail.due_at,
            )
            for recipient in self.audience.recipients
        ]

    def _count(self, judged: list[tuple[Heading, Verdict]], *, known: int) -> None:
        mailed = sum(verdict.is_new for _, verdict in judged)
        counts = (("mailed", mailed), ("joined", len(judged) - mailed), ("known", known))
        for verdict, count in counts:
            self.metrics.camera_changes.labels(verdict).inc(count)
        _log.info("camera changes judged", action="judge", **dict(counts))


class Passing:
    """Lets every request pass, so that turning the mails on later does not mail the past."""

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:  # noqa: ARG002 - the protocol's signature
        """Do nothing; the offset is committed."""
        return []


def _notice(heading: Heading, verdict: Verdict) -> Notice:
    return Notice(
        event_id=heading.id,
        mail_id=verdict.mail.id,
        device_id=heading.device_id,
        camera=heading.camera,
        due_at=verdict.mail.due_at,
    )
