"""Forks, on every adapter."""

from __future__ import annotations

from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.unit.runtime.test_forks import APP, Order, Stock


def test_fork_copies_up_to_the_point_and_no_further(play: Play) -> None:
    """Also when the node dies right after; the original stays as it was, to the byte."""

    async def story(place: Place) -> None:
        first = await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Order, "1", "tea")
        await place.until(lambda: place.has("Order/1", "TaskCompleted"))
        await client.call(Order, "1", "release", timeout=60)
        await client.result(Order, "1", timeout=60)
        original = await place.log("Order/1")
        at = next(version for version, (type, _) in enumerate(original, 1) if type == "TaskCompleted")
        assert await client.fork(Order, "1", "2", at=at, timeout=60)
        await place.kill(first)
        await place.node()
        assert not await client.fork(Order, "1", "2", at=at, timeout=60)
        forked = await place.log("Order/2")
        assert forked[1:at] == original[1:at]
        assert "CommandReceived" not in await place.types("Order/2")
        await client.call(Order, "2", "release", timeout=60)
        assert await client.result(Order, "2", timeout=60) == "2 for 11"
        assert await place.log("Order/1") == original

    play(story, APP)


def test_an_actor_is_forked_with_other_events(play: Play) -> None:
    """And takes commands like any other."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        for units in (1, 2):
            await client.call(Stock, "tea", "put", units)
        assert await client.fork(Stock, "tea", "coffee", at=1, changes={1: {"units": 40}})
        assert await client.call(Stock, "coffee", "put", 2) == 42
        assert await client.query(Stock, "tea", "units") == 3

    play(story, APP)
