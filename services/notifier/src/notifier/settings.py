"""What the environment says; the README's table has a row for each variable."""

import json
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from maskwatch_runtime.settings import KafkaSettings, PostgresSettings, ServiceSettings
from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from notifier import mailbox, server
from notifier.mailbox import Mailbox
from notifier.server import MailServer, Tls

_HOST = r"[A-Za-z0-9.:_-]+"
_DAY_S = 24 * 3600.0


class MailSettings(ServiceSettings):
    """Who is told, by which servers, and how the mail looks."""

    recipients: Annotated[tuple[Mailbox, ...], NoDecode] = Field(min_length=1)
    sender: Annotated[Mailbox, NoDecode]
    smtp_host: str = Field(min_length=1, max_length=253, pattern=rf"^{_HOST}$")
    smtp_port: int = Field(default=0, ge=0, le=65_535, description="0: 25, 587 or 465 by TLS")
    smtp_tls: Tls = "starttls"
    smtp_ca_file: Path | None = None
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_fallback_host: str = Field(default="", max_length=253, pattern=rf"^(?:{_HOST})?$")
    smtp_fallback_port: int = Field(default=0, ge=0, le=65_535)
    smtp_fallback_tls: Tls = "starttls"
    smtp_fallback_ca_file: Path | None = None
    smtp_fallback_username: str = ""
    smtp_fallback_password: SecretStr = SecretStr("")
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
    def _check_servers(self) -> "MailSettings":
        if self.smtp_fallback_username and not self.smtp_fallback_host:
            raise ValueError(
                "MASKWATCH_SMTP_FALLBACK_USERNAME is set and MASKWATCH_SMTP_FALLBACK_HOST is not"
            )
        for one in self.smtp_servers:
            if one.password.get_secret_value() and not one.username:
                raise ValueError(f"{one.prefix}_PASSWORD is set and {one.prefix}_USERNAME is not")
        return self

    @property
    def smtp_servers(self) -> tuple[MailServer, ...]:
        """The first server and, if there is one, the fallback."""
        first = MailServer(
            prefix="MASKWATCH_SMTP",
            host=self.smtp_host,
            port=server.port_of(self.smtp_port, self.smtp_tls),
            tls=self.smtp_tls,
            ca_file=self.smtp_ca_file,
            username=self.smtp_username,
            password=self.smtp_password,
            timeout_s=self.smtp_timeout_s,
        )
        if not self.smtp_fallback_host:
            return (first,)
        fallback = MailServer(
            prefix="MASKWATCH_SMTP_FALLBACK",
            host=self.smtp_fallback_host,
            port=server.port_of(self.smtp_fallback_port, self.smtp_fallback_tls),
            tls=self.smtp_fallback_tls,
            ca_file=self.smtp_fallback_ca_file,
            username=self.smtp_fallback_username,
            password=self.smtp_fallback_password,
            timeout_s=self.smtp_timeout_s,
        )
        return first, fallback


class NotifierSettings(KafkaSettings, PostgresSettings, MailSettings):
    """The settings of `python -m notifier run`; the README has them in a table."""

    consumer_group: str = Field(default="notifier", min_length=1)
    cooldown_minutes: float = Field(default=10.0, ge=0, le=7 * 24 * 60, description="0: off")
    delivery_deadline_s: float = Field(default=_DAY_S, ge=1, le=30 * _DAY_S)
    retry_initial_s: float = Field(default=5.0, gt=0, le=3600)
    retry_cap_s: float = Field(default=300.0, gt=0, le=_DAY_S)
    unknown_repeats: int = Field(default=1, ge=0, le=1)
    picture_wait_s: float = Field(default=30.0, ge=0, le=3600)
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
