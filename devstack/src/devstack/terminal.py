"""What a person sees while the system starts: one line a step, with its time."""

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BOLD, _DIM, _GREEN, _RED, _PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"
_WIDTH_MAX = 78
_NAME_WIDTH = 11
_TIME_WIDTH = 9


def heading(text: str) -> None:
    print(f"\n{_style(_BOLD, text)}", flush=True)


def line(name: str, text: str) -> None:
    """Print a name and what belongs to it, broken to the width; an address stays whole."""
    first, *others = _broken(text, indent=2 + _NAME_WIDTH)
    print(f"  {_style(_DIM, f'{name:<{_NAME_WIDTH}}')}{first}", flush=True)
    for other in others:
        print(" " * (2 + _NAME_WIDTH) + other, flush=True)


def paragraph(text: str) -> None:
    """Print text, broken to the terminal's width."""
    for part in _broken(text, indent=2):
        print(f"  {part}", flush=True)


def done(text: str) -> None:
    print(f"  {_style(_GREEN, '✓')} {text}", flush=True)


def failed(text: str) -> None:
    print(f"  {_style(_RED, '✗')} {text}", flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show that the step is under way, then that it is done and how long it took."""
    began_s = time.monotonic()
    if sys.stdout.isatty():
        # One line that can be wiped: a longer one would stay behind in a narrow window.
        print("  … " + textwrap.shorten(text, _width() - 5, placeholder=" …"), end="", flush=True)
    try:
        yield
    except BaseException:
        _wipe()
        failed(text)
        raise
    _wipe()
    *others, last = _broken(text, indent=4, right=_TIME_WIDTH)
    for number, part in enumerate(others):
        print(f"    {part}" if number else f"  {_style(_GREEN, '✓')} {part}")
    mark = "   " if others else f"  {_style(_GREEN, '✓')}"
    padded = f"{last:<{_width() - 4 - _TIME_WIDTH}}"
    print(f"{mark} {padded}{time.monotonic() - began_s:{_TIME_WIDTH - 2}.1f} s", flush=True)


def _wipe() -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="")


def _broken(text: str, *, indent: int, right: int = 0) -> list[str]:
    width = max(20, _width() - indent - right)
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _width() -> int:
    return min(_WIDTH_MAX, shutil.get_terminal_size().columns)


def _style(code: str, text: str) -> str:
    return f"{code}{text}{_PLAIN}" if sys.stdout.isatty() else text
