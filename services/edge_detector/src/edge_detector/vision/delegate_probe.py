"""`python -m edge_detector.vision.delegate_probe JSON`: does a model run on an accelerator?

Exit 0 if it does; 1 with the reason on stdout; killed by SIGALRM when it takes too long. Loading
and preparing hold Python's lock, so only the kernel can end what hangs in there. Imports nothing
of ours: the service waits for it at its start.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any

import numpy as np


def run(asked: dict[str, Any]) -> None:
    """Load the model on the accelerator and run it once, on zeros.

    Args:
        asked: `module` of the runtime, `library` and `options` of the delegate, `file` of the
            model, `threads`.

    Raises:
        OSError, AttributeError, ValueError, RuntimeError: It does not work.
    """
    runtime = importlib.import_module(asked["module"])
    interpreter = runtime.Interpreter(
        model_path=asked["file"],
        num_threads=asked["threads"],
        experimental_delegates=[runtime.load_delegate(asked["library"], asked["options"])],
    )
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
    interpreter.invoke()


def main(arguments: list[str]) -> int:
    """Return 0 when the model runs, 1 and the reason on stdout when it does not."""
    asked = json.loads(arguments[0])
    importlib.import_module(asked["module"])
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, asked["begin_s"])
    try:
        run(asked)
    except (OSError, AttributeError, ValueError, RuntimeError) as error:
        sys.stdout.write(str(error))
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Without the libraries' own farewells, which may hang.
    os._exit(code)
