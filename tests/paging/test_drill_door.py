"""The page drill's door: what it takes, and whom it turns away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Any

import aiohttp
import pytest

from sentinel.clients.tokens import FileToken
from sentinel.settings.words import Address
from sentinel.web import drill_door
from sentinel.web.drill_door import MOST_BODY, PATH, DrillDoor
from tests.support.ports import free_port


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def posted(
    session: aiohttp.ClientSession, body: bytes, token: FileToken | None = None, path: str = PATH, **headers: str
) -> tuple[int, str, list[Any]]:
    taken: list[Any] = []
    async with DrillDoor(taken.append, token).serve(Address("127.0.0.1", free_port())) as address:
        url = f"http://{address}{path}"
        async with session.post(url, data=body, headers=headers) as response:
            return response.status, await response.text(), taken


async def test_a_message_is_handed_on_as_it_is(session: aiohttp.ClientSession) -> None:
    assert await posted(session, b'{"alerts": []}') == (200, "ok\n", [{"alerts": []}])


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"no", 400), (b"\xff", 400), (b"[" * 30_000, 400), (b" " * (MOST_BODY + 1), 413)],
)
async def test_what_is_no_message_is_refused_and_handed_on_to_nobody(
    body: bytes, status: int, session: aiohttp.ClientSession
) -> None:
    said, _, taken = await posted(session, body)

    assert (said, taken) == (status, [])


async def test_there_is_one_path_and_one_method(session: aiohttp.ClientSession) -> None:
    assert (await posted(session, b"{}", path="/"))[0] == 404
    where = Address("127.0.0.1", free_port())
    async with DrillDoor(lambda _: None).serve(where), session.get(f"http://{where}{PATH}") as response:
        assert response.status == 405


@pytest.mark.parametrize(
    ("brought", "status"), [("Bearer abc", 200), ("Bearer abd", 401), ("abc", 401), ("", 401), ("Bearer \xe4", 401)]
)
async def test_with_a_token_only_who_brings_it_is_heard(
    brought: str, status: int, session: aiohttp.ClientSession, tmp_path: FilePath
) -> None:
    (tmp_path / "token").write_text("abc\n")

    said, _, taken = await posted(session, b"{}", FileToken(tmp_path / "token"), Authorization=brought)

    assert (said, bool(taken)) == (status, status == 200)


async def test_a_token_that_is_not_there_opens_nothing(session: aiohttp.ClientSession, tmp_path: FilePath) -> None:
    said, text, taken = await posted(session, b"{}", FileToken(tmp_path / "none"), Authorization="Bearer ")

    assert (said, taken) == (401, [])
    assert "paging.drill.token" in text


async def test_a_body_that_trickles_is_not_waited_for(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill_door, "BODY_SECONDS", 0.1)

    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await waiting.wait()

    waiting = asyncio.Event()
    where = Address("127.0.0.1", free_port())
    door = DrillDoor(lambda _: None).serve(where)
    async with door, session.post(f"http://{where}{PATH}", data=trickle()) as response:
        assert response.status == 408
        waiting.set()
