"""The mails that came in: bytes as ``.eml`` files, envelopes in a journal and in memory."""

import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from devstack.inbox import mail


class Envelope(BaseModel):
    """One mail as SMTP handed it over.

    Attributes:
        number: 1 for the first mail of this inbox, then counted up.
        received_at: When its data was complete, seconds since the epoch.
        size_bytes: Of the mail as sent, headers included.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    received_at: float
    mail_from: str
    rcpt_to: tuple[str, ...]
    size_bytes: int


class Store:
    """All mails of one folder; a mail is parsed when somebody looks at it and not before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "mails"
        self._folder.mkdir(parents=True, exist_ok=True)
        journal = self._folder / "journal.jsonl"
        self._envelopes = {each.number: each for each in self._read_journal(journal)}
        self._journal = journal.open("a", encoding="utf-8")
        self.last_number = max(self._envelopes, default=0)
        self._by_recipient = Counter(
            address for each in self._envelopes.values() for address in each.rcpt_to
        )
        self.headers = lru_cache(maxsize=20_000)(self._headers)
        self.content = lru_cache(maxsize=64)(self._content)

    def __len__(self) -> int:
        return len(self._envelopes)

    @property
    def by_recipient(self) -> dict[str, int]:
        """Number of mails by recipient of the envelope."""
        return dict(self._by_recipient)

    def add(self, mail_from: str, rcpt_to: Sequence[str], raw: bytes) -> Envelope:
        """Keep a mail; on return it survives the end of this process, however it ends."""
        self.last_number += 1
        envelope = Envelope(
            number=self.last_number,
            received_at=time.time(),
            mail_from=mail_from,
            rcpt_to=tuple(rcpt_to),
            size_bytes=len(raw),
        )
        self.path(envelope.number).write_bytes(raw)
        # The journal comes second: a mail that is in it is there whole.
        self._journal.write(envelope.model_dump_json() + "\n")
        self._journal.flush()
        self._envelopes[envelope.number] = envelope
        self._by_recipient.update(envelope.rcpt_to)
        return envelope

    def get(self, number: int) -> Envelope | None:
        return self._envelopes.get(number)

    def newest_first(self) -> list[Envelope]:
        return list(reversed(self._envelopes.values()))

    def path(self, number: int) -> Path:
        """The file of a mail's bytes."""
        return self._folder / f"{number:06d}.eml"

    def clear(self) -> None:
        """Forget and remove every mail; numbers go on counting up."""
        self._journal.truncate(0)
        for number in self._envelopes:
            self.path(number).unlink(missing_ok=True)
        self._envelopes.clear()
        self._by_recipient.clear()

    def _headers(self, number: int) -> mail.Headers:
        return mail.headers(self.path(number).read_bytes())

    def _content(self, number: int) -> mail.Content:
        return mail.content(self.path(number).read_bytes())

    @staticmethod
    def _read_journal(path: Path) -> list[Envelope]:
        """The envelopes in the journal; a last line that a kill cut short is taken away."""
        written = path.read_bytes() if path.exists() else b""
        # No mail is lost with a torn line: its sender never got an answer.
        whole = written[: written.rfind(b"\n") + 1]
        if len(whole) < len(written):
            path.write_bytes(whole)
        return [Envelope.model_validate_json(line) for line in whole.splitlines()]
