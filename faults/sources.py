"""Where the programs that the suite starts find it, and the sources that it tests."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def python_path() -> str:
    """Return PYTHONPATH for a program of the suite.

    What this process was told comes first: a mutation tests a copy of the sources that way.
    """
    return os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
