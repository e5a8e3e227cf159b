"""TLS towards a server: whom we trust, and what to change when a certificate does not hold."""

import ssl
from pathlib import Path

from maskwatch_runtime.errors import Misconfigured

# X509_V_ERR_* of OpenSSL's x509_vfy.h, by what has to be done about them.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNTRUSTED = (2, 18, 19, 20, 21, 27)
_OTHER_NAME = (62, 64)


def client_context(ca_file: Path | None, *, setting: str) -> ssl.SSLContext:
    """Return a context that checks the server's certificate and its name; TLS 1.2 or newer.

    Args:
        ca_file: PEM, the only authorities that are trusted; None trusts those of the system.
        setting: The variable that named the file, for the error.

    Raises:
        Misconfigured: The file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Misconfigured(f"{setting} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's own default since 3.11.4
    return context


def refusal(error: ssl.SSLError, *, prefix: str) -> str:
    """Return one line that says what does not hold, and which variable or party is to change.

    Args:
        error: What the handshake ended with.
        prefix: Of the variables that set up this connection, such as `MASKWATCH_SMTP`.
    """
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed, does the server speak it on this port? {error}"
    said = error.verify_message
    if error.verify_code == _EXPIRED:
        return f"the server's certificate has expired, renew it there: {said}"
    if error.verify_code == _NOT_YET_VALID:
        return f"the server's certificate is not valid yet, compare the clocks: {said}"
    if error.verify_code in _OTHER_NAME:
        return f"the server's certificate is for another host than {prefix}_{_host(prefix)}: {said}"
    if error.verify_code in _UNTRUSTED:
        return f"{prefix}_CA_FILE does not hold the authority of the server's certificate: {said}"
    return f"the server's certificate does not hold: {said}"


def _host(prefix: str) -> str:
    return "BOOTSTRAP" if prefix.endswith("KAFKA") else "HOST"
