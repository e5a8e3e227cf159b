"""Names that people give to devices and cameras."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _plain(text: str) -> str:
    """Return the text if a mail's subject and a web page can show it as it is."""
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text):
        raise ValueError("may not hold line breaks or control characters")
    if any(sign in "<>" for sign in text):
        raise ValueError("may not hold markup (< or >)")
    if _OVERRIDES & set(text):
        raise ValueError("may not hold characters that change the direction of writing")
    return text


Name = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
