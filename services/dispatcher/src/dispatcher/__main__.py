"""`python -m dispatcher` runs the service; settings come from the environment."""

import sys

from maskwatch_runtime import lifecycle, logs, settings
from maskwatch_runtime.errors import Misconfigured

from dispatcher import app
from dispatcher.settings import DispatcherSettings


def main() -> int:
    """Run until asked to stop and return the exit code."""
    try:
        chosen = settings.load(DispatcherSettings)
    except Misconfigured as error:
        logs.configure("dispatcher", level="info")
        return lifecycle.misconfigured(error)
    logs.configure("dispatcher", level=chosen.log_level)
    return lifecycle.run(lambda stop: app.serve(chosen, stop), shutdown_s=chosen.shutdown_s)


if __name__ == "__main__":
    sys.exit(main())
