from __future__ import annotations

import random
import socket

# Below the range from which the kernel takes ports for outgoing connections: while a server is down for a
# restart, no client connection can sit on its port.
_LOWEST, _HIGHEST = 18_000, 31_999


def free_port() -> int:
    """A loopback TCP port that nobody listens on now.

    Another process may take it before the server does: whoever starts a server checks who answers and
    tries again with another port.
    """
    for _ in range(200):
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - a port is no secret
        if is_free(port):
            return port
    raise OSError(f"no free loopback port between {_LOWEST} and {_HIGHEST} after 200 tries")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
