"""`edge_detector run` watches, `predict` writes down what it sees, `bench` how long it takes;
`gateway` takes the results of microcontrollers.
"""  # noqa: D205 - one sentence

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from maskwatch_runtime import lifecycle, logs
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured

from edge_detector import app, bench, predict
from edge_detector.settings import (
    MODELS,
    PACKAGED_CLASSIFIER,
    PACKAGED_MODEL,
    EdgeDetectorSettings,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(prog="edge-detector", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="the service; settings come from the environment")
    predict.add_arguments(
        commands.add_parser("predict", help="faces of pictures as JSON lines"),
        model_default=PACKAGED_MODEL,
        classifier_default=PACKAGED_CLASSIFIER,
    )
    bench.add_arguments(
        commands.add_parser("bench", help="milliseconds of each model on this machine"),
        models_default=MODELS,
    )
    commands.add_parser("gateway", help="the service that takes results of microcontrollers")
    chosen = parser.parse_args(arguments)
    logs.configure("edge_detector", level="info")
    try:
        return _COMMANDS[chosen.command](chosen)
    except Misconfigured as error:
        return lifecycle.misconfigured(error)


def _run(_: argparse.Namespace) -> int:
    # Until the service listens for it, a request to reload must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = environment.load(EdgeDetectorSettings)
    logs.configure("edge_detector", level=settings.log_level)
    return lifecycle.run(lambda stop: app.serve(settings, stop), shutdown_s=settings.shutdown_s)


def _gateway(_: argparse.Namespace) -> int:
    # A camera's device needs none of what the gateway stands on.
    from edge_detector.gateway.__main__ import main as gateway  # noqa: PLC0415

    return gateway()


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "predict": predict.run,
    "bench": bench.run,
    "gateway": _gateway,
}

if __name__ == "__main__":
    sys.exit(main())
