"""Queries read, and say clearly what is wrong with them."""

from __future__ import annotations

import pytest

from runtime import CommandFailed, CommandInvalid, NotFound
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import APP, Order, Stock


def test_query_never_changes_state(play: Play) -> None:
    """It leaves no event, and one that would set an attribute is told so."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        await client.call(Order, "1", "add", "tea")
        before = await place.types("Order/1")
        with pytest.raises(CommandFailed, match="only reads, but it set end"):
            await client.query(Order, "1", "meddle")
        assert await client.query(Order, "1", "content") == ["tea"]
        await client.query(Stock, "new", "units")
        assert await place.types("Order/1") == before
        assert await place.types("Stock/new") == []

    play(story, APP)


def test_query_fails_clearly_on_unknown_name_or_wrong_arguments(play: Play) -> None:
    """Nothing is stored, and the message says what there is."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        with pytest.raises(CommandInvalid, match=r"Order has no query 'price'; it has: .*content"):
            await client.query("Order", "1", "price")
        with pytest.raises(CommandInvalid, match=r"Order.first\(length\): Expected `int`, got `str`"):
            await client.query("Order", "1", "first", length="many")
        with pytest.raises(CommandInvalid, match="unknown field `size`"):
            await client.query("Order", "1", "first", size=3)
        with pytest.raises(CommandFailed, match="ZeroDivisionError: no such share"):
            await client.query(Order, "1", "break_it")
        with pytest.raises(CommandFailed, match="ZeroDivisionError"):
            await client.query(Stock, "tea", "share", 0)
        with pytest.raises(NotFound, match="there is no Order/none"):
            await client.query(Order, "none", "content")

    play(story, APP)


def test_query_answers_for_finished_instances(play: Play) -> None:
    """Completed or failed, also on another node."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        for end in ("completed", "failed"):
            await client.start(Order, end)
            await client.call(Order, end, "add", "tea")
            await client.call(Order, end, "close", end)
        await place.stop(first)
        await place.node()
        for end in ("completed", "failed"):
            assert await client.query(Order, end, "first", 1, timeout=60) == ["tea"]

    play(story, APP)
