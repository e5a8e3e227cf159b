"""A mail's bytes as something to show: headers decoded, text and HTML found, parts listed.

Never raises on a malformed mail: what cannot be decoded is shown as it came.
"""

import base64
import contextlib
import email
import email.errors
import email.header
import email.message
import email.parser
import email.policy
import re
from typing import NamedTuple
from urllib.parse import unquote

_HEADER_BYTES = 64 * 1024
# Compat32 leaves headers as they came; the newer policies raise on some malformed ones.
_POLICY = email.policy.compat32
_CID = re.compile(r"""(?P<quote>["'(])\s*cid:(?P<id>[^"')\s>]+)\s*(?P<end>["')])""", re.IGNORECASE)


_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)


class Headers(NamedTuple):
    """What a list of mails shows; empty where the mail has none."""

    subject: str
    sender: str
    to: str
    date: str
    message_id: str


class Part(NamedTuple):
    """One leaf of a mail's MIME tree; its index is its place in the list of them."""

    content_type: str
    filename: str
    content_id: str
    disposition: str
    data: bytes


class Content(NamedTuple):
    """A whole mail.

    Attributes:
        headers: All of them in order, decoded.
        text: The first plain text part.
        html: The first HTML part, as sent; None without one.
        parts: Every leaf of the MIME tree.
    """

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str | None
    parts: tuple[Part, ...]


def headers(raw: bytes) -> Headers:
    """Parse only the head of a mail."""
    head = raw[:_HEADER_BYTES].partition(b"\r\n\r\n")[0]
    message = email.parser.BytesHeaderParser(policy=_POLICY).parsebytes(head)
    names = ("Subject", "From", "To", "Date", "Message-ID")
    return Headers(*(_decoded(message.get(name, "")) for name in names))


def content(raw: bytes) -> Content:
    """Parse a whole mail."""
    message = email.message_from_bytes(raw, policy=_POLICY)
    leaves = [leaf for leaf in message.walk() if not leaf.is_multipart()]
    html = _first_body(leaves, "text/html")
    return Content(
        headers=tuple((name, _decoded(value)) for name, value in message.items()),
        text=_first_body(leaves, "text/plain") or "",
        html=html,
        parts=tuple(_part(leaf) for leaf in leaves),
    )


def inline(html: str, parts: tuple[Part, ...]) -> str:
    """Put the pictures that ``cid:`` addresses name into the HTML, as ``data:`` addresses."""
    pictures = {
        part.content_id: part
        for part in parts
        if part.content_id and part.content_type.startswith("image/")
    }

    def replace(match: re.Match[str]) -> str:
        part = pictures.get(unquote(match["id"]))
        if part is None:
            return match[0]
        data = base64.b64encode(part.data).decode("ascii")
        return f"{match['quote']}data:{part.content_type};base64,{data}{match['end']}"

    return _CID.sub(replace, html)


def opening_links_outside(html: str) -> str:
    """Make links open beside the frame that shows the mail, not in it."""
    if _HEAD.search(html):
        return _HEAD.sub(r'\g<0><base target="_blank">', html, count=1)
    return f'<!doctype html><meta charset="utf-8"><base target="_blank">{html}'


def _first_body(leaves: list[email.message.Message], content_type: str) -> str | None:
    for leaf in leaves:
        if leaf.get_content_type() == content_type and not leaf.get_filename():
            data = leaf.get_payload(decode=True)
            return _as_text(data if isinstance(data, bytes) else b"", leaf.get_content_charset())
    return None


def _part(leaf: email.message.Message) -> Part:
    data = leaf.get_payload(decode=True)
    return Part(
        content_type=leaf.get_content_type(),
        filename=_decoded(leaf.get_filename() or ""),
        content_id=str(leaf.get("Content-ID", "")).strip().strip("<>"),
        disposition=leaf.get_content_disposition() or "",
        data=data if isinstance(data, bytes) else b"",
    )


def _as_text(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset or "utf-8", errors="replace")
    except LookupError:  # a charset that Python does not know
        return data.decode("utf-8", errors="replace")


def _decoded(value: object) -> str:
    """A header as text: encoded words (RFC 2047) decoded, folded lines joined."""
    text = str(value)
    with contextlib.suppress(email.errors.HeaderParseError, LookupError, ValueError):
        text = str(email.header.make_header(email.header.decode_header(text)))
    return " ".join(text.split())
