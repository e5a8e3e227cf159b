"""`python -m ingress run|migrate|topics`; settings come from the environment."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from maskwatch_runtime import lifecycle, logs, settings
from maskwatch_runtime.errors import Misconfigured
from maskwatch_runtime.settings import ServiceSettings

from ingress import app
from ingress.settings import IngressSettings, MigrateSettings, TopicsSettings

S = TypeVar("S", bound=ServiceSettings)


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(prog="ingress", description="Archives alerts in PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="archive alerts until asked to stop")
    commands.add_parser("migrate", help="bring the archive's schema up to date")
    commands.add_parser("topics", help="create the Kafka topics that are missing")
    command = parser.parse_args().command
    try:
        if command == "run":
            return _run(settings.load(IngressSettings), app.serve)
        if command == "migrate":
            return _run(settings.load(MigrateSettings), app.migrate)
        return _run(settings.load(TopicsSettings), app.create_topics)
    except Misconfigured as error:
        logs.configure("ingress", level="info")
        return lifecycle.misconfigured(error)


def _run(chosen: S, step: Callable[[S, asyncio.Event], Awaitable[None]]) -> int:
    logs.configure("ingress", level=chosen.log_level)
    lifecycle.collect_garbage_rarely()
    return lifecycle.run(lambda stop: step(chosen, stop), shutdown_s=chosen.shutdown_s)


if __name__ == "__main__":
    sys.exit(main())
