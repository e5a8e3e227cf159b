"""A person's address, with a display name or without; nothing in it can end a header line."""

import re
from dataclasses import dataclass

# The unquoted form of RFC 5321's Mailbox; a domain in another script is written as punycode.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_NAMED = re.compile(r"(?P<name>.*?)\s*<(?P<address>[^<>]*)>", re.DOTALL)
_LOCAL_PART_MAX, _ADDRESS_MAX, _NAME_MAX = 64, 254, 100  # the first two: RFC 5321, 4.5.3.1


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`name` is empty when there is none."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def parse(text: str) -> Mailbox:
    """Return the mailbox that `a@b.example` or `Name <a@b.example>` says.

    Raises:
        ValueError: It is neither, or holds line breaks, control characters or markup.
    """
    shown = repr(text[:_ADDRESS_MAX])
    if not text.isprintable():
        raise ValueError(f"{shown} holds a line break or a control character")
    named = _NAMED.fullmatch(text.strip())
    name = named["name"].strip().strip('"') if named else ""
    address = (named["address"] if named else text).strip()
    if set(name) & set('<>"\\') or len(name) > _NAME_MAX:
        raise ValueError(f"{shown} has a display name with markup or quotes in it, or a long one")
    is_too_long = len(address) > _ADDRESS_MAX or len(address.rpartition("@")[0]) > _LOCAL_PART_MAX
    if is_too_long or not _ADDRESS.fullmatch(address):
        raise ValueError(f"{shown} is no mail address such as admin@example.org")
    return Mailbox(address, name)
