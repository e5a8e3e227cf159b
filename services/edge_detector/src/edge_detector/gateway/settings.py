from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from maskwatch_runtime.settings import ServiceSettings
from pydantic import Field, SecretStr, field_validator, model_validator

from edge_detector.names import Name


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


class GatewaySettings(ForwardSettings):
    """The gateway's settings; the service's README has them in a table."""

    device_guid: Annotated[Name, Field(min_length=1)]
    device_deployed_on: Name = ""
    outbox_path: Path
    gateway_file: Path | None = None
    gateway_unknown_boards: Literal["refuse", "accept"] = "refuse"
    gateway_boards_max: int = Field(default=1000, ge=1, le=10_000)
    gateway_results_per_s: float = Field(default=10.0, gt=0, le=1000)
    gateway_results_burst: int = Field(default=50, ge=1, le=10_000)
    gateway_picture_bytes_max: int = Field(default=150_000, ge=0, le=2 * 1024 * 1024)
    gateway_events_in_memory_max: int = Field(default=5000, ge=100, le=100_000)

    gateway_token: SecretStr = SecretStr("")
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8085, ge=0, le=65_535)
    gateway_cert_file: Path | None = None
    gateway_key_file: Path | None = None

    gateway_mqtt_host: str = ""
    gateway_mqtt_port: int = Field(default=8883, ge=1, le=65_535)
    gateway_mqtt_tls: bool = True
    gateway_mqtt_ca_file: Path | None = None
    gateway_mqtt_cert_file: Path | None = None
    gateway_mqtt_key_file: Path | None = None
    gateway_mqtt_username: str = ""
    gateway_mqtt_password: SecretStr = SecretStr("")
    gateway_mqtt_client_id: str = ""
    gateway_mqtt_result_topic: str = "maskwatch/+/result"
    gateway_mqtt_connect_topic: str = "maskwatch/+/connect"

    @field_validator("gateway_token")
    @classmethod
    def _long_enough(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < 16:
            raise ValueError("is shorter than 16 signs; openssl rand -hex 24 makes a good one")
        return token

    @field_validator("gateway_mqtt_result_topic", "gateway_mqtt_connect_topic")
    @classmethod
    def _one_board(cls, topic: str) -> str:
        levels = topic.split("/")
        if levels.count("+") > 1 or any(set(level) & set("+#") for level in levels if level != "+"):
            raise ValueError("may have one level that is +, the board, and no other wildcard")
        return topic

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.gateway_cert_file) != bool(self.gateway_key_file):
            raise ValueError("GATEWAY_CERT_FILE and GATEWAY_KEY_FILE belong together")
        if bool(self.gateway_mqtt_cert_file) != bool(self.gateway_mqtt_key_file):
            raise ValueError("GATEWAY_MQTT_CERT_FILE and GATEWAY_MQTT_KEY_FILE belong together")
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
