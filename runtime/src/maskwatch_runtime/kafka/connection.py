"""How clients connect, in aiokafka's terms."""

import ssl
from typing import Any

from aiokafka.helpers import create_ssl_context

from maskwatch_runtime.errors import Misconfigured, Unavailable
from maskwatch_runtime.settings import KafkaSettings


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return the keyword arguments that producer, consumer and admin client share.

    Raises:
        Misconfigured: The CA file cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": int(settings.kafka_timeout_s * 1000),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls_context(settings)
    return options


def unavailable(error: BaseException) -> Unavailable:
    """Return what the loops call a failure of Kafka that may pass."""
    return Unavailable("kafka", str(error) or type(error).__name__)


def _tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None
        )
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"MASKWATCH_KAFKA_CA_FILE cannot be used: {error}") from error
    return context
