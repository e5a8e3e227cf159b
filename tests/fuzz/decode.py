"""`python -m tests.fuzz.decode KIND [libFuzzer's own options]`: fuzz one decoder, led by coverage.

Needs what requirements/fuzz.txt has; `make fuzz` installs and calls it.
"""

import sys

import atheris

# The decoders are Python: what runs in them tells the fuzzer which bytes lead somewhere new.
with atheris.instrument_imports(include=["maskwatch_proto"]):
    from tests.fuzz.properties import CHECKS


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough; ends the process."""
    program, kind, *options = sys.argv
    atheris.Setup([program, *options], CHECKS[kind])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
