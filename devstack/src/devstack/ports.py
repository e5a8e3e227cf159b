"""Free TCP ports on loopback."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT = 15_000
_EPHEMERAL_START = 32_768  # Linux's default, where the file above cannot be read
_ATTEMPTS = 200


def free(count: int) -> tuple[int, ...]:
    """Pick distinct TCP ports that nobody listens on at 127.0.0.1.

    They lie below the range of outgoing connections. A server that is restarted on its port must
    find it free: a client that keeps trying a port of that range connects to itself in the end
    (TCP simultaneous open) and so takes the port away.

    Raises:
        OSError: No free ports were found.
    """
    numbers = random.SystemRandom()
    highest_port = _first_ephemeral_port() - 1
    found: set[int] = set()
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            break
        port = numbers.randint(_LOWEST_PORT, highest_port)
        if _can_listen(port):
            found.add(port)
    if len(found) < count:
        raise OSError(f"no {count} free ports between {_LOWEST_PORT} and {highest_port}")
    return tuple(found)


def is_listening(port: int) -> bool:
    """Whether something accepts connections at 127.0.0.1 on this port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _first_ephemeral_port() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL_START
    # A machine tuned for many clients may leave nothing below: then any port must do.
    return first if first > _LOWEST_PORT + _ATTEMPTS else 65_536


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
