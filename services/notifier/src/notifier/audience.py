"""Whom to tell, in whose name."""

from dataclasses import dataclass

from notifier.mailbox import Mailbox


@dataclass(frozen=True, slots=True)
class Audience:
    recipients: tuple[Mailbox, ...]
    sender: Mailbox
