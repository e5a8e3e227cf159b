"""Where downloads are kept between runs."""

import os
from pathlib import Path


def folder() -> Path:
    """The user's cache folder for Maskwatch; ``MASKWATCH_CACHE`` names another one."""
    chosen = os.environ.get("MASKWATCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maskwatch"
