"""The proxy makes each trouble really happen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.faults.proxy import Proxy
from tests.waiting import wait_until

Dial = Callable[[Proxy], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Echo:
    """A server that answers every line in capitals, and remembers the lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.port = 0

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self.lines.append(line)
                writer.write(line.upper())
                await writer.drain()
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await echo.open()
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    async with Proxy("test", "127.0.0.1", echo.port) as proxy:
        yield proxy


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    writers = []

    async def dial(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writers.append(writer)
        return reader, writer

    yield dial
    for writer in writers:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _ended(reader: asyncio.StreamReader, after: bytes = b"") -> bool:
    """Whether a connection ends, with no more than `after` before."""
    try:
        return await reader.read() in (b"", after)
    except ConnectionError:
        return True


async def test_forwards(proxy: Proxy, dial: Dial) -> None:
    """Without trouble it is not to be noticed."""
    reader, writer = await dial(proxy)
    writer.write(b"one request\n")
    assert await reader.readline() == b"ONE REQUEST\n"


async def test_lost_answer_is_of_a_delivered_request(proxy: Proxy, dial: Dial, echo: Echo) -> None:
    """The server gets the request, the client gets the end of the connection."""
    reader, writer = await dial(proxy)
    losing = asyncio.create_task(proxy.lose_answer(10))
    await asyncio.sleep(0)
    writer.write(b"a request that is long enough\n")
    assert await losing
    assert await _ended(reader)
    assert echo.lines == [b"a request that is long enough\n"]


async def test_no_lost_answer_without_a_request(proxy: Proxy) -> None:
    """It says that nothing happened on a silent link."""
    assert not await proxy.lose_answer(0.01)


async def test_cut_in_the_middle(proxy: Proxy, dial: Dial, echo: Echo) -> None:
    """The first bytes arrive, the rest does not, and the connection is over."""
    reader, writer = await dial(proxy)
    cutting = asyncio.create_task(proxy.cut_after(9, 10))
    await asyncio.sleep(0)
    writer.write(b"complete\nhalf a message\n")
    assert await cutting
    await wait_until(lambda: echo.lines == [b"complete\n"])
    assert await _ended(reader, after=b"COMPLETE\n")


async def test_black_hole_keeps_the_socket_and_the_bytes(proxy: Proxy, dial: Dial, echo: Echo) -> None:
    """Nothing passes while it lasts; afterwards the same connection goes on, as TCP does."""
    reader, writer = await dial(proxy)
    writer.write(b"first\n")
    assert await reader.readline() == b"FIRST\n"
    assert proxy.black_hole()
    writer.write(b"second\n")
    answer = asyncio.create_task(reader.readline())
    done, _ = await asyncio.wait([answer], timeout=0.05)
    assert not done
    assert echo.lines == [b"first\n"]
    proxy.heal()
    assert await answer == b"SECOND\n"


async def test_reset_ends_what_is_open_and_nothing_else(proxy: Proxy, dial: Dial) -> None:
    """Open connections end with an error; the next one works."""
    reader, writer = await dial(proxy)
    writer.write(b"hello\n")
    await reader.readline()
    assert proxy.reset() == 1
    assert await _ended(reader)
    reader, writer = await dial(proxy)
    writer.write(b"again\n")
    assert await reader.readline() == b"AGAIN\n"


async def test_a_server_that_is_away(dial: Dial) -> None:
    """The client's connection ends; the proxy lives on."""
    async with Proxy("nobody", "127.0.0.1", 1) as nobody:
        reader, _ = await dial(nobody)
        assert await _ended(reader)
        assert nobody.connections == 0
