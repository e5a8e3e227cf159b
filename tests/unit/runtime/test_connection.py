import ssl
from pathlib import Path
from typing import Any

import pytest
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.kafka import connection
from maskwatch_runtime.settings import KafkaSettings
from pydantic import SecretStr


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
    context = connection.client_options(_settings(kafka_security_protocol=protocol))["ssl_context"]

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "senseless"])
def test_certificate_file_that_cannot_be_used_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")

    with pytest.raises(Misconfigured, match="MASKWATCH_KAFKA_CA_FILE"):
        connection.client_options(_settings(kafka_security_protocol="SSL", kafka_ca_file=file))
