"""The inbox as a process of its own, as its parent sees it."""

import sys
from pathlib import Path

from devstack import ports
from devstack.inbox.client import InboxClient
from devstack.inbox.options import InboxAddress, InboxOptions
from devstack.processes import Command, Process

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0


class Inbox:
    """One SMTP server with its page; the same ports and mails over every restart.

    Args:
        folder: Mails, log and pid file; made when absent.
        options: Login and TLS; by default it asks for neither.
    """

    def __init__(self, folder: Path, *, options: InboxOptions | None = None) -> None:
        self.folder = folder.resolve()
        self.host = ports.LOOPBACK
        self.smtp_port, self.web_port = ports.free(2)
        self._options = options or InboxOptions()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The page for a person; the API is below it."""
        return f"http://{self.host}:{self.web_port}"

    @property
    def process(self) -> Process:
        """The running inbox.

        Raises:
            RuntimeError: It was never started.
        """
        if self._process is None:
            raise RuntimeError("the inbox is not started")
        return self._process

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
        self._process = Process(command)
        self._process.wait_until(self._is_listening, timeout_s=_START_TIMEOUT_S)

    def stop(self) -> None:
        """End it in order; nothing happens when it does not run."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Stop it if it runs and start it anew on the same ports, its mails kept."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Undo ``pause``."""
        self.process.resume()

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
