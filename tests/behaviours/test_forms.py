"""The forms of a command: without waiting, until it is accepted, until it is done, and together with a start."""

from __future__ import annotations

import asyncio

import pytest

from runtime import AlreadyFinished, CommandFailed, CommandInvalid, Conflict, NotFound
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import APP, Order, Stock


def test_accepted_means_durable_and_not_done(play: Play) -> None:
    """The answer comes while the handler still waits; over the death of the node the command is handled all the same."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Order, "1")
        assert await client.submit(Order, "1", "add_slowly", "tea", command_id="x") == "x"
        assert (await place.types("Order/1"))[1:] == ["CommandReceived"]
        await place.kill(first)
        await place.node()
        await client.call(Order, "1", "release", "tea", timeout=60)
        assert await client.call(Order, "1", "add_slowly", "tea", command_id="x") == 1

    play(story, APP)


def test_the_same_id_gives_the_first_reply_in_every_form(play: Play) -> None:
    """Whatever the first one asked for; also when it was refused by its handler, and to nobody who listened."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        for form in (client.send, client.submit, client.call):
            await form(Stock, "tea", "add", 5, command_id="x")
            await form(Order, "1", "add", "tea", command_id="x")
            assert await client.call(Stock, "tea", "add", 5, command_id="x") == 5
            assert await client.call(Order, "1", "add", "tea", command_id="x") == 1
        await client.submit(Stock, "tea", "take", 9, command_id="y")
        with pytest.raises(CommandFailed, match="only 5 left"):
            await client.call(Stock, "tea", "take", 9, command_id="y")
        for form in (client.submit, client.call):
            with pytest.raises(Conflict):
                await form(Stock, "tea", "add", 6, command_id="x")
            with pytest.raises(Conflict):
                await form(Order, "1", "add", "cup", command_id="x")

    play(story, APP)


def test_what_is_not_accepted_says_why(play: Play) -> None:
    """Unknown instance, unknown command, wrong arguments, and a validator's refusal."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        with pytest.raises(NotFound):
            await client.submit(Order, "none", "add", "tea")
        with pytest.raises(CommandInvalid, match="no command 'steal'"):
            await client.submit("Order", "1", "steal")
        with pytest.raises(CommandInvalid, match="Expected `str`"):
            await client.submit("Order", "1", "add", item=7)
        with pytest.raises(CommandFailed, match="before the third item"):
            await client.submit(Order, "1", "add_special", "cake")
        assert await place.types("Order/1") == ["RunStarted"]

    play(story, APP)


def test_start_and_command_in_one_atomic_step(play: Play) -> None:
    """One commit holds both, the run first; twenty at once create one instance, and each command counts once."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        twice = [f"{n}" for n in range(10) for _ in range(2)]
        calls = [client.start_and_call(Order, "1", ["ada"], "add", item, command_id=item) for item in twice]
        counts = await asyncio.gather(*calls)
        assert sorted(set(counts)) == list(range(1, 11))
        assert counts[::2] == counts[1::2]
        types = await place.types("Order/1")
        assert types[:3] == ["RunStarted", "CommandReceived", "CommandCompleted"]
        assert (types.count("RunStarted"), types.count("CommandReceived")) == (1, 10)
        assert await client.start(Order, "1", "ada") is False

    play(story, APP)


def test_a_running_instance_gets_the_command_alone(play: Play) -> None:
    """Whatever it was started with; a finished one takes none."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1", "ada")
        assert await client.start_and_call(Order, "1", {"customer": "bob"}, "add", "tea") == 1
        await client.call(Order, "1", "close", "failed")
        with pytest.raises(AlreadyFinished, match="has ended"):
            await client.start_and_call(Order, "1", {"customer": "bob"}, "add", "cup")
        assert (await place.types("Order/1"))[-1] == "RunFailed"

    play(story, APP)


def test_nothing_is_started_for_a_command_that_can_not_be_taken(play: Play) -> None:
    """Wrong arguments of either, a validator's refusal, a run that does not wait for it, an actor."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        with pytest.raises(CommandInvalid, match="Expected `str`"):
            await client.start_and_call("Order", "1", {"customer": 7}, "add", item="tea")
        with pytest.raises(CommandInvalid, match="Expected `str`"):
            await client.start_and_call("Order", "1", {}, "add", item=7)
        with pytest.raises(CommandFailed, match="no cake before the third item"):
            await client.start_and_call(Order, "1", {}, "add_special", "cake", command_id="x")
        with pytest.raises(CommandInvalid, match="no command"):
            await client.start_and_call("Parcel", "1", {}, "add")
        with pytest.raises(CommandInvalid, match="is an actor"):
            await client.start_and_call("Stock", "tea", {}, "add", units=1)
        with pytest.raises(AlreadyFinished, match="neither was done"):
            await client.start_and_call("Quick", "1", {}, "hurry")
        for stream in ("Order/1", "Parcel/1", "Stock/tea", "Quick/1"):
            assert await place.types(stream) == []
        assert await client.start_and_call(Order, "1", {}, "add", "tea", command_id="x") == 1

    play(story, APP)
