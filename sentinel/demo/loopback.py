"""Ports on 127.0.0.1, and nowhere else."""

from __future__ import annotations

import socket
import ssl

from aiohttp import web

HOST = "127.0.0.1"


async def listen(runner: web.AppRunner, tls: ssl.SSLContext | None = None) -> str:
    """Serves `runner` at a free port until it is cleaned up; gives host and port."""
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=tls).start()
    _, port = runner.addresses[0][:2]
    return f"{HOST}:{port}"


def free_ports(count: int) -> list[str]:
    """`count` addresses where nobody listens, for programs that want to be told one."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [f"{HOST}:{one.getsockname()[1]}" for one in held]
    finally:
        for one in held:
            one.close()
