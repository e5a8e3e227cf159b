from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from maskwatch_runtime.settings import ServiceSettings
from pydantic import Field, SecretStr, model_validator


class ForwardSettings(ServiceSettings):
    """Where events go besides the outbox; off until an address is set."""

    forward_url: str = ""
    forward_token: SecretStr = SecretStr("")
    forward_mqtt_host: str = ""
    forward_mqtt_port: int = Field(default=8883, ge=1, le=65_535)
    forward_mqtt_topic: str = "maskwatch/events"
    forward_client_id: str = "maskwatch-forward"
    forward_username: str = ""
    forward_password: SecretStr = SecretStr("")
    forward_ca_file: Path | None = None
    forward_cert_file: Path | None = None
    forward_key_file: Path | None = None
    forward_tls: bool = True
    forward_pictures: bool = False
    forward_queue_path: Path | None = None
    forward_events_max: int = Field(default=10_000, ge=1, le=10_000_000)
    forward_timeout_s: float = Field(default=10.0, gt=0, le=300)

    @property
    def is_forwarding(self) -> bool:
        return bool(self.forward_url or self.forward_mqtt_host)

    @model_validator(mode="after")
    def _check_forward(self) -> Self:
        if self.forward_url and self.forward_mqtt_host:
            raise ValueError("FORWARD_URL and FORWARD_MQTT_HOST are both set: choose one")
        if self.is_forwarding and self.forward_queue_path is None:
            raise ValueError("FORWARD_QUEUE_PATH is missing: events wait in that file")
        if bool(self.forward_cert_file) != bool(self.forward_key_file):
            raise ValueError("FORWARD_CERT_FILE and FORWARD_KEY_FILE belong together")
        if self.forward_url:
            _check_url(self.forward_url, has_token=bool(self.forward_token.get_secret_value()))
        return self


def _check_url(url: str, *, has_token: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("FORWARD_URL is no address that begins with https:// or http://")
    if parts.username or parts.password:
        raise ValueError("FORWARD_URL holds a user or password: use FORWARD_TOKEN")
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if has_token and parts.scheme == "http" and not is_here:
        raise ValueError("FORWARD_URL is http: the token would be readable on the way, use https")
