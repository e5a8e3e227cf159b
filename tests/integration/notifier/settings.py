"""Settings for a notifier under test."""

from typing import Any
from urllib.parse import urlsplit

from notifier.settings import NotifierSettings

PASSWORD = "invented"


def postgres_settings(dsn: str) -> dict[str, str]:
    address = urlsplit(dsn)
    return {
        "MASKWATCH_POSTGRES_HOST": address.hostname or "",
        "MASKWATCH_POSTGRES_PORT": str(address.port),
        "MASKWATCH_POSTGRES_DATABASE": address.path.lstrip("/"),
        "MASKWATCH_POSTGRES_USER": address.username or "",
        "MASKWATCH_POSTGRES_PASSWORD": address.password or "",
        "MASKWATCH_POSTGRES_TLS": "disable",
    }


def as_notifier(dsn: str) -> str:
    """Return the address of the database for a user that has the service's role alone."""
    address = urlsplit(dsn)
    return f"postgresql://notifier_user:{PASSWORD}@{address.hostname}:{address.port}{address.path}"


def settings_of(database: str, smtp_port: int, **changed: Any) -> NotifierSettings:
    """Return settings under which nothing waits for long."""
    address = urlsplit(as_notifier(database))
    values: dict[str, Any] = {
        "kafka_bootstrap": "unused:9",
        "postgres_host": address.hostname,
        "postgres_port": address.port,
        "postgres_database": address.path.lstrip("/"),
        "postgres_user": address.username,
        "postgres_password": address.password,
        "postgres_tls": "disable",
        "recipients": "ann@example.org",
        "sender": "Maskwatch <alerts@maskwatch.example>",
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port,
        "smtp_tls": "none",
        "smtp_timeout_s": 5,
        "cooldown_minutes": 0,
        "retry_initial_s": 0.05,
        "retry_cap_s": 0.1,
        "camera_group_wait_s": 0,
        **changed,
    }
    return NotifierSettings(**values)
