from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maskwatch_proto.device_event import CameraChanged, CameraState
from notifier import camera_wording
from notifier.compose import Composer
from notifier.deliveries import Delivery, Kind, Subject
from notifier.device_events import CameraReport, Report
from notifier.mailbox import Mailbox
from notifier.settings import CheckSettings
from notifier.wording import Place

_NOW = datetime(2026, 5, 4, 12, 3, 22, tzinfo=UTC)
_COMPOSER = Composer(
    CheckSettings(
        recipients=(Mailbox("ann@example.org"),),
        sender=Mailbox("alerts@maskwatch.example", "Maskwatch"),
        smtp_host="unused",
        time_zone="Europe/Paris",
    )
)


def _camera(
    name: str = "Gate 3",
    *,
    down_s: float | None = None,
    reason: str = "no frame comes",
    changes: int = 1,
    after: timedelta = timedelta(0),
    is_clock_uncertain: bool = False,
) -> CameraReport:
    """A camera that is down, or back after `down_s` seconds."""
    state = CameraState.DOWN if down_s is None else CameraState.UP
    last = CameraChanged(state=state, reason=reason, since=_NOW + after, down_s=down_s or 0.0)
    return CameraReport(name, last, changes, _NOW - timedelta(hours=2), is_clock_uncertain)


def _report(*cameras: CameraReport) -> Report:
    return Report(9, "018f4f2e-0000-7000-8000-000000000009", "door-1", "raspberry pi 4", cameras)


def _message(report: Report) -> EmailMessage:
    delivery = Delivery(
        key=1,
        subject=Subject(Kind.DEVICE_EVENT, report.id),
        recipient="ann@example.org",
        message_id="<one@maskwatch.example>",
        further=0,
        further_since=None,
        attempts=0,
        unknowns=0,
        deadline=_NOW,
        due_at=_NOW,
    )
    mail = _COMPOSER.mail(_COMPOSER.camera_body(report), delivery)
    assert mail == _COMPOSER.mail(_COMPOSER.camera_body(report), delivery)
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _part(report: Report, kind: str) -> str:
    (part,) = [one for one in _message(report).walk() if one.get_content_type() == kind]
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def test_text_says_what_happened_and_what_to_check() -> None:
    assert _part(_report(_camera()), "text/plain") == (
        "CAMERA DOWN\n"
        "No usable picture comes: nobody is watched there until it is back.\n"
        "\n"
        "Gate 3\n"
        "    Down since Monday, 4 May 2026, 14:03:22 CEST\n"
        "    2026-05-04 12:03:22 UTC\n"
        "    The device says: no frame comes\n"
        "\n"
        "What to check first\n"
        "1. Is the camera powered, and is its cable or its Wi-Fi connected?\n"
        "2. Is the lens free? Does the picture move again once the camera was turned off and on?\n"
        "3. A network camera: do its address and its login still match cameras.yml?\n"
        "\n"
        "Device      raspberry pi 4\n"
        "            door-1\n"
        "\n"
        "--\n"
        "Sent by Maskwatch. Event 018f4f2e-0000-7000-8000-000000000009"
    )


def test_headers_say_who_when_and_what() -> None:
    message = _message(_report(_camera()))

    assert message["Subject"] == "Camera down: Gate 3, 14:03:22"
    assert message["To"] == "ann@example.org"
    assert message["Date"].datetime == _NOW
    assert message["X-Maskwatch-Event"] == "018f4f2e-0000-7000-8000-000000000009"


def test_html_says_the_same_and_loads_nothing() -> None:
    html = _part(_report(_camera(changes=5)), "text/html")

    for words in ("Camera down", "Gate 3", "14:03:22 CEST", "no frame comes", "raspberry pi 4"):
        assert words in html
    assert "It changed 5 times since 4 May, 12:03:22." in html
    assert "What to check first" in html
    assert not [one for one in ("<script", "<img", "http://", "https://") if one in html]


def test_camera_that_is_back_asks_for_no_check() -> None:
    report = _report(_camera(down_s=7505))

    text = _part(report, "text/plain")

    assert _message(report)["Subject"] == "Camera back: Gate 3, after 2 h 5 min"
    assert "Back Monday, 4 May 2026, 14:03:22 CEST, after 2 h 5 min away" in text
    assert "The device had said: no frame comes" in text
    assert "check first" not in text


def test_device_that_started_anew_does_not_say_how_long_the_camera_was_away() -> None:
    camera = _camera(down_s=1)
    changed = camera.last.model_copy(update={"down_s": 0.0, "reason": ""})
    report = _report(replace(camera, last=changed))

    assert _message(report)["Subject"] == "Camera back: Gate 3"
    assert "away" not in _part(report, "text/plain")


@pytest.mark.parametrize(
    ("cameras", "subject", "tone"),
    [
        (
            (_camera("A", after=timedelta(seconds=5)), _camera("B")),
            "2 cameras down: door-1, 14:03:22",
            "red",
        ),
        ((_camera("A", down_s=3), _camera("B")), "1 of 2 cameras down: door-1, 14:03:22", "amber"),
        (
            (_camera("A", down_s=3), _camera("B", down_s=9)),
            "2 cameras back: door-1, 14:03:22",
            "green",
        ),
    ],
)
def test_several_cameras_are_told_together(
    cameras: tuple[CameraReport, ...], subject: str, tone: str
) -> None:
    report = _report(*cameras)

    assert _message(report)["Subject"] == subject
    assert camera_wording.view(report, place=Place("UTC")).tone == tone


def test_cameras_that_are_down_come_first_and_share_a_check() -> None:
    text = _part(_report(_camera("A", down_s=3), _camera("C"), _camera("B")), "text/plain")

    assert text.index("\nB\n") < text.index("\nC\n") < text.index("\nA\n")
    assert "1. What do they share: power, the network switch" in text


def test_many_cameras_are_counted_rather_than_named() -> None:
    text = _part(_report(*(_camera(f"Hall {number:02}") for number in range(25))), "text/plain")

    assert "25 CAMERAS DOWN" in text
    assert "Hall 19" in text
    assert "Hall 20" not in text
    assert "and 5 more" in text


def test_uncertain_clock_and_missing_names_are_told() -> None:
    nameless = replace(_report(_camera("", reason="", is_clock_uncertain=True)), device_type="")

    text = _part(nameless, "text/plain")

    assert "unnamed camera" in text
    assert "The device did not know the exact time." in text
    assert "The device says" not in text
    assert "Device      door-1" in text


def test_login_in_an_address_is_not_mailed() -> None:
    reason = "cannot open rtsp://admin:s3cret@10.0.0.7/stream"

    text = _part(_report(_camera(reason=reason)), "text/plain")

    assert "s3cret" not in text
    assert "rtsp://…@10.0.0.7/stream" in text


def test_markup_and_line_breaks_in_names_do_nothing() -> None:
    report = _report(_camera("<b>x</b>\r\nBcc: all@example.org", reason="<img src=x>"))

    assert _message(report)["Bcc"] is None
    assert "<img" not in _part(report, "text/html")
    assert "<b>x</b>" not in _part(report, "text/html")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59.4, "59 seconds"),
        (60, "1 min"),
        (95, "1 min 35 s"),
        (3600, "1 h"),
        (7505, "2 h 5 min"),
        (86_400, "1 day"),
        (2 * 86_400 + 4 * 3600 + 59, "2 days 4 h"),
    ],
)
def test_duration_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert camera_wording.duration(seconds) == words


@given(
    names=st.lists(st.text(max_size=100), min_size=1, max_size=6, unique=True),
    reason=st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"])),
    down_s=st.none() | st.floats(0, 1e8),
)
def test_every_report_becomes_a_mail_that_can_be_read(
    names: list[str], reason: str, down_s: float | None
) -> None:
    storable = [one.replace("\0", "").encode(errors="ignore").decode() for one in names]

    message = _message(
        _report(*(_camera(one, reason=reason[:500], down_s=down_s) for one in storable))
    )

    assert set(message.keys()) >= {"From", "To", "Subject", "Date", "Message-ID"}
    assert len(message.keys()) == 10
    assert not [part for part in message.walk() if part.defects]
