"""Secure servers together, and the settings with which services come to them."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from devstack.certificates import Authority
from devstack.inbox import InboxOptions, Login, Tls
from devstack.secure.kafka import MECHANISM, ExpiredDoor, SecureKafka
from devstack.secure.postgres import SecurePostgres
from devstack.secure.rights import RIGHTS
from devstack.stack import Infrastructure
from devstack.system import Options

STRANGER = "stranger"  # may log in and do nothing
_SMTP_LOGIN = "maskwatch"
_SMTP_TLS = {"starttls": "required", "tls": "implicit"}


class SecureInfrastructure(Infrastructure):
    """The three servers with TLS, logins and, on Kafka, rights for each service.

    Args:
        folder: See `Infrastructure`.
        smtp_tls: How the inbox speaks TLS, as `MASKWATCH_SMTP_TLS` says it.
    """

    kafka: SecureKafka
    postgres: SecurePostgres

    def __init__(self, folder: Path, *, smtp_tls: Literal["starttls", "tls"] = "starttls") -> None:
        self.authority = Authority(folder.resolve() / "tls")
        self.smtp_password = secrets.token_urlsafe(24)
        self.smtp_tls = smtp_tls
        certificate = self.authority.issue("smtp")
        options = InboxOptions.model_validate(
            {
                "login": Login(username=_SMTP_LOGIN, password=self.smtp_password),
                "tls": Tls.model_validate(
                    {
                        "certificate": certificate.chain,
                        "key": certificate.key,
                        "mode": _SMTP_TLS[smtp_tls],
                    }
                ),
            }
        )
        super().__init__(folder, inbox_options=options)
        ended = self.authority.issue("expired", expired_at=datetime.now(UTC) - timedelta(days=1))
        self.expired = ended
        self.expired_door = ExpiredDoor(ended.both)
        self.kafka = SecureKafka(
            self.folder / "kafka",
            self.authority,
            {login: secrets.token_urlsafe(24) for login in (*RIGHTS, STRANGER)},
            expired=self.expired_door,
        )
        self.postgres = SecurePostgres(self.folder / "postgres", self.authority)

    def start(self) -> None:
        """Start the servers, and allow each login on Kafka what it needs; see `Infrastructure`."""
        super().start()
        asyncio.run(self.kafka.allow(RIGHTS))

    def options(self, recipients: tuple[str, ...]) -> Options:
        """Return what a `System` on these servers needs to know.

        Half of the secrets stand in files, the other half in the environment.
        """
        postgres = {
            "MASKWATCH_POSTGRES_TLS": "verify-full",
            "MASKWATCH_POSTGRES_CA_FILE": str(self.authority.ca_file),
        }
        return Options(
            recipients=recipients,
            settings={
                "dispatcher": self.kafka_settings("dispatcher"),
                "ingress": self.kafka_settings("ingress") | postgres,
                "notifier": self.kafka_settings("notifier") | postgres | self.smtp_settings(),
                "migrate": postgres,
                "topics": self.kafka_settings("topics"),
            },
        )

    def kafka_settings(self, login: str) -> dict[str, str]:
        """A login's variables for Kafka; the password stands in a file."""
        return {
            "MASKWATCH_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "MASKWATCH_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "MASKWATCH_KAFKA_SASL_MECHANISM": MECHANISM,
            "MASKWATCH_KAFKA_CA_FILE": str(self.authority.ca_file),
            "MASKWATCH_KAFKA_USERNAME": login,
            "MASKWATCH_KAFKA_PASSWORD_FILE": str(
                self._secret(f"kafka-{login}", self.kafka.logins[login])
            ),
        }

    def smtp_settings(self) -> dict[str, str]:
        """The notifier's variables for the inbox; the password stands in the environment."""
        return {
            "MASKWATCH_SMTP_TLS": self.smtp_tls,
            "MASKWATCH_SMTP_CA_FILE": str(self.authority.ca_file),
            "MASKWATCH_SMTP_USERNAME": _SMTP_LOGIN,
            "MASKWATCH_SMTP_PASSWORD": self.smtp_password,
        }

    def _secret(self, name: str, value: str) -> Path:
        file = self.folder / "secrets" / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(value, encoding="utf-8")
        return file
