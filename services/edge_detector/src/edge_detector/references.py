"""Secrets that a settings file names and does not hold: `${VARIABLE}` and `${file:/path}`."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

_REFERENCE = re.compile(r"\$\{(?:file:(?P<file>[^{}]+)|(?P<variable>[A-Za-z_][A-Za-z0-9_]*))\}")


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with every reference replaced by what it names.

    Within a longer text, an address, the value is percent-encoded: a password may hold @ and /.

    Raises:
        ValueError: A variable is not set or a file cannot be read; never tells a value.
    """

    def value(found: re.Match[str]) -> str:
        secret = _looked_up(found, environ)
        return secret if found[0] == text else quote(secret, safe="")

    return _REFERENCE.sub(value, text)


def _looked_up(found: re.Match[str], environ: Mapping[str, str]) -> str:
    if not found["file"]:
        if found["variable"] not in environ:
            raise ValueError(f"{found[0]}: is not set")
        return environ[found["variable"]]
    try:
        return Path(found["file"]).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise ValueError(f"{found[0]}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{found[0]}: is no text") from None
