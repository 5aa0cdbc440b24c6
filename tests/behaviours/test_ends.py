"""Beginnings and ends of runs: what attaches, what is waited for, and what wins."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from actors import RunFailed
from runtime import AlreadyFinished, Client, Conflict
from runtime.messages import TaskOutcome, encode_message
from runtime.transport.port import Destination, Message
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place
from tests.behaviours.shop import APP, Order, Parcel


def test_duplicate_start_attaches(play: Play) -> None:
    """Of ten at once one creates the instance; one with other input is a conflict."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        created = await asyncio.gather(*(client.start(Order, "1", "ada") for _ in range(10)))
        assert sorted(created) == [False] * 9 + [True]
        with pytest.raises(Conflict):
            await client.start(Order, "1", "bob")
        await client.call(Order, "1", "close")
        assert await client.execute(Order, "1", "ada") == []
        assert (await place.types("Order/1")).count("RunStarted") == 1

    play(story, APP)


def test_a_pending_command_blocks_completion_until_handled(play: Play) -> None:
    """The run has returned; its instance ends when the last handler has."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        pending = asyncio.ensure_future(client.call(Order, "1", "add_slowly", "tea"))
        await place.until(lambda: place.has("Order/1", "CommandReceived"))
        await client.call(Order, "1", "close")
        assert not await place.has("Order/1", "RunCompleted")
        await client.call(Order, "1", "release", "tea")
        assert await pending == 1
        assert await client.result(Order, "1") == []  # as it was when the run returned
        assert (await place.types("Order/1"))[-2:] == ["CommandCompleted", "RunCompleted"]

    play(story, APP)


def test_unfinished_handlers_at_return(play: Play) -> None:
    """One that lets the run return and goes on is finished first, over the death of its node, too."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Order, "1")
        closing = asyncio.ensure_future(client.call(Order, "1", "close_and_wait", timeout=60))
        await place.until(lambda: place.has("Order/1", "TimerSet"))
        await place.kill(first)
        await place.node()
        assert await closing == "after the end"
        await client.result(Order, "1", timeout=60)
        assert (await place.types("Order/1"))[-3:] == ["TimerFired", "CommandCompleted", "RunCompleted"]

    play(story, APP)


def test_exception_text_of_a_run_reaches_who_awaits_its_result(play: Play) -> None:
    """With its class's name and its details; also long after."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1", "eve")
        waiting = asyncio.ensure_future(client.result(Order, "1"))
        await client.call(Order, "1", "close", "failed")
        for asking in (waiting, client.result(Order, "1")):
            with pytest.raises(RunFailed, match="no tea for eve") as failed:
                await asking
            assert (failed.value.type, failed.value.details) == ("OutOfTea", {"customer": "eve"})

    play(story, APP)


def test_first_of_two_completions_wins(play: Play) -> None:
    """Two workers tell of one task: the first outcome is recorded, and the other changes nothing."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Parcel, "1")
        await place.until(lambda: place.has("Parcel/1", "TaskScheduled"))
        for result in ("first", "second"):
            await _told(
                client, TaskOutcome(type="Parcel", id="1", task=1, attempt=1, result=Raw(f'"{result}"'.encode()))
            )
        assert await client.result(Parcel, "1") == "first"
        await place.worker()  # it finds the task's message, and its outcome is a third
        await client.execute(Parcel, "2")
        assert await client.result(Parcel, "1") == "first"
        assert (await place.types("Parcel/1")).count("TaskCompleted") == 1

    async def _told(client: Client, outcome: TaskOutcome) -> None:
        destination, key = client._asker.route(outcome)
        assert destination is Destination.COMMANDS
        await client._asker.publisher.publish(Message(destination, key, encode_message(outcome)))

    play(story, APP)


def test_a_finished_instance_takes_no_more_commands_and_repeats_its_answers(play: Play) -> None:
    """An id that was handled gets its first answer, and a new one is told why not."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Order, "1")
        assert await client.call(Order, "1", "add", "tea", command_id="x") == 1
        await client.call(Order, "1", "close")
        await client.result(Order, "1")
        with pytest.raises(AlreadyFinished, match="Order/1 has ended"):
            await client.call(Order, "1", "add", "tea", command_id="y")
        assert await client.call(Order, "1", "add", "tea", command_id="x") == 1

    play(story, APP)
