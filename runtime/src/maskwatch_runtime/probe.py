"""`python -m maskwatch_runtime.probe`: exit 0 if the service on this machine is live.

For the health checks of containers, whose images hold no HTTP client. Standard library only: it
runs every few seconds and starts in some 50 ms.
"""

import http.client
import os
import sys
from collections.abc import Mapping

_TIMEOUT_S = 3.0
_EVERYWHERE = ("0.0.0.0", "::", "")


def ask(environment: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether the service is live, and what it says or why it cannot be asked.

    Args:
        environment: MASKWATCH_ADMIN_PORT, and MASKWATCH_ADMIN_HOST where it is not loopback.
    """
    port = environment.get("MASKWATCH_ADMIN_PORT", "0")
    if not port.isdecimal() or int(port) == 0:
        return False, f"MASKWATCH_ADMIN_PORT has to be the service's port and is {port!r}"
    host = environment.get("MASKWATCH_ADMIN_HOST", "")
    connection = http.client.HTTPConnection(
        "127.0.0.1" if host in _EVERYWHERE else host, int(port), timeout=_TIMEOUT_S
    )
    try:
        connection.request("GET", "/health/live")
        response = connection.getresponse()
        said = response.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return False, f"no answer on port {port}: {error}"
    finally:
        connection.close()
    return response.status == http.client.OK, said


def main() -> int:
    """Ask, print the answer, and return the exit code."""
    is_live, said = ask(os.environ)
    sys.stdout.write(f"{said}\n")
    return 0 if is_live else 1


if __name__ == "__main__":
    sys.exit(main())
