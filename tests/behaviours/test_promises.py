"""A workflow waits for what nobody has sent yet: promises, and conditions that a later command makes true."""

from __future__ import annotations

import asyncio

import pytest

from actors import RunFailed
from runtime import AlreadyFinished, CommandInvalid, NotFound
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import APP, Deal, Order, Price, Stock


def test_a_promise_resolved_from_outside_by_id(play: Play) -> None:
    """While it is awaited, over the death of the node; the value comes as its type."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Deal, "1")
        await place.kill(first)
        await place.node()
        assert (await client.resolve(Deal, "1", "price", Price(700), timeout=60)).resolved
        assert await client.result(Deal, "1", timeout=60) == "sold for 700"
        assert await place.types("Deal/1") == ["RunStarted", "PromiseResolved", "RunCompleted"]

    play(story, APP)


def test_a_promise_resolved_before_it_is_awaited_is_kept(play: Play) -> None:
    """Over a change of nodes, too."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Deal, "1", patience=0.3)
        assert (await client.resolve(Deal, "1", "price", {"cents": 700})).resolved
        await place.stop(first)
        await place.node()
        assert await client.result(Deal, "1", timeout=60) == "sold for 700"

    play(story, APP)


def test_first_resolution_wins_and_later_ones_are_told_what_won(play: Play) -> None:
    """Of ten at once one does; its own repetition hears the first answer; also after the end."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Deal, "1", patience=0.3)
        tries = [client.resolve(Deal, "1", "price", Price(n), command_id=f"r{n}") for n in range(10)]
        told = await asyncio.gather(*tries)
        (winner,) = [n for n, each in enumerate(told) if each.resolved]
        assert all(each.result == {"cents": winner} for n, each in enumerate(told) if n != winner)
        assert await client.result(Deal, "1") == f"sold for {winner}"
        again = await client.resolve(Deal, "1", "price", Price(winner), command_id=f"r{winner}")
        assert again.resolved
        late = await client.reject(Deal, "1", "price", "too expensive")
        assert (late.resolved, late.result) == (False, {"cents": winner})
        assert (await place.types("Deal/1")).count("PromiseResolved") == 1

    play(story, APP)


def test_a_rejected_promise_fails_who_awaits_it(play: Play) -> None:
    """The text and the details reach the run, and who awaits its result; a later resolution is told."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Deal, "1")
        details = {"bank": "said no"}
        assert (await client.reject(Deal, "1", "price", "no credit", error="NoCredit", details=details)).resolved
        with pytest.raises(RunFailed, match="no credit") as failed:
            await client.result(Deal, "1")
        assert (failed.value.type, failed.value.details) == ("NoCredit", details)
        late = await client.resolve(Deal, "1", "price", Price(7))
        assert late.error is not None
        assert (late.resolved, late.error.type, late.error.message) == (False, "NoCredit", "no credit")

    play(story, APP)


def test_what_can_not_be_resolved_says_why(play: Play) -> None:
    """Unknown instance, actor, a value that does not fit, a name that can't be, a finished instance; nothing is recorded."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Deal, "1")
        with pytest.raises(NotFound, match="there is no Deal/none"):
            await client.resolve(Deal, "none", "price", Price(7))
        with pytest.raises(CommandInvalid, match="is an actor"):
            await client.resolve(Stock, "tea", "price", Price(7))
        with pytest.raises(CommandInvalid, match="promise price: Expected `int`, got `str`"):
            await client.resolve(Deal, "1", "price", {"cents": "many"})
        with pytest.raises(CommandInvalid, match="can't name a promise"):
            await client.resolve(Deal, "1", "", 7)
        assert await place.types("Deal/1") == ["RunStarted"]
        await client.resolve(Deal, "1", "price", Price(7))
        await client.result(Deal, "1")
        with pytest.raises(AlreadyFinished, match="waits for no promise any more"):
            await client.resolve(Deal, "1", "another", 7)

    play(story, APP)


def test_an_actor_waits_for_a_command_that_has_not_been_sent_yet(play: Play) -> None:
    """A condition over its own state, over the death of its node."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Order, "1")
        await place.kill(first)
        await place.node()
        await client.call(Order, "1", "close", timeout=60)
        assert await client.result(Order, "1", timeout=60) == []

    play(story, APP)
