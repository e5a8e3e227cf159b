"""One message, one row and one mail through the real servers."""

from email.message import EmailMessage

import aiosmtplib
import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from devstack.inbox import Inbox
from devstack.inbox.client import InboxClient

from devstack import kafka as broker

PICTURE = b"\xff\xd8\xff\xe0 a picture \x00\r\n.\r\n\xff\xd9"


async def test_message_goes_through_kafka(kafka: str) -> None:
    await broker.create_topics(kafka, [broker.Topic(name="through-kafka", partitions=2)])
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait("through-kafka", b"value", key=b"key", headers=[("h", b"1")])
    consumer = AIOKafkaConsumer(
        "through-kafka", bootstrap_servers=kafka, group_id="g", auto_offset_reset="earliest"
    )
    async with consumer:
        message = await consumer.getone()
    assert (message.key, message.value, message.headers) == (b"key", b"value", (("h", b"1"),))


async def test_four_mebibytes_fit_into_a_message(kafka: str) -> None:
    await broker.create_topics(kafka, [broker.Topic(name="large")])
    value = b"x" * (broker.MESSAGE_MAX_BYTES - 1024)
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, max_request_size=broker.MESSAGE_MAX_BYTES
    ) as producer:
        sent = await producer.send_and_wait("large", value)
    assert sent.offset == 0


async def test_row_goes_through_postgres(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
        await connection.execute("INSERT INTO t VALUES (7)")
        assert await connection.fetchval("SELECT id FROM t") == 7
    finally:
        await connection.close()


async def test_each_test_has_a_database_of_its_own(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT to_regclass('t')") is None
    finally:
        await connection.close()


async def test_mail_with_inline_picture_is_shown_by_the_api(
    inbox: Inbox, mails: InboxClient
) -> None:
    mail = EmailMessage()
    mail["From"] = "Maskwatch <maskwatch@example.org>"
    mail["To"] = "Zoë <zoe@example.org>"
    mail["Subject"] = "No mask in Operating theatre 2 (Süd)"
    mail["Message-ID"] = "<1@example.org>"
    mail.set_content("A person without a mask.\n.\n..two dots\n")
    mail.add_alternative('<p>Look: <img src="cid:picture"></p>', subtype="html")
    mail.get_payload()[1].add_related(  # type: ignore[union-attr, index]
        PICTURE, "image", "jpeg", cid="<picture>"
    )
    await aiosmtplib.send(mail, hostname=inbox.host, port=inbox.smtp_port)

    (message,) = await mails.messages(to="zoe@example.org")
    assert message.subject == "No mask in Operating theatre 2 (Süd)"
    assert message.to == "Zoë <zoe@example.org>"
    assert message.mail_from == "maskwatch@example.org"
    assert message.message_id == "<1@example.org>"

    detail = await mails.message(message.id)
    assert detail.text.splitlines() == ["A person without a mask.", ".", "..two dots"]
    assert detail.html is not None
    assert "cid:picture" in detail.html
    picture = detail.parts[2]
    assert (picture.content_id, picture.content_type) == ("picture", "image/jpeg")
    assert await mails.part(picture) == PICTURE
    assert (await mails.raw(message.id)).startswith(b"From: Maskwatch")
