"""What the environment says; the README's table has a row for each variable."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from maskwatch_runtime.settings import KafkaSettings, PostgresSettings, ServiceSettings
from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from notifier import mailbox
from notifier.mailbox import Mailbox

_DEFAULT_PORTS = {"none": 25, "starttls": 587, "tls": 465}
_DAY_S = 24 * 3600.0


class MailSettings(ServiceSettings):
    """Who is told, by which server, and how the mail looks."""

    recipients: Annotated[tuple[Mailbox, ...], NoDecode] = Field(min_length=1)
    sender: Annotated[Mailbox, NoDecode]
    smtp_host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    smtp_port: int = Field(default=0, ge=0, le=65_535, description="0: 25, 587 or 465 by TLS")
    smtp_tls: Literal["none", "starttls", "tls"] = "starttls"
    smtp_ca_file: Path | None = None
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_connections: int = Field(default=4, ge=1, le=64)
    smtp_timeout_s: float = Field(default=30.0, gt=0, le=600)
    time_zone: str = "UTC"
    console_url: AnyHttpUrl | None = None

    @field_validator("recipients", mode="before")
    @classmethod
    def _parse_recipients(cls, value: Any) -> Any:
        return _mailboxes(value) if isinstance(value, str) else value

    @field_validator("sender", mode="before")
    @classmethod
    def _parse_sender(cls, value: Any) -> Any:
        return mailbox.parse(value) if isinstance(value, str) else value

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"is no time zone such as Europe/Paris: {value!r}") from error
        return value

    @model_validator(mode="after")
    def _check_login(self) -> "MailSettings":
        if self.smtp_password.get_secret_value() and not self.smtp_username:
            raise ValueError("MASKWATCH_SMTP_PASSWORD is set and MASKWATCH_SMTP_USERNAME is not")
        return self

    @property
    def smtp_port_used(self) -> int:
        return self.smtp_port or _DEFAULT_PORTS[self.smtp_tls]


class NotifierSettings(KafkaSettings, PostgresSettings, MailSettings):
    """The settings of `python -m notifier run`; the README has them in a table."""

    consumer_group: str = Field(default="notifier", min_length=1)
    cooldown_minutes: float = Field(default=10.0, ge=0, le=7 * 24 * 60, description="0: off")
    delivery_deadline_s: float = Field(default=_DAY_S, ge=1, le=30 * _DAY_S)
    retry_initial_s: float = Field(default=5.0, gt=0, le=3600)
    retry_cap_s: float = Field(default=300.0, gt=0, le=_DAY_S)
    unknown_repeats: int = Field(default=1, ge=0, le=1)
    picture_bytes_max: int = Field(default=1024 * 1024, ge=0, le=4 * 1024 * 1024)
    dead_letters_max: int = Field(default=1000, ge=1)
    camera_mails: bool = True
    camera_mails_per_hour: int = Field(default=4, ge=1, le=60, description="of one camera")
    camera_group_wait_s: float = Field(default=30.0, ge=0, le=600)


class MigrateSettings(PostgresSettings):
    """The settings of `python -m notifier migrate`."""


class CheckSettings(MailSettings):
    """The settings of `python -m notifier test-mail`."""


def _mailboxes(text: str) -> tuple[Mailbox, ...]:
    """Return the mailboxes of a JSON list or of a list with commas, each once."""
    if text.lstrip().startswith("["):
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise ValueError(f"begins like a JSON list and is none: {error}") from error
        if not all(isinstance(entry, str) for entry in entries):
            raise ValueError("is a JSON list of something other than addresses")
    else:
        entries = [entry for entry in text.split(",") if entry.strip()]
    parsed = [mailbox.parse(entry) for entry in entries]
    return tuple({one.address.lower(): one for one in reversed(parsed)}.values())[::-1]
