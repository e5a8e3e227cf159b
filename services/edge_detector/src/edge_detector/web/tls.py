"""https: the server's certificate and key, from the files that the settings name."""

import ssl
from pathlib import Path

from maskwatch_runtime.errors import Misconfigured

_CERTIFICATE, _KEY = "MASKWATCH_WEB_TLS_CERTIFICATE", "MASKWATCH_WEB_TLS_KEY"


def server(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server that shows this certificate; TLS 1.2 or later.

    Args:
        certificate: PEM, with those of its authorities behind it.
        key: PEM, without a passphrase.

    Raises:
        Misconfigured: A file cannot be read, or the two do not belong together; names the setting.
    """
    for setting, path in ((_CERTIFICATE, certificate), (_KEY, key)):
        # OpenSSL's own errors name no file.
        try:
            path.read_bytes()
        except OSError as error:
            raise Misconfigured(f"{setting}: {path}: {error.strerror}") from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's own default since 3.11.4
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError as error:
        raise Misconfigured(f"{_CERTIFICATE}: {certificate}: is no certificate in PEM") from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise Misconfigured(f"{_KEY}: {key}: {_reason(error, certificate)}") from error
    except ValueError as error:
        raise Misconfigured(f"{_KEY}: {key}: {error}") from error
    return context


def _reason(error: ssl.SSLError, certificate: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"is not the key of the certificate {certificate} ({_CERTIFICATE})"
    return "is no private key in PEM"


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal and wait for ever.
    raise ValueError("is encrypted: give one without a passphrase, readable by the service alone")
