"""TLS of outgoing connections, from the files that settings name."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from maskwatch_runtime.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Files:
    """Who is trusted (None: the system's authorities), and the client's own certificate."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def client(files: Files, *, setting: str) -> ssl.SSLContext:
    """Return the context: the server's name is always checked.

    Args:
        files: PEM.
        setting: The beginning of the settings' names, for the error.

    Raises:
        Misconfigured: A file cannot be read, or key and certificate do not belong together.
    """
    try:
        context = ssl.create_default_context(cafile=files.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's own default since 3.11.4
    except OSError as error:
        raise Misconfigured(f"{setting}_CA_FILE: {files.ca}: {error}") from error
    if files.cert is not None and files.key is not None:
        try:
            context.load_cert_chain(files.cert, files.key, password=_no_password)
        except (OSError, ValueError) as error:
            told = f"{setting}_CERT_FILE and {setting}_KEY_FILE: {files.cert}: {error}"
            raise Misconfigured(told) from error
    return context


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal and wait for ever.
    raise ValueError("the key is encrypted: give one without a passphrase, readable by us alone")
