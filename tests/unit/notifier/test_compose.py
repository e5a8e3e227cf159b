from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notifier import compose
from notifier.alerts import Alert
from notifier.compose import Composer
from notifier.connection import Mail
from notifier.mailbox import Mailbox
from notifier.settings import CheckSettings
from notifier.wording import Further

_NONE = Further()
_NOW = datetime(2026, 5, 4, 12, 3, 22, tzinfo=UTC)
_JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8
_ANN = Mailbox("ann@example.org", "Ann Müller")
_ALERT = Alert(
    id=7,
    event_id="018f4f2e-0000-7000-8000-000000000005",
    event_time=_NOW,
    device_id="door-1",
    device_type="raspberry pi 4",
    camera="Gate 3",
    label="no_mask",
    probability=0.973,
    longitude=2.35222,
    latitude=-48.85661,
    picture=_JPEG,
    picture_bytes=len(_JPEG),
)


def _settings(**changed: Any) -> CheckSettings:
    values: dict[str, Any] = {
        "recipients": (_ANN,),
        "sender": Mailbox("alerts@maskwatch.example", "Maskwatch"),
        "smtp_host": "unused",
        "time_zone": "Europe/Paris",
    }
    return CheckSettings(**values | changed)


@cache
def _composer(**changed: Any) -> Composer:
    return Composer(_settings(**changed))


def _mail(
    alert: Alert = _ALERT, further: Further = _NONE, *, note: str = "", **changed: Any
) -> Mail:
    composer = _composer(**changed)
    delivery = compose.sample_delivery(alert, _ANN, now=_NOW, domain="maskwatch.example")
    return composer.mail(composer.body(alert, further, note=note), delivery)


def _parsed(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def _part(message: EmailMessage, kind: str) -> str:
    (part,) = [one for one in message.walk() if one.get_content_type() == kind]
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


class _Text(HTMLParser):
    """What a person reads in HTML, and the addresses it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _read(message: EmailMessage) -> _Text:
    reader = _Text()
    reader.feed(_part(message, "text/html"))
    return reader


def test_headers_say_who_when_and_what() -> None:
    message = _parsed(_mail())

    assert message["From"] == "Maskwatch <alerts@maskwatch.example>"
    assert message["To"] == "Ann Müller <ann@example.org>"
    assert message["Subject"] == "No mask: Gate 3, 14:03:22"
    assert message["Date"].datetime == _NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == compose.message_id(
        _ALERT.event_id, "ann@example.org", domain="maskwatch.example"
    )


def test_text_says_everything() -> None:
    further = Further(3, datetime(2026, 5, 4, 11, 54, tzinfo=UTC))

    text = _part(
        _parsed(_mail(further=further, console_url="https://console.example/mw/")), "text/plain"
    )

    assert text == (
        "NO MASK\n"
        "A person without a mask was seen.\n"
        "\n"
        "Camera      Gate 3\n"
        "When        Monday, 4 May 2026, 14:03:22 CEST\n"
        "            2026-05-04 12:03:22 UTC\n"
        "Certainty   Very likely (97 %)\n"
        "Where       48.85661° S, 2.35222° E\n"
        "            https://www.openstreetmap.org/?mlat=-48.85661&mlon=2.35222"
        "#map=17/-48.85661/2.35222\n"
        "Device      raspberry pi 4\n"
        "            door-1\n"
        "\n"
        "3 further alerts of this camera since 4 May, 13:54. They were not mailed one by one.\n"
        "\n"
        "Open: https://console.example/mw/alerts/7\n"
        "\n"
        "--\n"
        "Sent by Maskwatch. Event 018f4f2e-0000-7000-8000-000000000005"
    )


def test_html_says_the_same_and_shows_the_picture() -> None:
    message = _parsed(_mail(further=Further(1, _NOW)))
    (picture,) = [one for one in message.walk() if one.get_content_type() == "image/jpeg"]
    read = _read(message)
    text = " ".join(" ".join(read.text).split())

    for words in ("No mask", "Gate 3", "14:03:22 CEST", "Very likely (97 %)", "1 further alert of"):
        assert words in text
    assert picture.get_content() == _JPEG
    assert f"cid:{picture['Content-ID'][1:-1]}" in read.addresses
    assert picture.get_content_disposition() == "inline"
    assert [one.get_content_type() for one in message.walk() if one.is_multipart()] == [
        "multipart/alternative",
        "multipart/related",
    ]


def test_html_loads_nothing_from_elsewhere() -> None:
    read = _read(_parsed(_mail()))

    assert not read.tags & {"script", "link", "iframe", "object", "form"}
    assert [one for one in read.addresses if not one.startswith("cid:")] == [
        "https://www.openstreetmap.org/?mlat=-48.85661&mlon=2.35222#map=17/-48.85661/2.35222"
    ]


@pytest.mark.parametrize(
    ("picture", "picture_bytes", "words"),
    [
        (None, 0, "The device kept no picture of it."),
        (None, 2_048_000, "The picture (2000 KB) is too large for a mail."),
        (b"GIF of a sort", 13, "The picture cannot be read."),
    ],
)
def test_without_a_picture_the_mail_says_why(
    picture: bytes | None, picture_bytes: int, words: str
) -> None:
    message = _parsed(_mail(replace(_ALERT, picture=picture, picture_bytes=picture_bytes)))

    assert words in _part(message, "text/plain")
    assert words in " ".join(_read(message).text)
    assert not [one for one in message.walk() if one.get_content_maintype() == "image"]


def test_alert_of_the_original_programs_is_a_missing_mask() -> None:
    alert = Alert(id=1, event_id="alert-1", event_time=_NOW, device_id="d")

    message = _parsed(_mail(alert))

    assert message["Subject"] == "No mask: unnamed camera, 14:03:22"
    assert "Certainty" not in _part(message, "text/plain")
    assert "Where" not in _part(message, "text/plain")


@pytest.mark.parametrize(
    ("label", "title"),
    [
        ("bad_mask", "Mask worn incorrectly"),
        ("unsure", "Mask unclear"),
        ("mask", "Mask worn"),
        ("a word of a later version", "Mask unclear"),
    ],
)
def test_label_is_told_in_words(label: str, title: str) -> None:
    assert _parsed(_mail(replace(_ALERT, label=label)))["Subject"].startswith(f"{title}: ")


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "Very likely (99 %)"),
        (0.95, "Very likely (95 %)"),
        (0.8, "Likely (80 %)"),
        (0.5, "Possible (50 %)"),
    ],
)
def test_probability_is_told_in_words(probability: float, words: str) -> None:
    assert words in _part(_parsed(_mail(replace(_ALERT, probability=probability))), "text/plain")


def test_uncertain_clock_and_a_note_are_told() -> None:
    message = _parsed(_mail(replace(_ALERT, is_clock_uncertain=True), note="A test."))

    for kind in ("text/plain", "text/html"):
        assert "The device did not know the exact time." in _part(message, kind)
        assert "A test." in _part(message, kind)


def test_repeated_mail_has_the_same_bytes() -> None:
    assert _mail() == _mail()


def test_recipients_get_message_ids_of_their_own() -> None:
    first, second = (
        compose.message_id("e", address, domain="d.example") for address in ("a@b", "c@b")
    )

    assert first != second


def test_recipient_who_is_no_longer_in_the_settings_is_still_addressed() -> None:
    composer = Composer(_settings())
    gone = Mailbox("gone@example.org")
    delivery = compose.sample_delivery(_ALERT, gone, now=_NOW, domain="maskwatch.example")

    mail = composer.mail(composer.body(_ALERT, Further()), delivery)

    assert mail.recipient == "gone@example.org"
    assert _parsed(mail)["To"] == "gone@example.org"


def test_markup_and_line_breaks_in_names_do_nothing() -> None:
    alert = replace(
        _ALERT,
        camera="<script>alert(1)</script>\r\nBcc: all@example.org\r\n\r\n",
        device_type='"><img src=https://evil.example/x>',
    )

    message = _parsed(_mail(alert))
    read = _read(message)

    assert message["Bcc"] is None
    assert message["Subject"].startswith("No mask: <script>alert(1)</script> Bcc: all@example.org")
    assert "script" not in read.tags
    assert not [one for one in read.addresses if "evil" in one]


@given(
    camera=st.text(max_size=200),
    device=st.text(max_size=50),
    probability=st.none() | st.floats(0, 1),
    picture=st.none() | st.binary(max_size=300).map(lambda data: _JPEG[:4] + data),
)
def test_every_alert_becomes_a_mail_that_can_be_read(
    camera: str, device: str, probability: float | None, picture: bytes | None
) -> None:
    # PostgreSQL's text holds every character but these two kinds.
    storable = camera.replace("\0", "").encode(errors="ignore").decode()
    alert = replace(
        _ALERT,
        camera=storable,
        device_type=device.replace("\0", "").encode(errors="ignore").decode(),
        probability=probability,
        picture=picture,
    )

    mail = _mail(alert)
    message = _parsed(mail)

    assert set(message.keys()) >= {"From", "To", "Subject", "Date", "Message-ID"}
    assert len(message.keys()) == 10
    assert all(len(line) <= 998 for line in mail.data.split(b"\r\n"))
    assert b"\n" not in mail.data.replace(b"\r\n", b"")
    assert [
        part.get_content() for part in message.walk() if part.get_content_maintype() == "image"
    ] == ([picture] if picture else [])
