"""Settings from the environment; every variable begins with MASKWATCH_.

A secret may stand in a file instead: MASKWATCH_X_FILE names the file that holds MASKWATCH_X.
"""

import os
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from maskwatch_runtime.errors import Misconfigured

PREFIX = "MASKWATCH_"
S = TypeVar("S", bound="ServiceSettings")


class _FileSource(PydanticBaseSettingsSource):
    """Reads MASKWATCH_X from the file that MASKWATCH_X_FILE names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class's signature
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{variable} names a file that cannot be read: {error}") from error

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, info in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(info, name)
            if value is not None:
                values[key] = value
        return values


class ServiceSettings(BaseSettings):
    """What every service has. Lists and maps are written as JSON."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    admin_host: str = "127.0.0.1"
    admin_port: int = Field(default=0, ge=0, le=65_535, description="0 picks a free port")
    shutdown_s: float = Field(default=10.0, gt=0, le=300)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileSource(settings_cls)


class KafkaSettings(ServiceSettings):
    """How to reach Kafka."""

    kafka_bootstrap: str = Field(min_length=1, description="host:port, several with commas")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: Path | None = None
    kafka_timeout_s: float = Field(default=10.0, gt=0, le=300)
    stalled_after_s: float = Field(
        default=60.0, gt=0, le=3600, description="no progress for so long is not live"
    )

    @model_validator(mode="after")
    def _check_kafka_login(self) -> Self:
        protocol = f"MASKWATCH_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}"
        has_login = bool(self.kafka_username and self.kafka_password.get_secret_value())
        if self.kafka_security_protocol.startswith("SASL"):
            if not has_login:
                raise ValueError(f"{protocol} needs MASKWATCH_KAFKA_USERNAME and _PASSWORD")
        elif self.kafka_username or self.kafka_password.get_secret_value():
            raise ValueError(f"MASKWATCH_KAFKA_USERNAME or _PASSWORD is set, {protocol} uses none")
        if self.kafka_ca_file and not self.kafka_security_protocol.endswith("SSL"):
            raise ValueError(f"MASKWATCH_KAFKA_CA_FILE is set, {protocol} checks no certificate")
        return self


class PostgresSettings(ServiceSettings):
    """How to reach PostgreSQL."""

    postgres_host: str = Field(min_length=1)
    postgres_port: int = Field(default=5432, ge=1, le=65_535)
    postgres_database: str = "maskwatch"
    postgres_user: str = Field(min_length=1)
    postgres_password: SecretStr
    postgres_tls: Literal["disable", "prefer", "require", "verify-full"] = "prefer"
    postgres_ca_file: Path | None = None
    postgres_timeout_s: float = Field(default=10.0, gt=0, le=300)

    @model_validator(mode="after")
    def _check_postgres_tls(self) -> Self:
        if self.postgres_ca_file and self.postgres_tls != "verify-full":
            raise ValueError(
                "MASKWATCH_POSTGRES_CA_FILE is set, "
                f"MASKWATCH_POSTGRES_TLS={self.postgres_tls} checks no certificate"
            )
        return self


def load(settings_type: type[S]) -> S:
    """Return the settings that the environment gives.

    Raises:
        Misconfigured: A variable is missing or senseless; the message names each, never a secret.
    """
    try:
        return settings_type()
    except ValidationError as error:
        lines = [
            f"{_variable(problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise Misconfigured("; ".join(lines)) from error
    except ValueError as error:  # JSON that cannot be read, raised by the environment's reader
        raise Misconfigured(str(error)) from error


def _variable(location: tuple[int | str, ...]) -> str:
    name, *rest = (str(part) for part in location) if location else ("settings",)
    return PREFIX + ".".join((name.upper(), *rest))
