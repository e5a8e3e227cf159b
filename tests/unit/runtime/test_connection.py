import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.kafka import connection
from maskwatch_runtime.settings import KafkaSettings
from pydantic import SecretStr, ValidationError


def _settings(**changes: Any) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap="a:1,b:2", kafka_timeout_s=3.0, **changes)


def test_plain_connection_needs_no_secret() -> None:
    assert connection.client_options(_settings()) == {
        "bootstrap_servers": "a:1,b:2",
        "security_protocol": "PLAINTEXT",
        "request_timeout_ms": 3000,
    }


def test_login_without_tls() -> None:
    options = connection.client_options(
        _settings(
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_username="ingress",
            kafka_password=SecretStr("invented"),
        )
    )

    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_username"] == "ingress"
    assert options["sasl_plain_password"] == "invented"
    assert "ssl_context" not in options


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_tls_checks_the_broker_s_certificate_and_name(protocol: str) -> None:
    login = {"kafka_username": "ingress", "kafka_password": SecretStr("invented")}
    settings = _settings(
        kafka_security_protocol=protocol, **(login if protocol == "SASL_SSL" else {})
    )

    context = connection.client_options(settings)["ssl_context"]

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "senseless"])
def test_certificate_file_that_cannot_be_used_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")

    with pytest.raises(Misconfigured, match="MASKWATCH_KAFKA_CA_FILE"):
        connection.client_options(_settings(kafka_security_protocol="SSL", kafka_ca_file=file))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "needs MASKWATCH_KAFKA_USERNAME and _PASSWORD"),
        (
            {"kafka_security_protocol": "SASL_SSL", "kafka_username": "ingress"},
            "needs MASKWATCH_KAFKA_USERNAME and _PASSWORD",
        ),
        ({"kafka_username": "ingress"}, "MASKWATCH_KAFKA_USERNAME or _PASSWORD is set"),
        ({"kafka_password": SecretStr("invented")}, "MASKWATCH_KAFKA_USERNAME or _PASSWORD is set"),
        ({"kafka_ca_file": Path("ca.pem")}, "PLAINTEXT checks no certificate"),
    ],
)
def test_login_or_authority_that_would_not_be_used_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        _settings(**changes)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TopicAuthorizationFailedError("alert-topic"), "do not allow a topic: .*alert-topic"),
        (GroupAuthorizationFailedError("ingress"), "do not allow its consumer group: .*ingress"),
        (ClusterAuthorizationFailedError(), "do not allow the cluster"),
    ],
)
def test_missing_right_names_the_login(error: Exception, words: str) -> None:
    said = connection.unavailable(error)

    assert said.dependency == "kafka"
    assert re.search(f"the ACLs of MASKWATCH_KAFKA_USERNAME {words}", said.reason)


async def test_other_failures_keep_their_reason() -> None:
    assert connection.unavailable(TimeoutError()).reason == "TimeoutError"
    said = await connection.not_let_in(TimeoutError("too slow"), _settings())
    assert said.reason == "too slow"
