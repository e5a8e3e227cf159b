"""Kafka and PostgreSQL under what fault tests do to them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiokafka.errors
import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from devstack.kafka import Kafka, Topic
from devstack.postgres import Postgres

from devstack import kafka as broker
from devstack import ports


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


async def publish(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def values(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        return [(await consumer.getone()).value for _ in range(count)]


async def test_topics_have_their_partitions_and_settings(own_kafka: Kafka) -> None:
    topic = Topic(name="settings", partitions=3, configs={"retention.ms": "60000"})
    await own_kafka.create_topics([topic])
    await own_kafka.create_topics([topic])  # the second time changes nothing
    async with AIOKafkaProducer(bootstrap_servers=own_kafka.bootstrap) as producer:
        assert await producer.partitions_for("settings") == {0, 1, 2}


@pytest.mark.parametrize(
    ("topic", "refusal"),
    [
        (Topic(name="no/slash"), aiokafka.errors.InvalidTopicError),
        (Topic(name="odd", configs={"no.such": "1"}), aiokafka.errors.InvalidConfigurationError),
        (Topic(name="none", partitions=0), aiokafka.errors.InvalidPartitionsError),
    ],
)
async def test_senseless_topic_is_refused_at_once(
    own_kafka: Kafka, topic: Topic, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await own_kafka.create_topics([topic])


async def test_topic_creation_gives_up_when_there_is_no_broker() -> None:
    (port,) = ports.free(1)
    with pytest.raises(TimeoutError, match="lonely"):
        await broker.create_topics(f"127.0.0.1:{port}", [Topic(name="lonely")], timeout_s=0.3)


async def test_unknown_topic_is_not_made_by_publishing(own_kafka: Kafka) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=own_kafka.bootstrap, request_timeout_ms=500)
    async with producer:
        with pytest.raises(aiokafka.errors.KafkaError):
            await producer.send_and_wait("unknown", b"value")


async def test_kafka_keeps_messages_and_port_over_restart_and_kill(own_kafka: Kafka) -> None:
    bootstrap = own_kafka.bootstrap
    await own_kafka.create_topics([Topic(name="kept")])
    await publish(bootstrap, "kept", b"1")
    own_kafka.restart()
    await publish(bootstrap, "kept", b"2")
    own_kafka.kill()
    own_kafka.start()
    await publish(bootstrap, "kept", b"3")
    assert await values(bootstrap, "kept", 3) == [b"1", b"2", b"3"]


async def test_paused_kafka_does_not_answer_until_resumed(own_kafka: Kafka) -> None:
    await own_kafka.create_topics([Topic(name="paused")])
    own_kafka.pause()
    with pytest.raises(TimeoutError):
        await own_kafka.create_topics([Topic(name="later")], timeout_s=0.1)
    own_kafka.resume()
    await publish(own_kafka.bootstrap, "paused", b"value")
    assert await values(own_kafka.bootstrap, "paused", 1) == [b"value"]


def test_servers_listen_on_loopback_only(own_kafka: Kafka, own_postgres: Postgres) -> None:
    listening = {
        line.split()[1] for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
    }
    for port in (own_kafka.port, own_postgres.port):
        assert f"00000000:{port:04X}" not in listening
    assert f"0100007F:{own_postgres.port:04X}" in listening


async def test_postgres_asks_for_the_password(own_postgres: Postgres) -> None:
    await own_postgres.create_role("analyst", password='it\'s "quoted"')
    dsn = own_postgres.dsn(user="analyst", password='it\'s "quoted"')
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()
    for wrong in (own_postgres.dsn(user="analyst"), own_postgres.dsn(password="wrong")):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


async def test_database_is_a_copy_of_its_template(own_postgres: Postgres) -> None:
    template = await asyncpg.connect(await own_postgres.create_database("the-template"))
    await template.execute("CREATE TABLE t AS SELECT 5 AS value")
    await template.close()
    copy = await asyncpg.connect(
        await own_postgres.create_database("a copy", template="the-template")
    )
    assert await copy.fetchval("SELECT value FROM t") == 5
    await own_postgres.drop_database("a copy")  # with a session open
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await copy.fetchval("SELECT 1")


async def test_postgres_keeps_rows_over_restart_and_kill(own_postgres: Postgres) -> None:
    dsn = own_postgres.dsn()
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE kept (id int)")
    for value, interrupt in enumerate((own_postgres.restart, own_postgres.kill)):
        await connection.execute("INSERT INTO kept VALUES ($1)", value)
        interrupt()
        if not own_postgres.process.is_running:
            own_postgres.start()
        connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM kept") == 2
    await connection.close()


async def test_paused_postgres_does_not_answer_until_resumed(own_postgres: Postgres) -> None:
    connection = await asyncpg.connect(own_postgres.dsn())
    own_postgres.pause()
    answer = asyncio.ensure_future(connection.fetchval("SELECT 1"))
    done, _ = await asyncio.wait([answer], timeout=0.5)
    assert not done
    own_postgres.resume()
    assert await answer == 1
    await connection.close()
