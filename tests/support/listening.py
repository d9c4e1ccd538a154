"""Waits until a server of ours takes connections, or says with what words it ended."""

import asyncio

from tests.support.child import Child


async def listening(port: int, child: Child, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while True:
            child.must_run()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
