"""`python -m notifier run|migrate|test-mail`; settings come from the environment."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from maskwatch_runtime import lifecycle, logs, settings
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.settings import ServiceSettings

from notifier import app, check
from notifier.settings import CheckSettings, MigrateSettings, NotifierSettings

S = TypeVar("S", bound=ServiceSettings)


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(prog="notifier", description="Mails the administrators.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="mail until asked to stop")
    commands.add_parser("migrate", help="bring the ledger's schema up to date")
    commands.add_parser("test-mail", help="send one mail to every recipient, to check the set-up")
    command = parser.parse_args().command
    try:
        if command == "run":
            return _run(settings.load(NotifierSettings), app.serve)
        if command == "migrate":
            return _run(settings.load(MigrateSettings), app.migrate)
        return asyncio.run(check.send(settings.load(CheckSettings)))
    except Misconfigured as error:
        logs.configure("notifier", level="info")
        return lifecycle.misconfigured(error)


def _run(chosen: S, step: Callable[[S, asyncio.Event], Awaitable[None]]) -> int:
    logs.configure("notifier", level=chosen.log_level)
    return lifecycle.run(lambda stop: step(chosen, stop), shutdown_s=chosen.shutdown_s)


if __name__ == "__main__":
    sys.exit(main())
