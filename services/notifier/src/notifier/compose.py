"""An alert as a mail: text and HTML, the picture inline.

What does not depend on the recipient is made once per alert. The same delivery always gives the
same bytes, so that a mail that is repeated is recognisably the same one.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache

import jinja2

from notifier import wording
from notifier.alerts import Alert
from notifier.connection import Mail
from notifier.deliveries import Delivery
from notifier.mailbox import Mailbox
from notifier.settings import MailSettings
from notifier.wording import Further

_BASE64_LINE = 76  # characters, RFC 2045
_HEADER_LINE = 78  # characters, RFC 5322
_PICTURE_TYPES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
)


@dataclass(frozen=True, slots=True)
class Body:
    """What all mails about an alert share; `data` begins with the header MIME-Version."""

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
        self._html = environment.get_template("alert.html")
        self._text = environment.get_template("alert.txt")

    def body(self, alert: Alert, further: Further, *, note: str = "") -> Body:
        """Return what all mails about the alert share.

        Args:
            alert: With or without a picture; one that is none is left out.
            further: Earlier alerts of the camera that nobody was told of.
            note: A sentence above everything else.
        """
        picture_type = _picture_type(alert.picture)
        view = wording.view(
            alert,
            further,
            place=self._place,
            note=note,
            has_picture=bool(picture_type),
            link=f"{self._console_url}/alerts/{alert.id}" if self._console_url else "",
        )
        cid = f"picture.{alert.id}@{self._sender.domain}"
        text = _text_part("plain", self._text.render(view=view))
        html = _text_part("html", self._html.render(view=view, cid=cid))
        boundary = hashlib.sha256(f"{alert.id}/{alert.event_id}".encode()).hexdigest()[:24]
        if alert.picture is not None and picture_type:
            picture = _picture_part(alert.picture, picture_type, cid=cid, name=view.picture_name)
            html = _multipart("related", [html, picture], boundary=f"related-{boundary}")
        data = _multipart("alternative", [text, html], boundary=f"alternative-{boundary}")
        return Body(_subject(view.subject), b"MIME-Version: 1.0\r\n" + data)

    def mail(self, alert: Alert, body: Body, delivery: Delivery) -> Mail:
        """Return the mail of one delivery."""
        recipient = self._names.get(delivery.recipient, Mailbox(delivery.recipient))
        headers = (
            _mailbox_header("From", self._sender),
            _mailbox_header("To", recipient),
            body.subject,
            _plain_header("Date", format_datetime(delivery.created_at)),
            _plain_header("Message-ID", delivery.message_id),
            # No holiday reply is wanted: RFC 3834, and what Exchange looks at.
            _plain_header("Auto-Submitted", "auto-generated"),
            _plain_header("X-Auto-Response-Suppress", "All"),
            _plain_header("X-Maskwatch-Event", alert.event_id),
        )
        return Mail(
            sender=self._sender.address,
            recipient=delivery.recipient,
            message_id=delivery.message_id,
            data=b"".join((*headers, body.data)),
        )


def message_id(event_id: str, recipient: str, *, domain: str) -> str:
    """Return the Message-ID that this alert's mail to this recipient always has."""
    whom = hashlib.sha256(recipient.encode()).hexdigest()[:16]
    return f"<{event_id}.{whom}@{domain}>"


def sample_delivery(alert: Alert, recipient: Mailbox, *, now: datetime, domain: str) -> Delivery:
    """Return a delivery that stands in no ledger, for a test mail."""
    return Delivery(
        alert_id=alert.id,
        recipient=recipient.address,
        message_id=message_id(alert.event_id, recipient.address, domain=domain),
        further=0,
        further_since=None,
        attempts=0,
        unknowns=0,
        deadline=now,
        created_at=now,
    )


def _picture_type(picture: bytes | None) -> str:
    """Return the picture's MIME subtype by its first bytes; empty when it is no picture."""
    beginnings = (kind for magic, kind in _PICTURE_TYPES if (picture or b"").startswith(magic))
    return next(beginnings, "")


def _text_part(subtype: str, text: str) -> bytes:
    encoded = binascii.b2a_qp(text.replace("\n", "\r\n").encode(), quotetabs=False)
    return (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode() + encoded


def _picture_part(picture: bytes, subtype: str, *, cid: str, name: str) -> bytes:
    encoded = base64.b64encode(picture)
    starts = range(0, len(encoded), _BASE64_LINE)
    lines = b"\r\n".join([encoded[start : start + _BASE64_LINE] for start in starts])
    file_name = f"{name}.{'jpg' if subtype == 'jpeg' else subtype}"
    return (
        f"Content-Type: image/{subtype}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{cid}>\r\n"
        f'Content-Disposition: inline; filename="{file_name}"\r\n\r\n'
    ).encode() + lines


def _multipart(subtype: str, parts: Sequence[bytes], *, boundary: str) -> bytes:
    delimiter = f"\r\n--{boundary}".encode()
    # RFC 2387 has the type of the first part told.
    kind = '; type="text/html"' if subtype == "related" else ""
    return b"".join(
        (
            f'Content-Type: multipart/{subtype}; boundary="{boundary}"{kind}\r\n'.encode(),
            *(delimiter + b"\r\n" + part for part in parts),
            delimiter,
            b"--\r\n",
        )
    )


def _plain_header(name: str, value: str) -> bytes:
    """Return a header whose value we made ourselves: short, ASCII, one line."""
    return f"{name}: {value}\r\n".encode("ascii")


def _subject(text: str) -> bytes:
    if text.isascii() and len(text) + len("Subject: ") <= _HEADER_LINE:
        return _plain_header("Subject", text)
    folded: str = SMTP.header_factory("Subject", text).fold(policy=SMTP)
    return folded.encode("ascii")


@lru_cache(maxsize=256)
def _mailbox_header(name: str, mailbox: Mailbox) -> bytes:
    address = Address(display_name=mailbox.name, addr_spec=mailbox.address)
    folded: str = SMTP.header_factory(name, str(address)).fold(policy=SMTP)
    return folded.encode("ascii")
