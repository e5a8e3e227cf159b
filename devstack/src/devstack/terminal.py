"""What a person sees while the system starts: one line a step, with its time."""

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BOLD, _DIM, _GREEN, _RED, _PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"
_WIDTH_MAX = 78


def heading(text: str) -> None:
    print(f"\n{_style(_BOLD, text)}", flush=True)


def line(name: str, text: str) -> None:
    """Print a name and what belongs to it; a long text goes on below, an address stays whole."""
    print(f"  {_style(_DIM, f'{name:<11}')}{text}", flush=True)


def paragraph(text: str) -> None:
    """Print text, broken to the terminal's width."""
    width = min(_WIDTH_MAX, shutil.get_terminal_size().columns)
    print(textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  "), flush=True)


def done(text: str) -> None:
    print(f"  {_style(_GREEN, '✓')} {text}", flush=True)


def failed(text: str) -> None:
    print(f"  {_style(_RED, '✗')} {text}", flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show that the step is under way, then that it is done and how long it took."""
    began_s = time.monotonic()
    is_live = sys.stdout.isatty()
    if is_live:
        print(f"  … {text}", end="", flush=True)
    try:
        yield
    except BaseException:
        if is_live:
            print("\r\033[K", end="")
        failed(text)
        raise
    if is_live:
        print("\r\033[K", end="")
    width = min(_WIDTH_MAX, shutil.get_terminal_size().columns) - 14
    done(f"{text:<{max(1, width)}} {time.monotonic() - began_s:5.1f} s")


def _style(code: str, text: str) -> str:
    return f"{code}{text}{_PLAIN}" if sys.stdout.isatty() else text
