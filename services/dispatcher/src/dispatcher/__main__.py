"""`python -m dispatcher run` runs the service; settings come from the environment."""

import argparse
import sys

from maskwatch_runtime import lifecycle, logs, settings
from maskwatch_runtime.errors import Misconfigured

from dispatcher import app
from dispatcher.settings import DispatcherSettings


def main() -> int:
    """Do what the command line asks for and return the exit code."""
    parser = argparse.ArgumentParser(prog="dispatcher", description=__doc__)
    parser.add_argument("command", choices=["run"])
    parser.parse_args()
    logs.configure("dispatcher", level="info")
    try:
        chosen = settings.load(DispatcherSettings)
    except Misconfigured as error:
        return lifecycle.misconfigured(error)
    logs.configure("dispatcher", level=chosen.log_level)
    return lifecycle.run(lambda stop: app.serve(chosen, stop), shutdown_s=chosen.shutdown_s)


if __name__ == "__main__":
    sys.exit(main())
