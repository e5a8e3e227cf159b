"""Fixtures on real servers, each started when the first test asks for it, once per session.

Register it with ``pytest_plugins = ["devstack.pytest_plugin"]`` in the top conftest.
"""

import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from devstack.inbox import Faults, Inbox
from devstack.inbox.client import InboxClient
from devstack.kafka import Kafka
from devstack.postgres import Postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Holds all servers' data; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="maskwatch-") as name:
        folder = Path(name)
        # PostgreSQL of a root without user namespaces runs as another user, who must get through.
        folder.chmod(0o711)
        yield folder


@pytest.fixture(scope="session")
def kafka_server(server_folder: Path) -> Iterator[Kafka]:
    """The broker itself, for tests that stop, kill or pause one: heal it before you end."""
    server = Kafka(server_folder / "kafka")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka(kafka_server: Kafka) -> str:
    """The broker's address for clients."""
    return kafka_server.bootstrap


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[Postgres]:
    """The server itself, for tests that stop, kill or pause one: heal it before you end."""
    # No test cuts the machine's power; a killed server loses nothing without fsync.
    server = Postgres(server_folder / "postgres", settings={"fsync": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(postgres_server: Postgres) -> str:
    """The superuser's address of the database ``postgres``."""
    return postgres_server.dsn()


@pytest.fixture(scope="session")
def database_template() -> str:
    """The database that each test's own is a copy of; override it with a migrated one."""
    return "template1"


@pytest_asyncio.fixture
async def database(postgres_server: Postgres, database_template: str) -> AsyncIterator[str]:
    """The superuser's address of a fresh database, this test's alone; removed afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield await postgres_server.create_database(name, template=database_template)
    await postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def inbox(server_folder: Path) -> Iterator[Inbox]:
    """The SMTP server; mails of other tests may be in it, see ``mails``."""
    server = Inbox(server_folder / "inbox")
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture
async def mails(inbox: Inbox) -> AsyncIterator[InboxClient]:
    """The inbox's API, emptied and without faults for this test."""
    async with inbox.client() as client:
        await client.clear()
        await client.set_faults(Faults())
        yield client
        await client.set_faults(Faults())
