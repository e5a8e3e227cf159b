"""The inbox as a process of its own, as its parent sees it."""

import sys
from pathlib import Path

from devstack import ports
from devstack.inbox.client import InboxClient
from devstack.inbox.options import InboxAddress, InboxOptions
from devstack.processes import Command
from devstack.server import Server

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0


class Inbox(Server):
    """One SMTP server with its page; the same ports and mails over every restart.

    Args:
        folder: Mails, log and pid file; made when absent.
        options: Login and TLS; by default it asks for neither.
    """

    def __init__(self, folder: Path, *, options: InboxOptions | None = None) -> None:
        super().__init__("the inbox")
        self.folder = folder.resolve()
        self.host = ports.LOOPBACK
        self.smtp_port, self.web_port = ports.free(2)
        self._options = options or InboxOptions()

    @property
    def url(self) -> str:
        """The page for a person; the API is below it."""
        return f"http://{self.host}:{self.web_port}"

    def client(self) -> InboxClient:
        """A client of its API: ``async with inbox.client() as mails: await mails.messages()``."""
        return InboxClient(self.url)

    def start(self) -> None:
        """Start it and wait until it takes mail and shows its page.

        Raises:
            ProcessError: It did not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "inbox.json"
        settings.touch(mode=0o600)  # it may hold a password
        settings.write_text(self._address().model_dump_json(), encoding="utf-8")
        command = Command(
            name="inbox",
            argv=(sys.executable, "-m", "devstack.inbox", str(settings)),
            folder=self.folder,
            stop_timeout_s=_STOP_TIMEOUT_S,
        )
        self._run(command, self._is_listening, timeout_s=_START_TIMEOUT_S)

    def _address(self) -> InboxAddress:
        return InboxAddress(
            folder=self.folder,
            host=self.host,
            smtp_port=self.smtp_port,
            web_port=self.web_port,
            options=self._options,
        )

    def _is_listening(self) -> bool:
        return ports.is_listening(self.web_port)  # opened after the SMTP port
