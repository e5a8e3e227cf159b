"""Faults that a test asks for: by a marker in the recipient's address, or set for every mail."""

import re
from collections import Counter
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Drop = Literal["before_store", "after_store"]
_MARKER = re.compile(
    r"\+(?:(?P<rcpt>[45]\d\d)|data(?P<data>[45]\d\d)|(?P<drop>drop|lost)|delay(?P<ms>\d+))"
    r"(?:x(?P<times>\d+))?@"
)
_DROPS: dict[str, Drop] = {"drop": "before_store", "lost": "after_store"}
_TEXTS = {
    "421": "4.3.2 Service shutting down",
    "450": "4.2.1 Mailbox busy, try again later",
    "451": "4.3.0 Local error, try again later",
    "452": "4.2.2 Mailbox full, try again later",
    "550": "5.1.1 No such user here",
    "552": "5.3.4 Message too big",
    "554": "5.7.1 Transaction failed",
}


class Faults(BaseModel):
    """Faults for every mail, set at run time; the default is none.

    Attributes:
        greeting_reply: Sent in place of the greeting, then the connection is closed.
        recipient_reply: Answer to a recipient, who is then not taken, such as ``450 4.2.1 Later``.
        data_reply: Answer to a mail's data, which is then not stored, such as ``451 4.3.0 Later``.
        delay_s: Seconds that pass before each answer to a mail's data.
        drop: Close the connection after the data and before the answer; ``after_store`` has taken
            the mail (its sender cannot know), ``before_store`` has not.
        mails: For how many recipients or mails ``recipient_reply``, ``data_reply`` and ``drop``
            hold; None is until they are changed.

    A reply that begins with 421 closes the connection behind it (RFC 5321, 3.8).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    greeting_reply: str | None = None
    recipient_reply: str | None = None
    data_reply: str | None = None
    delay_s: float = Field(default=0.0, ge=0.0)
    drop: Drop | None = None
    mails: int | None = Field(default=None, ge=0)


class Verdict(NamedTuple):
    """What happens to one mail's data: wait, then drop or answer; no reply means it is taken."""

    delay_s: float = 0.0
    drop: Drop | None = None
    reply: str | None = None


class FaultPlan:
    """Decides what goes wrong; counts what a marker or setting has used up.

    Markers in a recipient's address, each with ``xN`` behind it for the first N mails only:
    ``+450@`` is the answer to RCPT, ``+data451@`` the answer to the mail's data, ``+drop@`` closes
    the connection without taking the mail, ``+lost@`` after taking it, ``+delay250@`` waits
    250 ms before answering the data.
    """

    def __init__(self) -> None:
        self.settings = Faults()
        self._used: Counter[str] = Counter()

    def change(self, settings: Faults) -> None:
        """Hold these from now on; markers count from the beginning."""
        self.settings = settings
        self._used.clear()

    def recipient_reply(self, address: str) -> str | None:
        """The refusal of a recipient by its marker, else by the settings; None takes it."""
        marker = _MARKER.search(address)
        if marker is not None and marker["rcpt"] and self._use(address, marker):
            return reply(marker["rcpt"])
        is_set = self.settings.recipient_reply is not None and self._count()
        return self.settings.recipient_reply if is_set else None

    def verdict(self, recipients: list[str]) -> Verdict:
        """What happens to a mail to these recipients: the first marker, else the settings."""
        for address in recipients:
            marker = _MARKER.search(address)
            if marker is not None and not marker["rcpt"] and self._use(address, marker):
                return _marked(marker)
        return self._set()

    def _use(self, address: str, marker: re.Match[str]) -> bool:
        """Whether the marker still holds; counts it."""
        self._used[address] += 1
        return marker["times"] is None or self._used[address] <= int(marker["times"])

    def _set(self) -> Verdict:
        wanted = self.settings
        if (wanted.data_reply or wanted.drop) and not self._count():
            return Verdict(delay_s=wanted.delay_s)
        return Verdict(delay_s=wanted.delay_s, drop=wanted.drop, reply=wanted.data_reply)

    def _count(self) -> bool:
        """Whether the settings hold for one more; counts it."""
        if self.settings.mails == 0:
            return False
        if self.settings.mails is not None:
            self.settings = self.settings.model_copy(update={"mails": self.settings.mails - 1})
        return True


def reply(code: str) -> str:
    """A full SMTP reply line with an enhanced status code (RFC 3463)."""
    return f"{code} {_TEXTS.get(code, f'{code[0]}.0.0 As asked for by the address')}"


def _marked(marker: re.Match[str]) -> Verdict:
    if marker["data"]:
        return Verdict(reply=reply(marker["data"]))
    if marker["drop"]:
        return Verdict(drop=_DROPS[marker["drop"]])
    return Verdict(delay_s=int(marker["ms"]) / 1000)
