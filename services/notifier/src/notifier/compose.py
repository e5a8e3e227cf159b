"""An alert or cameras' changes as a mail: text and HTML, the picture inline.

What does not depend on the recipient is made once per mail. The same delivery always gives the
same bytes, so that a mail that is repeated is recognisably the same one.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

import jinja2

from notifier import camera_wording, mime, wording
from notifier.alerts import Alert
from notifier.connection import Mail
from notifier.deliveries import Delivery, Kind, Subject
from notifier.device_events import Report
from notifier.mailbox import Mailbox
from notifier.settings import MailSettings
from notifier.wording import Further


@dataclass(frozen=True, slots=True)
class Body:
    """What all mails about one thing share; `data` begins with the header MIME-Version."""

    event_id: str
    subject: bytes
    data: bytes


class Composer:
    """Makes mails; the templates are compiled once."""

    def __init__(self, settings: MailSettings) -> None:
        self._place = wording.Place(settings.time_zone)
        self._console_url = str(settings.console_url).rstrip("/") if settings.console_url else ""
        self._sender = settings.sender
        self._names = {one.address: one for one in settings.recipients}
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("notifier"),
            autoescape=jinja2.select_autoescape(["html"]),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["tones"] = wording.TONES
        self._html = environment.get_template("alert.html")
        self._text = environment.get_template("alert.txt")
        self._camera_html = environment.get_template("camera.html")
        self._camera_text = environment.get_template("camera.txt")

    def body(self, alert: Alert, further: Further, *, note: str = "") -> Body:
        """Return what all mails about the alert share.

        Args:
            alert: With or without a picture; one that is none is left out.
            further: Earlier alerts of the camera that nobody was told of.
            note: A sentence above everything else.
        """
        picture_type = mime.picture_type(alert.picture)
        view = wording.view(
            alert,
            further,
            place=self._place,
            note=note,
            has_picture=bool(picture_type),
            link=f"{self._console_url}/alerts/{alert.id}" if self._console_url else "",
        )
        cid = f"picture.{alert.id}@{self._sender.domain}"
        text = mime.text_part("plain", self._text.render(view=view))
        html = mime.text_part("html", self._html.render(view=view, cid=cid))
        boundary = _boundary(alert.id, alert.event_id)
        if alert.picture is not None and picture_type:
            picture = mime.picture_part(
                alert.picture, picture_type, cid=cid, name=view.picture_name
            )
            html = mime.multipart("related", [html, picture], boundary=f"related-{boundary}")
        return _body(alert.event_id, view.subject, [text, html], boundary)

    def camera_body(self, report: Report) -> Body:
        """Return what all mails about these changes of cameras share."""
        view = camera_wording.view(report, place=self._place)
        text = mime.text_part("plain", self._camera_text.render(view=view))
        html = mime.text_part("html", self._camera_html.render(view=view))
        boundary = _boundary(report.id, report.event_id)
        return _body(report.event_id, view.subject, [text, html], boundary)

    def mail(self, body: Body, delivery: Delivery) -> Mail:
        """Return the mail of one delivery."""
        recipient = self._names.get(delivery.recipient, Mailbox(delivery.recipient))
        headers = (
            mime.mailbox_header("From", self._sender),
            mime.mailbox_header("To", recipient),
            body.subject,
            mime.plain_header("Date", format_datetime(delivery.due_at)),
            mime.plain_header("Message-ID", delivery.message_id),
            # No holiday reply is wanted: RFC 3834, and what Exchange looks at.
            mime.plain_header("Auto-Submitted", "auto-generated"),
            mime.plain_header("X-Auto-Response-Suppress", "All"),
            mime.plain_header("X-Maskwatch-Event", body.event_id),
        )
        return Mail(
            sender=self._sender.address,
            recipient=delivery.recipient,
            message_id=delivery.message_id,
            data=b"".join((*headers, body.data)),
        )


def message_id(event_id: str, recipient: str, *, domain: str) -> str:
    """Return the Message-ID that this event's mail to this recipient always has."""
    whom = hashlib.sha256(recipient.encode()).hexdigest()[:16]
    return f"<{event_id}.{whom}@{domain}>"


def sample_delivery(alert: Alert, recipient: Mailbox, *, now: datetime, domain: str) -> Delivery:
    """Return a delivery that stands in no ledger, for a test mail."""
    return Delivery(
        key=0,
        subject=Subject(Kind.ALERT, alert.id),
        recipient=recipient.address,
        message_id=message_id(alert.event_id, recipient.address, domain=domain),
        further=0,
        further_since=None,
        attempts=0,
        unknowns=0,
        deadline=now,
        due_at=now,
    )


def _boundary(number: int, event_id: str) -> str:
    return hashlib.sha256(f"{number}/{event_id}".encode()).hexdigest()[:24]


def _body(event_id: str, subject: str, parts: list[bytes], boundary: str) -> Body:
    data = mime.multipart("alternative", parts, boundary=f"alternative-{boundary}")
    return Body(event_id, mime.subject(subject), b"MIME-Version: 1.0\r\n" + data)
