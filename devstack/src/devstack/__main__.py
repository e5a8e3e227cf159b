"""``python -m devstack COMMAND``; each command is a module with ``add_parser``."""

import argparse
import sys
from collections.abc import Sequence

from devstack import demo, infra, lock_jars

_COMMANDS = (demo, infra, lock_jars)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; give its exit status."""
    parser = argparse.ArgumentParser(prog="devstack", description="Maskwatch on one machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    chosen = parser.parse_args(arguments)
    status: int = chosen.run(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
