"""How clients connect, in aiokafka's terms, and why they are not let in."""

import ssl
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from maskwatch_runtime import tls
from maskwatch_runtime.errors import Unavailable
from maskwatch_runtime.settings import KafkaSettings

_DEFAULT_PORT = 9092
_LOGIN_REFUSALS = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)


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
        options["ssl_context"] = tls.client_context(
            settings.kafka_ca_file, setting="MASKWATCH_KAFKA_CA_FILE"
        )
    return options


def unavailable(error: BaseException) -> Unavailable:
    """Return what the loops call a failure of Kafka that may pass."""
    return Unavailable("kafka", _missing_right(error) or str(error) or type(error).__name__)


async def not_let_in(error: BaseException, settings: KafkaSettings) -> Unavailable:
    """Return the same for a failure to connect; asks the broker once more for its reason.

    aiokafka says no more than that it could not connect to any broker.
    """
    if not isinstance(error, KafkaConnectionError):
        return unavailable(error)
    address = settings.kafka_bootstrap.split(",")[0].strip()
    reason = await _refusal(settings, address)
    return Unavailable("kafka", f"{address}: {reason}") if reason else unavailable(error)


async def _refusal(settings: KafkaSettings, address: str) -> str:
    """Return why the broker at an address lets nobody in; empty when it does by now."""
    options = client_options(settings)
    del options["bootstrap_servers"]
    host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
    try:
        connection = await create_conn(host.strip("[]"), int(port or _DEFAULT_PORT), **options)
        try:
            await connection.send(MetadataRequest([]))
        finally:
            connection.close()
    except ssl.SSLError as error:
        return tls.refusal(error, prefix="MASKWATCH_KAFKA")
    except _LOGIN_REFUSALS as error:
        return f"refuses MASKWATCH_KAFKA_USERNAME, _PASSWORD or _SASL_MECHANISM: {_text(error)}"
    except KafkaConnectionError as error:
        # A listener with TLS hangs up on who speaks without it, and the other way round.
        return f"{_text(error)}; does MASKWATCH_KAFKA_SECURITY_PROTOCOL fit this port?"
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        return _text(error)
    return ""


def _missing_right(error: BaseException) -> str:
    """Return which access control entry is missing; empty when the error is another."""
    match error:
        case TopicAuthorizationFailedError():
            what = "a topic"
        case GroupAuthorizationFailedError():
            what = "its consumer group"
        case ClusterAuthorizationFailedError():
            what = "the cluster"
        case _:
            return ""
    return f"the ACLs of MASKWATCH_KAFKA_USERNAME do not allow {what}: {_text(error)}"


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
