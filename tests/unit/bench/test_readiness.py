"""How the benchmark hears that a node or worker is ready."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from runtime.bench.members import BenchFailed, heard

WORD = b"READY=1"
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Where we listen, and where the process speaks."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setblocking(False)
    with here, there:
        yield here, there


async def test_news_between_looks(pair: Pair) -> None:
    """The word is heard, however many looks ended just before it came."""
    here, there = pair
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 50:
            there.send(WORD)

    assert await heard(here, WORD, 30.0, check, look=0.0)


async def test_news_as_a_look_ends(pair: Pair) -> None:
    """The word that comes in while the loop is busy, so that it is there only when the look has ended, is not lost."""
    here, there = pair

    def check() -> None:
        # The event loop sees the end of the look and the word in one and the same iteration.
        there.send(b"STATUS=nearly")
        there.send(WORD)

    assert await heard(here, WORD, 30.0, check, look=0.0)


async def test_silence(pair: Pair) -> None:
    """Not in time, when nothing was said within the patience."""
    assert not await heard(pair[0], WORD, 0.0, lambda: None, look=0.0)


async def test_a_process_that_died(pair: Pair) -> None:
    """There is no waiting for one that has ended."""

    def check() -> None:
        raise BenchFailed("node-1 ended by itself")

    with pytest.raises(BenchFailed, match="ended by itself"):
        await heard(pair[0], WORD, 30.0, check)
