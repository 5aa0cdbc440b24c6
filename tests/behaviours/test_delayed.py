"""Commands for later: never early, never lost, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runtime import AlreadyFinished, CommandFailed, CommandInvalid, Conflict, NotFound
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import APP, JUDGED, Order, Stock

LONG_PAST = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_delayed_command_is_accepted_now_and_handled_once_when_it_is_due(play: Play) -> None:
    """Asked for five times, to an actor and a workflow; its row is gone when it was handled."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        at = place.now() + timedelta(seconds=1)
        for _ in range(5):
            assert await client.call_later(Stock, "tea", "add", 5, at=at, command_id="x") == "x"
            assert await client.call_later(Order, "1", "add", "tea", at=at, command_id="x") == "x"
        assert await place.types("Stock/tea") == []
        assert await place.types("Order/1") == ["RunStarted"]
        await place.until(lambda: place.has("Stock/tea", "Added"))
        await place.until(lambda: place.has("Order/1", "CommandCompleted"))
        assert place.now() >= at
        assert await client.call(Stock, "tea", "add", 5, command_id="x") == 5
        assert await client.call_later(Stock, "tea", "add", 5, at=at, command_id="x") == "x"
        assert await place.types("Stock/tea") == ["Added"]
        assert await client.query(Order, "1", "content") == ["tea"]

    play(story, APP)


def test_a_delayed_command_survives_the_death_of_every_node(play: Play) -> None:
    """It comes due while nobody is there, and is handled by who comes next."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        due = place.now() + timedelta(seconds=0.5)
        await client.call_later(Stock, "tea", "add", 5, at=due, command_id="x")
        await place.kill(first)
        await place.until(lambda: place.now() > due)
        assert await place.types("Stock/tea") == []
        await place.node()
        await place.until(lambda: place.has("Stock/tea", "Added"))
        assert await client.call(Stock, "tea", "add", 5, command_id="x") == 5

    play(story, APP)


def test_a_cancelled_delayed_command_is_never_handled(play: Play) -> None:
    """Its row is gone, and every repetition of it hears so: delayed or not, before its time and after, from the next node, too."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Order, "1")
        at = place.now() + timedelta(seconds=1)
        await client.call_later(Stock, "tea", "add", 5, at=at, command_id="x")
        await client.call_later(Order, "1", "add", "tea", at=at, command_id="x")
        for _ in range(3):
            assert await client.delayed.cancel(Stock, "tea", "x") is True
            assert await client.delayed.cancel(Order, "1", "x") is True
        assert await place.waiting() == 0
        for _ in range(2):
            for again in (
                client.call_later(Stock, "tea", "add", 5, at=at, command_id="x", timeout=40),
                client.call_later(Order, "1", "add", "tea", at=at, command_id="x", timeout=40),
                client.call(Stock, "tea", "add", 5, command_id="x", timeout=40),
                client.call(Order, "1", "add", "tea", command_id="x", timeout=40),
                client.submit(Order, "1", "add", "tea", command_id="x", timeout=40),
            ):
                with pytest.raises(CommandFailed) as heard:
                    await again
                assert heard.value.type == "CommandCancelled"
            await place.until(lambda: place.now() > at)
            if first is not None:
                await place.kill(first)
                first = await place.node()
        assert await client.delayed.cancel(Stock, "tea", "x", timeout=40) is True
        assert await client.delayed.cancel(Order, "1", "x", timeout=40) is True
        assert await client.query(Stock, "tea", "units", timeout=40) == 0
        assert await client.query(Order, "1", "content", timeout=40) == []
        assert await place.types("Order/1") == ["RunStarted", "CommandReceived", "CommandFailed"]
        assert await place.types("Stock/tea") == []

    play(story, APP)


def test_cancelling_says_whether_it_was_handled_before_or_never_known(play: Play) -> None:
    """And changes nothing then."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        await client.call_later(Stock, "tea", "add", 5, after=0.1, command_id="x")
        await client.call_later(Order, "1", "add", "tea", after=0.1, command_id="x")
        await place.until(lambda: place.has("Stock/tea", "Added"))
        await place.until(lambda: place.has("Order/1", "CommandCompleted"))
        for type, id in ((Stock, "tea"), (Order, "1")):
            assert await client.delayed.cancel(type, id, "x") is False
            with pytest.raises(NotFound, match="no delayed command y"):
                await client.delayed.cancel(type, id, "y")
        with pytest.raises(NotFound):
            await client.delayed.cancel(Order, "none", "x")
        assert await client.call(Stock, "tea", "add", 5, command_id="x") == 5

    play(story, APP)


def test_delayed_commands_are_listed_the_soonest_first(play: Play) -> None:
    """All of them, a type's, or an instance's, until they are handled or cancelled."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        for id, days in (("tea", 3), ("tea@home", 2), ("rum", 1)):
            await client.call_later(Stock, id, "add", days, after=timedelta(days=days), command_id=f"add-{days}")
        await client.call_later(Order, "1", "add", "tea", after=timedelta(days=9), command_id="last")
        found = await client.delayed.list()
        assert [(each.stream, each.command_id, each.command) for each in found] == [
            ("Stock/rum", "add-1", "add"),
            ("Stock/tea@home", "add-2", "add"),
            ("Stock/tea", "add-3", "add"),
            ("Order/1", "last", "add"),
        ]
        assert found[0].input == {"units": 1}
        assert timedelta(hours=23) < found[0].due_at - place.now() <= timedelta(days=1)
        assert [each.id for each in await client.delayed.list(Stock)] == ["rum", "tea@home", "tea"]
        assert [each.id for each in await client.delayed.list(Stock, "tea")] == ["tea"]
        assert [each.id for each in await client.delayed.list(limit=1)] == ["rum"]
        for each in found:
            assert await client.delayed.cancel(each.type, each.id, each.command_id) is True
        assert await client.delayed.list() == []

    play(story, APP)


def test_the_first_delayed_command_of_an_id_wins(play: Play) -> None:
    """Other input, or another time, is a conflict; also when the instance was unloaded in between."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Order, "1")
        at = place.now() + timedelta(days=400)
        await client.call_later(Stock, "tea", "add", 5, at=at, command_id="x")
        await client.call_later(Order, "1", "add", "tea", at=at, command_id="x")
        await place.stop(first)
        await place.node()
        await client.call_later(Order, "1", "add", "tea", at=at, command_id="x", timeout=60)
        with pytest.raises(Conflict, match="another delayed command"):
            await client.call_later(Stock, "tea", "add", 6, at=at, command_id="x")
        with pytest.raises(Conflict):
            await client.call_later(Order, "1", "add", "tea", at=at + timedelta(days=1), command_id="x")
        assert await place.waiting() == 2
        await place.forget_waiting()

    play(story, APP)


def test_what_can_not_be_accepted_for_later_says_why(play: Play) -> None:
    """Now, and not when it is due; one whose time is past is handled at once."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        with pytest.raises(NotFound):
            await client.call_later(Order, "none", "add", "tea", after=60)
        with pytest.raises(CommandInvalid, match="Expected `str`"):
            await client.call_later("Order", "1", "add", item=7, after=60)
        with pytest.raises(CommandInvalid, match="no command"):
            await client.call_later("Stock", "tea", "steal", after=60)
        with pytest.raises(CommandInvalid, match="either `after`, or `at`"):
            await client.call_later(Stock, "tea", "add", 5)
        with pytest.raises(CommandInvalid, match="time zone"):
            await client.call_later(Stock, "tea", "add", 5, at=LONG_PAST.replace(tzinfo=None))
        await client.call_later(Stock, "tea", "add", 5, at=LONG_PAST)
        assert await client.query(Stock, "tea", "units") == 5
        await client.call(Order, "1", "close")
        await client.result(Order, "1")
        with pytest.raises(AlreadyFinished):
            await client.call_later(Order, "1", "add", "tea", after=60)
        assert await place.waiting() == 0

    play(story, APP)


def test_a_validator_judges_a_delayed_command_when_it_is_due(play: Play) -> None:
    """By the state of then."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        JUDGED.clear()
        await client.call_later(Stock, "tea", "give_away", 3, "bob", after=0.5)
        assert JUDGED == []
        await client.call(Stock, "tea", "add", 5)
        await place.until(lambda: len(JUDGED) == 1)
        await place.until(lambda: _has(place, 2))
        assert await client.query(Stock, "tea", "units") == 2

    async def _has(place: Place, events: int) -> bool:
        return len(await place.types("Stock/tea")) == events

    play(story, APP)
