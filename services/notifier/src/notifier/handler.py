"""From a request on the topic to rows of the ledger; judged, durable, not yet sent."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass

import structlog
from maskwatch_runtime.kafka.dead_letters import Rejected
from maskwatch_runtime.kafka.message import Record
from maskwatch_runtime.postgres import Pool

from notifier import alerts, compose, cooldown, ledger, policy, requests
from notifier.alerts import Heading
from notifier.audience import Audience
from notifier.deliveries import CameraKey, Kind, NewDelivery, Subject
from notifier.metrics import Metrics
from notifier.policy import CameraState, Verdict
from notifier.retries import State

_FIELD = "alert_id"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Handler:
    """Judges alerts and enters a delivery per recipient; a repeated request changes nothing."""

    pool: Pool
    audience: Audience
    _: KW_ONLY
    rules: policy.Rules
    metrics: Metrics
    on_entered: Callable[[], None]

    async def handle(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Enter what the records ask for; see `maskwatch_runtime.kafka.consumer.Handler`."""
        asked, rejected = requests.decode(records, field=_FIELD)
        if not asked:
            return rejected
        async with self.pool.connection() as connection:
            headings = await alerts.headings(connection, list(asked))
            if headings:
                await self._enter(connection, list(headings.values()))
        self.on_entered()
        missing = requests.missing(asked, headings, field=_FIELD)
        return [*rejected, *missing]

    async def _enter(self, connection: ledger.Connection, headings: list[Heading]) -> None:
        ids = [heading.id for heading in headings]
        keys = sorted({_camera(heading) for heading in headings})
        async with connection.transaction():
            cameras, now = await cooldown.lock_cameras(connection, keys)
            # Under the cameras' locks: no other replica can be judging these alerts.
            known = await ledger.known(connection, ids)
            deliveries: list[NewDelivery] = []
            for heading in sorted(headings, key=lambda one: one.id):
                if heading.id in known:
                    continue
                verdict = policy.judge(
                    cameras[_camera(heading)],
                    alert_id=heading.id,
                    event_time=heading.event_time,
                    now=now,
                    rules=self.rules,
                )
                cameras[_camera(heading)] = verdict.after
                deliveries += self._deliveries(heading, verdict)
            await self._write(connection, deliveries, cameras)
        self._count(deliveries, known=len(known))

    async def _write(
        self,
        connection: ledger.Connection,
        deliveries: list[NewDelivery],
        cameras: dict[CameraKey, CameraState],
    ) -> None:
        if deliveries:
            deadline_s = self.rules.deadline.total_seconds()
            await ledger.add(connection, deliveries, deadline_s=deadline_s)
            await cooldown.set_cameras(connection, cameras)

    def _deliveries(self, heading: Heading, verdict: Verdict) -> list[NewDelivery]:
        return [
            NewDelivery(
                subject=Subject(Kind.ALERT, heading.id),
                recipient=recipient.address,
                state=State.PENDING if verdict.is_mailed else State.SUPPRESSED,
                camera=_camera(heading),
                event_time=heading.event_time,
                message_id=compose.message_id(
                    heading.event_id, recipient.address, domain=self.audience.sender.domain
                ),
                further=verdict.further,
                further_since=verdict.further_since,
            )
            for recipient in self.audience.recipients
        ]

    def _count(self, deliveries: list[NewDelivery], *, known: int) -> None:
        per_alert = len(self.audience.recipients)
        suppressed = sum(one.state is State.SUPPRESSED for one in deliveries) // per_alert
        mailed = len(deliveries) // per_alert - suppressed
        for verdict, count in (("mailed", mailed), ("suppressed", suppressed), ("known", known)):
            self.metrics.alerts.labels(verdict).inc(count)
        _log.info(
            "alerts judged", action="judge", mailed=mailed, suppressed=suppressed, known=known
        )


def _camera(heading: Heading) -> CameraKey:
    return heading.device_id, heading.camera
