"""The command `maskwatch-train`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from maskwatch_training.commands import (
    UsageError,
    artifact,
    capture,
    classifier,
    detector,
    evaluate,
    export,
    import_,
    merge,
    report,
    split,
    study,
)

_STEPS = (
    capture,
    import_,
    merge,
    split,
    artifact,
    classifier,
    detector,
    evaluate,
    export,
    study,
    report,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step.

    Returns:
        0 done, 1 the input is wrong (a line says what), 2 the command line is, 130 interrupted.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was saved is in the folder, --resume goes on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maskwatch-train", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="step")
    for step in _STEPS:
        step.add(steps)
    return parser


if __name__ == "__main__":
    sys.exit(main())
