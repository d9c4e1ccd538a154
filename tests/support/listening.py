"""Waits until a server of ours takes connections, or says with what words it ended."""

import socket

from tests.support.child import Child
from tests.support.eventually import eventually


def listening(port: int, child: Child, within: float = 60.0) -> None:
    def look() -> bool:
        child.must_run()
        with socket.create_connection(("127.0.0.1", port), 1):
            return True

    eventually(look, within, lambda: f"{child.name} listens:\n{child.log_tail()}")
