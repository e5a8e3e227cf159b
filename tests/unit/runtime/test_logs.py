"""Logs as a program writes them; logging is set up per process, so all tests share one."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

_PROGRAM = """
import logging, structlog, sys
from maskwatch_runtime import logs
logs.configure('ingress', level='info', pretty=False)
log = structlog.get_logger()
for body in sys.stdin:
    exec(eval(body))
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def written() -> Iterator[Callable[[str], str]]:
    """Return what the program writes when it runs some lines."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        asked, answered = program.stdin, program.stdout

        def run(body: str) -> str:
            asked.write(f"{body!r}\n")
            asked.flush()
            lines = []
            while (line := answered.readline()) != "done\n":
                assert line, "the program has ended"
                lines.append(line)
            return "".join(lines)

        yield run
        asked.close()


def test_line_is_one_json_object_with_service_level_and_time(written: Callable[[str], str]) -> None:
    (line,) = written("log.info('alert stored', action='store', event_id='e-1')").splitlines()

    record = json.loads(line)
    assert record["event"] == "alert stored"
    assert (record["service"], record["level"], record["event_id"]) == ("ingress", "info", "e-1")
    assert record["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written(written: Callable[[str], str]) -> None:
    assert written("log.debug('detail'); logging.getLogger('library').debug('detail')") == ""


def test_records_of_libraries_have_the_same_form(written: Callable[[str], str]) -> None:
    record = json.loads(written("logging.getLogger('library').warning('it is %s', 'so')"))

    assert (record["event"], record["service"], record["level"]) == (
        "it is so",
        "ingress",
        "warning",
    )


def test_traceback_stays_within_its_line(written: Callable[[str], str]) -> None:
    lines = written("try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('a bug')")

    (line,) = lines.splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]


@pytest.mark.parametrize("text", ["two\\nlines", "\\x1b[31mred"])
def test_value_cannot_forge_a_line_or_colour_a_terminal(
    written: Callable[[str], str], text: str
) -> None:
    (line,) = written(f"log.info('seen', camera='{text}')").splitlines()

    assert "\x1b" not in line
