"""Commands that are judged before anything of them is recorded."""

from __future__ import annotations

import asyncio

import pytest

from runtime import CommandFailed
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import APP, JUDGED, Order, Stock


def test_rejected_command_leaves_no_event_and_validators_do_not_run_on_replay(play: Play) -> None:
    """The refusal's text reaches the caller; another node that rebuilds the instance judges nothing again."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Order, "1")
        for item in ("tea", "cup"):
            await client.call(Order, "1", "add", item)
        before = await place.types("Order/1")
        JUDGED.clear()
        with pytest.raises(CommandFailed, match="only 0 left for bob") as refused:
            await client.call(Stock, "tea", "give_away", 1, "bob", command_id="x")
        assert (refused.value.type, refused.value.details) == ("Rejected", {"left": 0})
        assert await place.types("Stock/tea") == []
        assert await client.call(Order, "1", "add_special", "cake", command_id="y") == 3
        assert (await place.types("Order/1"))[len(before) :] == ["CommandReceived", "CommandCompleted"]
        assert "bob" in JUDGED
        assert JUDGED.count("cake") == 1
        await place.stop(first)
        await place.node()
        assert await client.query(Order, "1", "content", timeout=60) == ["tea", "cup", "cake"]
        assert await client.call(Order, "1", "add_special", "cake", command_id="y") == 3
        assert JUDGED.count("cake") == 1

    play(story, APP)


def test_same_command_id_sent_again_after_a_rejection_is_judged_anew(play: Play) -> None:
    """It left no trace, so it is as if it had never been said."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        with pytest.raises(CommandFailed, match="only 0 left for bob"):
            await client.call(Stock, "tea", "give_away", 1, "bob", command_id="x")
        with pytest.raises(CommandFailed, match="no cake before the third item"):
            await client.call(Order, "1", "add_special", "cake", command_id="x")
        await client.call(Stock, "tea", "add", 5)
        await client.call(Order, "1", "add", "tea")
        await client.call(Order, "1", "add", "cup")
        for _ in range(2):
            assert await client.call(Stock, "tea", "give_away", 1, "bob", command_id="x") == 4
            assert await client.call(Order, "1", "add_special", "cake", command_id="x") == 3

    play(story, APP)


def test_a_command_is_judged_by_all_that_came_before_it(play: Play) -> None:
    """Also by what is not durable yet: of ten at once for three units, three are taken."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.call(Stock, "tea", "add", 3)
        calls = [client.call(Stock, "tea", "give_away", 1, f"{n}") for n in range(10)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(answer, int) for answer in answers] == [True] * 3 + [False] * 7
        assert await client.query(Stock, "tea", "units") == 0
        assert len(await place.types("Stock/tea")) == 4

    play(story, APP)
