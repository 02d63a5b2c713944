"""Free TCP ports of 127.0.0.1."""

import random
import socket
from collections.abc import Iterable

HOST = "127.0.0.1"
# Below the ephemeral ranges of Linux and macOS: an outgoing connection never takes one of these in between.
CANDIDATES = range(20_000, 32_000)

_given: set[int] = set()
_choice = random.SystemRandom()


def free_port(candidates: Iterable[int] = CANDIDATES) -> int:
    """Return a port that nothing listens on and that this process has not given out before.

    Raises:
        OSError: no candidate is free.
    """
    ports = list(candidates)
    for port in _choice.sample(ports, len(ports)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port between {min(ports)} and {max(ports)}")


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Say whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
