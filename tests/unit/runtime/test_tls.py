"""Handshakes in memory: what a client says about a certificate that does not hold."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from devstack.certificates import Authority, Certificate
from maskwatch_runtime import tls
from maskwatch_runtime.errors import Misconfigured


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def _handshake(client: ssl.SSLContext, certificate: Certificate, host: str) -> None:
    """Let a client meet a server that has the certificate; raises what the client raises."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.chain, certificate.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=host)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [asking, answering]
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert not waiting


def _refusal(client: ssl.SSLContext, certificate: Certificate, host: str = "127.0.0.1") -> str:
    with pytest.raises(ssl.SSLError) as caught:
        _handshake(client, certificate, host)
    return tls.refusal(caught.value, prefix="MASKWATCH_KAFKA")


def test_certificate_of_the_authority_for_the_host_holds(authority: Authority) -> None:
    context = tls.client_context(authority.ca_file, setting="X")

    _handshake(context, authority.issue("good"), "127.0.0.1")
    _handshake(context, authority.issue("named", host="kafka.example"), "kafka.example")


def test_expired_certificate_is_to_be_renewed(authority: Authority) -> None:
    ended = authority.issue("old", expired_at=datetime.now(UTC) - timedelta(minutes=1))

    reason = _refusal(tls.client_context(authority.ca_file, setting="X"), ended)

    assert reason.startswith("the server's certificate has expired, renew it there")


def test_certificate_for_another_host_names_the_address(authority: Authority) -> None:
    context = tls.client_context(authority.ca_file, setting="X")

    for certificate, host in (
        (authority.issue("ip"), "127.0.0.2"),
        (authority.issue("name", host="kafka.example"), "localhost"),
    ):
        assert "for another host than MASKWATCH_KAFKA_BOOTSTRAP" in _refusal(
            context, certificate, host
        )


def test_unknown_authority_names_the_file(authority: Authority, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign", name="Somebody else")

    reason = _refusal(tls.client_context(foreign.ca_file, setting="X"), authority.issue("good"))

    assert reason.startswith("MASKWATCH_KAFKA_CA_FILE does not hold the authority")


def test_authority_of_the_same_name_with_another_key_is_unknown(
    authority: Authority, tmp_path: Path
) -> None:
    impostor = Authority(tmp_path / "impostor")

    reason = _refusal(tls.client_context(authority.ca_file, setting="X"), impostor.issue("good"))

    assert "certificate does not hold" in reason or "does not hold the authority" in reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (9, "is not valid yet, compare the clocks"),
        (23, "the server's certificate does not hold"),  # revoked
    ],
)
def test_what_a_handshake_in_memory_does_not_bring_about(code: int, words: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "said by OpenSSL"

    assert words in tls.refusal(error, prefix="MASKWATCH_POSTGRES")


def test_another_failure_is_no_matter_of_certificates() -> None:
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")

    assert tls.refusal(error, prefix="MASKWATCH_SMTP").startswith("TLS failed, does the server")


def test_host_of_a_mail_server_is_named() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = 62, "hostname mismatch"

    assert "MASKWATCH_SMTP_HOST" in tls.refusal(error, prefix="MASKWATCH_SMTP")


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "senseless"])
def test_file_that_cannot_be_used_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")

    with pytest.raises(Misconfigured, match="MASKWATCH_X_CA_FILE cannot be used"):
        tls.client_context(file, setting="MASKWATCH_X_CA_FILE")
