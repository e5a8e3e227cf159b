"""The path of an alert for one case: services as processes on the shared servers."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from devstack.inbox import Faults
from devstack.service import Service

from devstack import ports
from faults import proof, sources
from faults.case import Fault
from faults.checker import Expected, Verdict
from faults.end_state import EndState, Places
from faults.load import Load
from faults.proof import RECIPIENTS, Stage
from faults.proxy import Proxy
from faults.servers import Servers

Name = Literal["dispatcher", "ingress", "notifier"]
Server = Literal["kafka", "postgres", "smtp"]

_POLL_S = 0.1
_READY_S = 60.0
# Waits of the product, shortened so that a case takes seconds; none is what a case is about.
_SETTINGS: dict[str, dict[str, str]] = {
    "dispatcher": {"KAFKA_TIMEOUT_S": "5"},
    "ingress": {"KAFKA_TIMEOUT_S": "5", "POSTGRES_TIMEOUT_S": "5"},
    "notifier": {
        "KAFKA_TIMEOUT_S": "5",
        "POSTGRES_TIMEOUT_S": "5",
        "SMTP_TIMEOUT_S": "3",
        "SMTP_TLS": "none",
        "SMTP_HOST": ports.LOOPBACK,
        "SENDER": "maskwatch@plant.example",
        "RECIPIENTS": ",".join(RECIPIENTS),
        "RETRY_INITIAL_S": "0.2",
        "RETRY_CAP_S": "1",
        "COOLDOWN_MINUTES": "0",
        "CAMERA_GROUP_WAIT_S": "0",
    },
}


class Armed(Service):
    """A service that gets its signal at a point; see `faults.points`."""

    report: Path

    @property
    def is_signalled(self) -> bool:
        return self.report.exists()

    async def until_signalled(self, *, timeout_s: float = 30.0) -> None:
        """Wait until the signal has come, and for SIGKILL until the process is gone.

        Raises:
            TimeoutError: It never reached the point: the case has injected nothing.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._is_over():
            if time.monotonic() > deadline_s:
                raise TimeoutError(
                    f"{self.name} did not reach its point; log:\n{self.log()[-2000:]}"
                )
            await asyncio.sleep(_POLL_S / 2)

    def _is_over(self) -> bool:
        if not self.is_signalled or not self.report.read_text(encoding="ascii").endswith("\n"):
            return False
        return "KILL" not in self.report.read_text(encoding="ascii") or not self.is_running


class AlertPath:
    """A case's own outbox, database, consumer groups, services and proxies; the fixture `path`.

    Nothing runs at first. A service is made when it is first asked for, with the settings of then.

    Attributes:
        load: Fills the outbox; its `history` is the truth.
        outbox: The device's file.
        dsn: The superuser's address of this case's database.
        end: What `prove` saw.
    """

    def __init__(self, servers: Servers, folder: Path, dsn: str, fault: Fault) -> None:
        self.servers = servers
        self.folder = folder
        self.dsn = dsn
        self.outbox = folder / "device" / "alert.db"
        self.outbox.parent.mkdir(parents=True)
        self.load = Load(self.outbox, folder, fault.random)
        self.end = EndState()
        self.proxies: dict[tuple[str, Server], Proxy] = {}
        self._made: list[Service] = []
        self._first: dict[str, Service] = {}
        self._changes: dict[str, dict[str, str]] = {}
        self._doors = list(servers.doors)

    # --- services ---

    @property
    def dispatcher(self) -> Service:
        return self._service("dispatcher")

    @property
    def ingress(self) -> Service:
        return self._service("ingress")

    @property
    def notifier(self) -> Service:
        return self._service("notifier")

    def configure(self, name: Name, **settings: str) -> None:
        """Set variables, without MASKWATCH_, for services made from now on."""
        self._changes.setdefault(name, {}).update(settings)

    async def start(self, *names: Name) -> None:
        """Start these services side by side and wait until they are ready.

        Raises:
            ProcessError: One ended or did not get ready.
        """
        await start(*(self._service(name) for name in names))

    def replica(self, name: Name, **settings: str) -> Service:
        """Return one more of a service, not started, labelled ``<name>-2`` and so on."""
        label = f"{name}-{1 + sum(one.name == name for one in self._made)}"
        return self._make(name, label, settings)

    def armed(
        self, name: Name, point: str, *, nth: int = 1, number: str = "KILL", **settings: str
    ) -> Armed:
        """Start one more of a service, that gets signal `number` at the n-th time at a point.

        It is not waited for: it may be gone before it is ready.
        """
        label = f"{name}-{len(self._made)}-armed"
        report = self.folder / f"{label}.signalled"
        launcher = (
            *("faults.armed", "--point", point, "--report", str(report)),
            *("--nth", str(nth), "--signal", number),
        )
        chosen = self.settings(name, name, settings)
        armed = Armed(name, self.folder, chosen, label=label, launcher=launcher)
        armed.report = report
        self._made.append(armed)
        armed.begin()
        return armed

    def settings(self, name: Name, label: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a service: ours, the case's, through the label's proxies."""
        chosen = {**_SETTINGS[name], **self._changes.get(name, {}), **settings}
        if name == "dispatcher":
            chosen["OUTBOX_PATH"] = str(self.outbox)
        else:
            chosen.setdefault("CONSUMER_GROUP", self.group(name))
        if name == "notifier":
            chosen.setdefault("SMTP_PORT", str(self._port(label, "smtp")))
        given = {f"MASKWATCH_{key}": value for key, value in chosen.items()}
        servers = self.servers.kafka_settings(self._port(label, "kafka"))
        if name != "dispatcher":
            database = urlsplit(self.dsn).path.lstrip("/")
            port = self._port(label, "postgres")
            servers |= self.servers.database_settings(database, login=name, port=port)
        return {**servers, **given, "PYTHONPATH": sources.python_path()}

    def group(self, name: str) -> str:
        """Return the consumer group of a service in this case."""
        return f"{name}-{self.folder.name}"

    # --- faults between service and server ---

    def proxy(self, label: str, server: Server) -> Proxy:
        """Return the proxy between a service (by name, or a replica's label) and a server.

        Ask for it before that service is made: it is told the way when it is made.
        """
        if (label, server) not in self.proxies:
            proxy = self._new_proxy(server)
            proxy.start()
            self.proxies[label, server] = proxy
        return self.proxies[label, server]

    async def mail_faults(self, faults: Faults) -> None:
        """Hold these faults in the inbox from now on; ``Faults()`` ends them."""
        async with self.servers.inbox.client() as client:
            await client.set_faults(faults)

    # --- the end ---

    @property
    def stage(self) -> Stage:
        """The services that took part so far, and where to look."""
        return Stage(frozenset(one.name for one in self._made), self.places)

    @property
    def places(self) -> Places:
        named = {one.name: self.group(one.name) for one in self._made}
        servers = self.servers
        return Places(
            servers.kafka.bootstrap, self.dsn, self.outbox, servers.inbox, proof.groups(named)
        )

    @property
    def expected(self) -> Expected:
        """What follows from the services that took part: a notifier mails, ingress archives."""
        return self.stage.expected

    async def is_settled(self) -> bool:
        """Whether nothing waits anywhere on the path."""
        return await proof.is_settled(self.stage)

    async def until_settled(self, *, timeout_s: float = 60.0) -> bool:
        """Wait until nothing waits anywhere, and return whether that came true in time."""
        return await proof.until_settled(lambda: self.stage, timeout_s=timeout_s)

    async def prove(
        self, fault: Fault, expected: Expected | None = None, *, timeout_s: float = 60.0
    ) -> Verdict:
        """Wait for the end, have it judged and reported.

        Raises:
            AssertionError: Something was lost, came twice, or waits after `timeout_s`.
        """
        self.load.end()
        if await self.until_settled(timeout_s=timeout_s):
            fault.settled()
        self.end, verdict = await proof.judged(
            fault, self.load.history, self.stage, expected or self.expected
        )
        assert verdict.is_clean, f"\n{verdict}"  # noqa: S101 - a case's assertion
        return verdict

    def expecting(self, **changes: object) -> Expected:
        """Return what is expected of these services, changed: ``expecting(uncertain_mails=1)``."""
        return replace(self.expected, **changes)  # type: ignore[arg-type]  # checked by replace

    async def fetchval(self, statement: str, *values: object) -> object:
        """Return one value from this case's database."""
        return await proof.fetchval(self.dsn, statement, *values)

    async def archived(self) -> set[str]:
        """Return the ids of the alerts in the archive."""
        found = await self.fetchval("SELECT coalesce(array_agg(event_id::text), '{}') FROM alert")
        assert isinstance(found, list)  # noqa: S101 - an array
        return set(found)

    def stop(self) -> None:
        """Kill what runs and end the proxies."""
        self.load.end()
        for service in self._made:
            with contextlib.suppress(RuntimeError):  # never started
                service.kill()
        for proxy in self.proxies.values():
            proxy.stop()

    # --- making ---

    def _service(self, name: Name) -> Service:
        if name not in self._first:
            self._first[name] = self._make(name, name, {})
        return self._first[name]

    def _make(self, name: Name, label: str, settings: Mapping[str, str]) -> Service:
        service = Service(name, self.folder, self.settings(name, label, settings), label=label)
        self._made.append(service)
        return service

    def _new_proxy(self, server: Server) -> Proxy:
        if server == "kafka":
            door = self._doors.pop()
            return Proxy(door.port, port=door.advertised_port)
        return Proxy(self._server_port(server))

    def _port(self, label: str, server: Server) -> int:
        proxy = self.proxies.get((label, server))
        return self._server_port(server) if proxy is None else proxy.port

    def _server_port(self, server: Server) -> int:
        servers = self.servers
        known = {"kafka": servers.kafka.port, "postgres": servers.postgres.port}
        return known.get(server, servers.inbox.smtp_port)


async def start(*services: Service) -> None:
    """Start services side by side and wait until they are ready.

    Raises:
        ProcessError: One ended or did not get ready.
    """
    for service in services:
        service.begin()
    for service in services:
        await asyncio.to_thread(service.process.wait_until, service.is_ready, timeout_s=_READY_S)
