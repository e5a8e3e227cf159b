"""The four services on the three servers: the whole of Maskwatch on one machine."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import asyncpg

from devstack import ports
from devstack.service import Service
from devstack.stack import Infrastructure

DATABASE = "maskwatch"
_ROLES = {
    "ingress": "maskwatch_ingress",
    "notifier": "maskwatch_notifier",
    "reader": "analyst",
}


@dataclass(frozen=True)
class Options:
    """What differs between a demo, a test and a benchmark.

    Attributes:
        recipients: The administrators.
        cooldown_minutes: Per camera; 0 mails every alert.
        settings: Further variables by service, `migrate` and `topics` (the one-shot steps).
    """

    recipients: tuple[str, ...] = ("operations@plant.example",)
    cooldown_minutes: float = 0.0
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class System:
    """Prepares the database and the topics, and owns the services; a context manager.

    The infrastructure must run. The edge detector is not started by `start`: what it looks at is
    the caller's to say, with `detector`.
    """

    def __init__(self, infra: Infrastructure, options: Options | None = None) -> None:
        self.infra = infra
        self.options = options or Options()
        self.folder = infra.folder / "services"
        self.outbox = infra.folder / "device" / "alert.db"
        self._passwords = {login: secrets.token_urlsafe(18) for login in _ROLES}
        self.dispatcher = self.service("dispatcher")
        self.ingress = self.service("ingress")
        self.notifier = self.service("notifier")
        self._detectors: list[Service] = []

    def __enter__(self) -> Self:
        self.prepare()
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def prepare(self) -> None:
        """Make the database, its schema, its logins and the topics; safe to repeat."""
        self.outbox.parent.mkdir(parents=True, exist_ok=True)
        asyncio.run(self._make_database())
        owner = self._database_settings("postgres", password=self._superuser_password())
        owner |= self.options.settings.get("migrate", {})
        self.service("ingress", owner).step("migrate")
        self.service("notifier", owner).step("migrate")
        self.service("ingress", self.options.settings.get("topics")).step("topics")
        asyncio.run(self._make_logins())

    def start(self) -> None:
        """Start all services but the detector, side by side, and wait until they are ready."""
        services = (self.dispatcher, self.ingress, self.notifier)
        for service in services:
            service.begin()
        for service in services:
            service.process.wait_until(service.is_ready, timeout_s=60)

    def detector(self, source: str, settings: Mapping[str, str]) -> Service:
        """Return a detector, not yet started, that looks at `source` and fills the outbox."""
        detector = self.service("edge_detector", {"MASKWATCH_SOURCE": source, **settings})
        self._detectors.append(detector)
        return detector

    def stop(self) -> None:
        """Stop what runs, along the path of an alert."""
        for service in (*self._detectors, self.dispatcher, self.ingress, self.notifier):
            if service.is_running:
                service.stop()

    def dsn(self, login: str = "postgres") -> str:
        """The database's address for the superuser, or for a login: ingress, notifier, reader."""
        password = self._passwords.get(login)
        return self.infra.postgres.dsn(DATABASE, user=login, password=password)

    def service(
        self, name: str, settings: Mapping[str, str] | None = None, *, label: str | None = None
    ) -> Service:
        """Return a service, not yet started; replicas get a label each."""
        chosen = {**self._settings(name), **self.options.settings.get(name, {}), **(settings or {})}
        return Service(name, self.folder, chosen, label=label)

    def _settings(self, name: str) -> dict[str, str]:
        match name:
            case "edge_detector":
                return {"MASKWATCH_OUTBOX_PATH": str(self.outbox)}
            case "dispatcher":
                return {"MASKWATCH_OUTBOX_PATH": str(self.outbox), **self._kafka_settings()}
            case "ingress":
                return {**self._kafka_settings(), **self._login_settings("ingress")}
            case _:
                return {
                    **self._kafka_settings(),
                    **self._login_settings("notifier"),
                    "MASKWATCH_SMTP_HOST": ports.LOOPBACK,
                    "MASKWATCH_SMTP_PORT": str(self.infra.inbox.smtp_port),
                    "MASKWATCH_SMTP_TLS": "none",
                    "MASKWATCH_SENDER": "maskwatch@plant.example",
                    "MASKWATCH_RECIPIENTS": ",".join(self.options.recipients),
                    "MASKWATCH_COOLDOWN_MINUTES": str(self.options.cooldown_minutes),
                    "MASKWATCH_CAMERA_GROUP_WAIT_S": "0",
                }

    def _kafka_settings(self) -> dict[str, str]:
        return {"MASKWATCH_KAFKA_BOOTSTRAP": self.infra.kafka.bootstrap}

    def _login_settings(self, login: str) -> dict[str, str]:
        return self._database_settings(login, password=self._passwords[login])

    def _database_settings(self, user: str, *, password: str) -> dict[str, str]:
        return {
            "MASKWATCH_POSTGRES_HOST": ports.LOOPBACK,
            "MASKWATCH_POSTGRES_PORT": str(self.infra.postgres.port),
            "MASKWATCH_POSTGRES_DATABASE": DATABASE,
            "MASKWATCH_POSTGRES_USER": user,
            "MASKWATCH_POSTGRES_PASSWORD": password,
        }

    def _superuser_password(self) -> str:
        return (self.infra.postgres.folder / "password").read_text(encoding="ascii")

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.infra.postgres.dsn())
        try:
            known = await connection.fetchval(
                "SELECT 1 FROM pg_database WHERE datname = $1", DATABASE
            )
        finally:
            await connection.close()
        if not known:
            await self.infra.postgres.create_database(DATABASE)

    async def _make_logins(self) -> None:
        for login, role in _ROLES.items():
            await self.infra.postgres.create_role(login, password=self._passwords[login])
            connection = await asyncpg.connect(self.dsn())
            try:
                await connection.execute(f"GRANT {role} TO {login}")
            finally:
                await connection.close()
