"""The parts and headers of a mail, as the bytes that travel.

Made by hand, so that the same mail always has the same bytes and a picture is encoded once.
"""

import base64
import binascii
from collections.abc import Sequence
from email.headerregistry import Address
from email.policy import SMTP
from functools import lru_cache

from notifier.mailbox import Mailbox

_BASE64_LINE = 76  # characters, RFC 2045
_HEADER_LINE = 78  # characters, RFC 5322
_PICTURE_TYPES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
)


def picture_type(picture: bytes | None) -> str:
    """Return the picture's MIME subtype by its first bytes; empty when it is no picture."""
    beginnings = (kind for magic, kind in _PICTURE_TYPES if (picture or b"").startswith(magic))
    return next(beginnings, "")


def text_part(subtype: str, text: str) -> bytes:
    encoded = binascii.b2a_qp(text.replace("\n", "\r\n").encode(), quotetabs=False)
    return (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode() + encoded


def picture_part(picture: bytes, subtype: str, *, cid: str, name: str) -> bytes:
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


def multipart(subtype: str, parts: Sequence[bytes], *, boundary: str) -> bytes:
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


def plain_header(name: str, value: str) -> bytes:
    """Return a header whose value we made ourselves: short, ASCII, one line."""
    return f"{name}: {value}\r\n".encode("ascii")


def subject(text: str) -> bytes:
    if text.isascii() and len(text) + len("Subject: ") <= _HEADER_LINE:
        return plain_header("Subject", text)
    folded: str = SMTP.header_factory("Subject", text).fold(policy=SMTP)
    return folded.encode("ascii")


@lru_cache(maxsize=256)
def mailbox_header(name: str, mailbox: Mailbox) -> bytes:
    address = Address(display_name=mailbox.name, addr_spec=mailbox.address)
    folded: str = SMTP.header_factory(name, str(address)).fold(policy=SMTP)
    return folded.encode("ascii")
