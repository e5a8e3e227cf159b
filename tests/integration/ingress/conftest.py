import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from devstack.postgres import Postgres
from ingress import app
from ingress.settings import IngressSettings, MigrateSettings
from maskwatch_proto.alert import Alert, ClockQuality, Device, FaceBox, Image, Label, Location
from maskwatch_proto.alert import Model as ModelName
from maskwatch_proto.device_event import DeviceEvent, Happening
from maskwatch_runtime import migrations
from pydantic import SecretStr

_TEMPLATE = "ingress_template"
_PASSWORD = "invented"

MakeAlert = Callable[..., Alert]
MakeEvent = Callable[..., DeviceEvent]
Connect = Callable[[str], Awaitable[asyncpg.Connection]]
Migrate = Callable[[str], None]


def _migrate(dsn: str) -> None:
    address = urlsplit(dsn)
    settings = MigrateSettings(
        postgres_host=address.hostname or "",
        postgres_port=address.port or 0,
        postgres_database=address.path.lstrip("/"),
        postgres_user=address.username or "",
        postgres_password=SecretStr(address.password or ""),
        postgres_tls="disable",
    )
    migrations.upgrade(settings, folder=app.MIGRATIONS, version_table=app.VERSION_TABLE)


@pytest.fixture(scope="session")
def migrate() -> Migrate:
    """Brings the database at an address up to date, as `python -m ingress migrate` does."""
    return _migrate


@pytest.fixture(scope="session")
def database_template(postgres_server: Postgres) -> str:
    """A migrated database; in the cluster there is a user of each role, named role_user."""

    async def prepare() -> None:
        _migrate(await postgres_server.create_database(_TEMPLATE))
        connection = await asyncpg.connect(postgres_server.dsn())
        try:
            for role in ("maskwatch_ingress", "maskwatch_notifier", "analyst"):
                await postgres_server.create_role(f"{role}_user", password=_PASSWORD)
                await connection.execute(f"GRANT {role} TO {role}_user")
        finally:
            await connection.close()

    asyncio.run(prepare())
    return _TEMPLATE


@pytest.fixture
def settings(database: str, kafka: str) -> IngressSettings:
    """The service's settings, for a user who has nothing but the service's role."""
    address = urlsplit(database)
    return IngressSettings(
        kafka_bootstrap=kafka,
        kafka_timeout_s=5.0,
        consumer_group=f"ingress-{uuid4().hex[:8]}",
        postgres_host=address.hostname or "",
        postgres_port=address.port or 0,
        postgres_database=address.path.lstrip("/"),
        postgres_user="maskwatch_ingress_user",
        postgres_password=SecretStr(_PASSWORD),
        postgres_tls="disable",
        postgres_timeout_s=5.0,
    )


@pytest.fixture
async def connect_as(database: str) -> AsyncIterator[Connect]:
    """Connects to this test's database as the user of a role, or as "postgres"."""
    connections: list[asyncpg.Connection] = []

    async def connect(role: str) -> asyncpg.Connection:
        address = urlsplit(database)
        user, password = address.username, address.password
        if role != "postgres":
            user, password = f"{role}_user", _PASSWORD
        connections.append(await asyncpg.connect(database, user=user, password=password))
        return connections[-1]

    yield connect
    for connection in connections:
        await connection.close()


@pytest.fixture
async def archived(connect_as: Connect) -> asyncpg.Connection:
    """The superuser's connection to this test's database."""
    return await connect_as("postgres")


@pytest.fixture
def make_alert() -> MakeAlert:
    """Makes an alert of its own event id; takes fields to set otherwise."""

    def make(**changes: object) -> Alert:
        alert = Alert(
            event_id=uuid4(),
            event_time=datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC),
            device=Device(type="rpi4", guid="door-1", enrolled_on="2025-12-31 10:00:00"),
            location=Location(longitude=2.25, latitude=48.75),
            face_model=ModelName(name="face", guid="f1", threshold=0.5),
            mask_model=ModelName(name="mask", guid="m1", threshold=0.75),
            probability=0.875,
            image=Image(format="jpg", width=640, height=480, data=b"\xff\xd8 picture \xff\xd9"),
            label=Label.NO_MASK,
            face_box=FaceBox(left=10.5, top=20, right=30, bottom=40),
            episode_id=uuid4(),
            camera="north",
            runtime="litert 2.3.0",
            boot_id="boot-1",
            sequence=300,
            clock_quality=ClockQuality.SYNCHRONISED,
            episode_started_at=datetime(2026, 1, 2, 3, 4, 2, tzinfo=UTC),
        )
        return alert.model_copy(update=changes)

    return make


@pytest.fixture
def make_event() -> MakeEvent:
    """Makes a device event of its own event id; takes fields to set otherwise."""

    def make(happening: Happening, **changes: object) -> DeviceEvent:
        event = DeviceEvent(
            event_id=uuid4(),
            event_time=datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC),
            device=Device(type="rpi4", guid="door-1", enrolled_on="2025-12-31 10:00:00"),
            location=Location(longitude=2.25, latitude=48.75),
            camera="north",
            boot_id="boot-1",
            sequence=301,
            clock_quality=ClockQuality.SYNCHRONISED,
            happening=happening,
        )
        return event.model_copy(update=changes)

    return make
