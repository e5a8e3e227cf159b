"""Notifiers as processes."""

from collections.abc import Mapping
from pathlib import Path

from aiokafka import AIOKafkaProducer
from devstack.service import Service
from maskwatch_proto import notification
from maskwatch_runtime.kafka import topics


class Services:
    """Makes notifiers as processes and ends them all."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._made: list[Service] = []

    def environment(self, **changed: str) -> dict[str, str]:
        return {**self._settings, **{f"MASKWATCH_{name}": changed[name] for name in changed}}

    def make(self, **changed: str) -> Service:
        label = f"notifier-{len(self._made)}"
        service = Service("notifier", self._folder, self.environment(**changed), label=label)
        self._made.append(service)
        return service

    def start(self, **changed: str) -> Service:
        service = self.make(**changed)
        service.start()
        return service

    def end(self) -> None:
        for service in self._made:
            if service.is_running:
                service.stop()


async def ask(producer: AIOKafkaProducer, *alert_ids: int) -> None:
    """Ask for mails as ingress does."""
    for alert_id in alert_ids:
        await producer.send_and_wait(topics.NOTIFY, notification.encode(alert_id))


async def ask_cameras(producer: AIOKafkaProducer, *event_ids: int) -> None:
    """Ask for mails about cameras as ingress does."""
    for number in event_ids:
        value = notification.encode(number)
        await producer.send_and_wait(topics.NOTIFY_EVENT, value, key=b"door-1")
