from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from edge_detector.forward.settings import ForwardSettings
from edge_detector.names import Name


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
