"""A mail server and how it is reached."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import SecretStr

Tls: TypeAlias = Literal["none", "starttls", "tls"]
_DEFAULT_PORTS: dict[Tls, int] = {"none": 25, "starttls": 587, "tls": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """One of those that mails may leave by.

    Attributes:
        prefix: What its variables begin with, for the operator: `MASKWATCH_SMTP`.
        timeout_s: Longest wait for one answer.
    """

    prefix: str
    host: str
    port: int
    tls: Tls
    ca_file: Path | None
    username: str
    password: SecretStr = field(repr=False)
    timeout_s: float

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def port_of(port: int, tls: Tls) -> int:
    """Return the port, or for 0 the one that is usual with this kind of TLS."""
    return port or _DEFAULT_PORTS[tls]
