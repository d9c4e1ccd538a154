"""Free ports on 127.0.0.1 for servers that want to be told theirs.

They are taken from below the kernel's ephemeral range (32768 and up): a port that
the kernel hands to outgoing connections can be gone between two starts of a
server, and these servers are stopped and started again on the same port. Test
processes side by side take from shares of their own, for the same reason.
"""

import os
import random
import socket

SHARES = 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SHARES
RANGE = range(20_000 + _worker, 32_000, SHARES)

_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on and that this process has not given away yet."""
    for port in random.sample(RANGE, len(RANGE)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port on 127.0.0.1 in {RANGE}")


def is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
