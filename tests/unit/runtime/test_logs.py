"""Logs as a program writes them; logging is set up per process, so each test starts one."""

import json
import subprocess
import sys

import pytest


def _written(body: str) -> str:
    program = (
        "import logging, structlog\n"
        "from maskwatch_runtime import logs\n"
        "logs.configure('ingress', level='info', pretty=False)\n"
        "log = structlog.get_logger()\n" + body
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def test_line_is_one_json_object_with_service_level_and_time() -> None:
    (line,) = _written("log.info('alert stored', action='store', event_id='e-1')").splitlines()

    record = json.loads(line)
    assert record["event"] == "alert stored"
    assert (record["service"], record["level"], record["event_id"]) == ("ingress", "info", "e-1")
    assert record["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written() -> None:
    assert _written("log.debug('detail'); logging.getLogger('library').debug('detail')") == ""


def test_records_of_libraries_have_the_same_form() -> None:
    record = json.loads(_written("logging.getLogger('library').warning('it is %s', 'so')"))

    assert (record["event"], record["service"], record["level"]) == (
        "it is so",
        "ingress",
        "warning",
    )


def test_traceback_stays_within_its_line() -> None:
    written = _written("try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('a bug')")

    (line,) = written.splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]


@pytest.mark.parametrize("text", ["two\\nlines", "\\x1b[31mred"])
def test_value_cannot_forge_a_line_or_colour_a_terminal(text: str) -> None:
    (line,) = _written(f"log.info('seen', camera='{text}')").splitlines()

    assert "\x1b" not in line
