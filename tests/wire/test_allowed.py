"""Whether we may ask is looked at before each request: who wakes up with its lease gone sends nothing more."""

import pytest

from sentinel.clients.clock import Clock
from sentinel.clients.kube import Connection, Request, Sent, allowed_by, noted_by
from sentinel.errors import OwnFault
from tests.support.ports import free_port

READYZ = Request("GET", "/readyz")


async def test_what_may_not_be_asked_is_never_sent() -> None:
    sent: list[Sent] = []
    answers = iter([True, False, False])
    async with Connection(f"http://127.0.0.1:{free_port()}", None, 5, Clock()) as connection:
        with allowed_by(lambda: next(answers)), noted_by(sent.append):
            assert (await connection.ask(READYZ)).fault is not None

            for _ in range(2):
                with pytest.raises(OwnFault, match="lease"):
                    await connection.ask(READYZ)

    assert (len(sent), connection.opened) == (1, 1)


async def test_it_is_nobodys_concern_outside() -> None:
    async with Connection(f"http://127.0.0.1:{free_port()}", None, 5, Clock()) as connection:
        with allowed_by(lambda: False):
            pass

        assert (await connection.ask(READYZ)).fault is not None
