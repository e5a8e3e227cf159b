import re
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from devstack.inbox import Tls
from edge_detector.web import tls
from maskwatch_runtime.errors import Misconfigured

from tests.integration.notifier import certificate


@pytest.fixture
def own(tmp_path: Path) -> Tls:
    return certificate.make(tmp_path / "own")


def _refusal(its_certificate: Path, key: Path) -> str:
    with pytest.raises(Misconfigured) as refused:
        tls.server(its_certificate, key)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_pair_is_taken_for_tls_1_2_and_later(own: Tls) -> None:
    context = tls.server(own.certificate, own.key)

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_key_of_another_certificate_is_named_with_both_settings(own: Tls, tmp_path: Path) -> None:
    other = certificate.make(tmp_path / "other")

    assert _refusal(own.certificate, other.key) == (
        f"MASKWATCH_WEB_TLS_KEY: {other.key}: is not the key of the certificate "
        f"{own.certificate} (MASKWATCH_WEB_TLS_CERTIFICATE)"
    )


@pytest.mark.parametrize("setting", ["MASKWATCH_WEB_TLS_CERTIFICATE", "MASKWATCH_WEB_TLS_KEY"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("", r"is no (certificate|private key) in PEM"),
        ("hello", r"is no (certificate|private key) in PEM"),
    ],
)
def test_file_that_is_none_is_named(
    setting: str, content: str | None, reason: str, own: Tls, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_text(content)
    is_key = setting.endswith("KEY")

    told = _refusal(own.certificate, wrong) if is_key else _refusal(wrong, own.key)

    assert re.fullmatch(f"{setting}: {re.escape(str(wrong))}: {reason}", told)


def test_folder_in_place_of_a_file_is_named(own: Tls, tmp_path: Path) -> None:
    assert "Is a directory" in _refusal(tmp_path, own.key)


def test_key_with_a_passphrase_is_refused_and_nobody_is_asked(own: Tls, tmp_path: Path) -> None:
    path = tmp_path / "locked.pem"
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    path.write_bytes(locked)

    told = _refusal(own.certificate, path)

    assert told.startswith(f"MASKWATCH_WEB_TLS_KEY: {path}: is encrypted")
