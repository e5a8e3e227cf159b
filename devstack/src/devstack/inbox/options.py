"""How an inbox is run; written by the parent, read by the inbox's own process."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Login(BaseModel):
    """Name and password that a client must give (AUTH) before it may send."""

    model_config = ConfigDict(frozen=True)

    username: str
    password: str


class Tls(BaseModel):
    """The server's certificate and when it is used.

    Attributes:
        certificate: PEM file, the chain included.
        key: PEM file.
        mode: ``starttls`` offers it, ``required`` refuses mail before it, ``implicit`` begins with
            it on the first byte (SMTPS).
    """

    model_config = ConfigDict(frozen=True)

    certificate: Path
    key: Path
    mode: Literal["starttls", "required", "implicit"] = "starttls"


class InboxOptions(BaseModel):
    """What an inbox asks of its clients."""

    model_config = ConfigDict(frozen=True)

    login: Login | None = None
    tls: Tls | None = None


class InboxAddress(BaseModel):
    """Where an inbox listens and keeps its mails; with the options, all that its process needs."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    host: str
    smtp_port: int
    web_port: int
    options: InboxOptions
