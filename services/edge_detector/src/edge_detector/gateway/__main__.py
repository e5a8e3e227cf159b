"""`python -m edge_detector.gateway` (or `edge-detector gateway`) takes results of boards."""

import logging
import sys

from maskwatch_runtime import lifecycle, logs
from maskwatch_runtime import settings as environment
from maskwatch_runtime.errors import Misconfigured

from edge_detector.gateway import app
from edge_detector.gateway.settings import GatewaySettings


def main() -> int:
    """Run the gateway and return the exit code."""
    logs.configure("edge_detector_gateway", level="info")
    try:
        settings = environment.load(GatewaySettings)
    except Misconfigured as error:
        return lifecycle.misconfigured(error)
    logs.configure("edge_detector_gateway", level=settings.log_level)
    # They repeat at length what our own lines say once.
    for noisy in ("mqtt", "engineio", "socketio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    return lifecycle.run(lambda stop: app.serve(settings, stop), shutdown_s=settings.shutdown_s)


if __name__ == "__main__":
    sys.exit(main())
