"""``python -m devstack lock-jars``: write the hashes of Kafka's archives anew."""

import argparse

from devstack import jars


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe this command to the command line."""
    parser = commands.add_parser("lock-jars", help="resolve Kafka's archives and lock their hashes")
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    """Resolve, download, hash and write the lock file that lies in this package."""
    jars.LOCK_FILE.write_text(jars.lock_kafka(), encoding="ascii")
    print(f"{len(jars.kafka_jars())} archives locked in {jars.LOCK_FILE}")
    return 0
