"""A client of an MQTT broker."""

import ssl
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
from pydantic import SecretStr

_KEEPALIVE_S = 30
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach a broker; `tls` None is a connection in clear."""

    host: str
    port: int
    client_id: str
    tls: ssl.SSLContext | None = None
    username: str = ""
    password: SecretStr = field(default=SecretStr(""), repr=False)


def client(broker: Broker, **options: Any) -> aiomqtt.Client:
    """Return a client that is not connected yet."""
    return aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=broker.client_id,
        username=broker.username or None,
        password=broker.password.get_secret_value() or None,
        tls_context=broker.tls,
        timeout=_TIMEOUT_S,
        keepalive=_KEEPALIVE_S,
        **options,
    )
