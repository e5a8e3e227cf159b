"""`python -m edge_detector run` watches; `edge-detector predict` writes down what it sees."""

import argparse
import sys
from collections.abc import Sequence

from maskwatch_runtime import lifecycle, logs
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured

from edge_detector import app, predict
from edge_detector.settings import PACKAGED_MODEL, EdgeDetectorSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(prog="edge-detector", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="the service; settings come from the environment")
    predict.add_arguments(
        commands.add_parser("predict", help="faces of pictures as JSON lines"),
        model_default=PACKAGED_MODEL,
    )
    chosen = parser.parse_args(arguments)
    logs.configure("edge_detector", level="info")
    try:
        return _run() if chosen.command == "run" else predict.run(chosen)
    except Misconfigured as error:
        return lifecycle.misconfigured(error)


def _run() -> int:
    settings = environment.load(EdgeDetectorSettings)
    logs.configure("edge_detector", level=settings.log_level)
    return lifecycle.run(lambda stop: app.serve(settings, stop), shutdown_s=settings.shutdown_s)


if __name__ == "__main__":
    sys.exit(main())
