"""Commands: once, in order, and what a caller hears."""

from __future__ import annotations

import asyncio

import pytest

from runtime import CommandFailed, Conflict
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import APP, Order, Stock


def test_many_commands_with_one_id_change_state_once(play: Play) -> None:
    """Said twenty times at once, it is done once, and all hear the first answer; to actors and workflows alike."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        stock = [client.call(Stock, "tea", "add", 5, command_id="x") for _ in range(20)]
        order = [client.call(Order, "1", "add", "tea", command_id="x") for _ in range(20)]
        assert set(await asyncio.gather(*stock)) == {5}
        assert set(await asyncio.gather(*order)) == {1}
        assert await place.types("Stock/tea") == ["Added"]
        assert await place.types("Order/1") == ["RunStarted", "CommandReceived", "CommandCompleted"]
        with pytest.raises(Conflict):
            await client.call(Stock, "tea", "add", 6, command_id="x")

    play(story, APP)


def test_rejected_command_leaves_no_event(play: Play) -> None:
    """An actor that raises `Rejected` has nothing of it in its stream, and gives the same answer again."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.call(Stock, "tea", "add", 5)
        for _ in range(2):
            with pytest.raises(CommandFailed, match="only 5 left"):
                await client.call(Stock, "tea", "take", 7, command_id="x")
        assert await place.types("Stock/tea") == ["Added"]

    play(story, APP)


def test_exception_text_reaches_the_caller(play: Play) -> None:
    """With its class's name and its details, from actors and workflows."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        with pytest.raises(CommandFailed) as from_actor:
            await client.call(Stock, "tea", "take", 7)
        with pytest.raises(CommandFailed) as from_workflow:
            await client.call(Order, "1", "add", "coffee")
        heard = [(e.value.type, str(e.value), e.value.details) for e in (from_actor, from_workflow)]
        assert heard == [
            ("Rejected", "only 0 left", {"left": 0}),
            ("OutOfTea", "we have tea only", {"asked": "coffee"}),
        ]

    play(story, APP)


def test_a_command_blocked_half_way_survives_a_node_restart(play: Play) -> None:
    """Its caller, who waits all the time, hears from the next node."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Order, "1")
        waiting = asyncio.ensure_future(client.call(Order, "1", "add_slowly", "tea", command_id="x", timeout=60))
        await place.until(lambda: place.has("Order/1", "CommandReceived"))
        await place.kill(first)
        await place.node()
        await client.call(Order, "1", "release", "tea", timeout=60)
        assert await waiting == 1
        assert await client.call(Order, "1", "add_slowly", "tea", command_id="x") == 1

    play(story, APP)


def test_call_order_kept_from_one_handler(play: Play) -> None:
    """What a handler asks for one after the other is scheduled and done in that order."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Order, "1")
        items = [f"item {n}" for n in range(5)]
        fetched = await client.call(Order, "1", "add_fetched", items)
        assert fetched == [f"{item} fetched" for item in items]
        asked = [data["input"]["what"] for type, data in await place.log("Order/1") if type == "TaskScheduled"]
        assert asked == items

    play(story, APP)


def test_commands_of_one_client_are_handled_in_the_order_they_were_sent(play: Play) -> None:
    """Sent at once, without waiting for any answer."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await asyncio.gather(*(client.send(Stock, "tea", "add", n) for n in range(1, 51)))
        await place.until(lambda: _is_asked(client.query(Stock, "tea", "units"), sum(range(51))))
        assert await client.query(Stock, "tea", "history") == list(range(1, 51))

    async def _is_asked(asking: object, wanted: int) -> bool:
        return await asking == wanted  # type: ignore[misc,no-any-return]  # a query's answer

    play(story, APP)


def test_same_key_under_two_types_are_two_actors(play: Play) -> None:
    """Also for command ids: each actor has its own."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "tea")
        assert await client.call(Stock, "tea", "add", 3, command_id="x") == 3
        assert await client.call(Order, "tea", "add", "tea", command_id="x") == 1
        assert await client.query(Stock, "tea", "units") == 3
        assert await client.query(Order, "tea", "content") == ["tea"]

    play(story, APP)
