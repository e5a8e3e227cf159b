"""``python -m devstack infra``: Kafka, PostgreSQL and the inbox until Ctrl-C."""

import argparse
import signal
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from devstack.processes import Process
from devstack.stack import Infrastructure

_POLL_S = 0.5


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe this command to the command line."""
    parser = commands.add_parser("infra", help="Kafka, PostgreSQL and an inbox until Ctrl-C")
    parser.add_argument(
        "--folder", type=Path, default=Path("demo-data"), help="holds all data (%(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the servers, print where they are, stop them in order on Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()
    try:
        with Infrastructure(arguments.folder) as infrastructure:
            took_s = time.monotonic() - began
            print(f"{describe(infrastructure)}\n\nReady after {took_s:.1f} s. Ctrl-C ends it.")
            return _wait_for_an_end(infrastructure)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


def describe(infrastructure: Infrastructure) -> str:
    """The addresses, for a person."""
    postgres = infrastructure.postgres
    lines = {
        "Kafka": infrastructure.kafka.bootstrap,
        "PostgreSQL": postgres.dsn(),
        "psql": f"{postgres.psql()} {postgres.dsn()}",
        "SMTP": f"{infrastructure.inbox.host}:{infrastructure.inbox.smtp_port}",
        "Inbox": infrastructure.inbox.url,
        "Data, logs": str(infrastructure.folder),
    }
    return "\n".join(f"{name:<11} {value}" for name, value in lines.items())


def _wait_for_an_end(infrastructure: Infrastructure) -> int:
    """Wait for the first server that ends on its own."""
    servers = [part.process for part in infrastructure.servers]
    while not (ended := [each for each in servers if not each.is_running]):
        time.sleep(_POLL_S)
    print("\n".join(_epitaph(each) for each in ended))
    return 1


def _epitaph(process: Process) -> str:
    name, status = process.command.name, process.exit_status
    return f"{name} ended with status {status}; its log ends:\n{process.log_tail()}"


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
