"""A real SMTP server with a page on which a person sees the mails, and an API that tests ask."""

from devstack.inbox.client import Message, Part
from devstack.inbox.faults import Faults
from devstack.inbox.options import InboxOptions, Login, Tls
from devstack.inbox.server import Inbox

__all__ = ["Faults", "Inbox", "InboxOptions", "Login", "Message", "Part", "Tls"]
