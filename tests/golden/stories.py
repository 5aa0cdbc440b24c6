"""How each history came about: told to a real node and a real worker, on the memory store and transport, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from actors import App, RunFailed
from runtime import Client, CommandFailed, InstanceStuck
from runtime.schedules import Overlap, Schedule
from tests.golden.app import Weather, app, before, without
from tests.simulation.world import World

Story = Callable[[World, Client], Awaitable[list[str]]]  # gives the streams whose histories are kept


async def deploy(world: World, code: App) -> None:
    """Put a node with other code in the place of the one that runs."""
    for process in world.processes:
        if hasattr(process, "node") and not process.dead and not process.main.done():
            await process.stop()
    await world.served(world.node(app=code))


async def has(world: World, stream: str, type: str) -> None:
    """Wait for an event."""

    def found() -> bool:
        kept = world.store.log.streams.get(stream)
        return kept is not None and any(event.type == type for event in kept.events)

    await world.until(found, seconds=600, what=f"{type} in {stream}")


async def tasks(world: World, client: Client) -> list[str]:
    Weather.attempts = 0
    assert await client.execute("Tasks", "1", input={"sku": "tea"}) == [2, 4, 3, 3, 7, "ValueError"]
    return ["Tasks/1"]


async def waits(world: World, client: Client) -> list[str]:
    await client.start("Waits", "1")
    await has(world, "Waits/1", "TimerFired")
    await client.call("Waits", "1", "put", text="x")
    assert (await client.result("Waits", "1"))[:2] == [8, "x"]
    return ["Waits/1"]


async def commands(world: World, client: Client) -> list[str]:
    await client.start_and_call("Handled", "1", {"start": 1}, "add", n=4)
    with suppress(CommandFailed):
        await client.call("Handled", "1", "add", n=-1)
    await client.send("Handled", "1", "add_double", n=10)
    await client.call_later("Handled", "1", "add", n=100, after=1)
    assert await client.result("Handled", "1") >= 100
    return ["Handled/1"]


async def cancelled_command(world: World, client: Client) -> list[str]:
    await client.start("Handled", "2", input={"start": 90})
    await client.call_later("Handled", "2", "add", n=100, after=60, command_id="later")
    assert await client.delayed.cancel("Handled", "2", "later")
    await client.call("Handled", "2", "add", n=10)
    assert await client.result("Handled", "2") == 100
    return ["Handled/2"]


async def children(world: World, client: Client) -> list[str]:
    assert await client.execute("Parent", "1") == ["good", "Rejected", "ChildCancelled"]
    return ["Parent/1", "Child/1-good", "Child/1-bad", "Child/1-waits", "Child/1-left"]


async def hurried_children(world: World, client: Client) -> list[str]:
    assert await client.execute("Hurried", "1") == "ChildTimedOut"
    return ["Hurried/1", "Child/1-waits"]


async def endings(world: World, client: Client) -> list[str]:
    for id in ("cancelled", "terminated"):
        await client.start("Bookable", id)
    await client.cancel("Bookable", "cancelled", "changed my mind")
    await client.terminate("Bookable", "terminated", "enough")
    await has(world, "Bookable/cancelled", "RunCancelled")
    return ["Bookable/cancelled", "Bookable/terminated"]


async def deadlines(world: World, client: Client) -> list[str]:
    await client.start("Bookable", "late", run_timeout=5)
    await has(world, "Bookable/late", "RunTimedOut")
    return ["Bookable/late"]


async def continued(world: World, client: Client) -> list[str]:
    await client.start("Living", "1", input={"left": 2})
    for n in (1, 2, 3):
        await client.call("Living", "1", "see", n=n)
    assert await client.result("Living", "1") == 6
    return ["Living/1"]


async def mapped(world: World, client: Client) -> list[str]:
    assert await client.execute("Mapped", "1", input={"count": 3}) == [0, 2, 4, 0, 2, 4]
    return ["Mapped/1"]


async def restarted(world: World, client: Client) -> list[str]:
    assert await client.execute("Mapped", "again", input={"count": 1}) == [0, 0]
    assert await client.execute("Mapped", "again", input={"count": 2}, reuse="restart") == [0, 2, 0, 2]
    return ["Mapped/again"]


async def patches(world: World, client: Client) -> list[str]:
    await deploy(world, before)
    for id in ("old", "between"):
        await client.start("Changing", id)
    await client.call("Changing", "old", "step")
    await deploy(world, app)
    await client.start("Changing", "new")
    for id in ("old", "between", "new"):
        for _ in range(2 if id == "old" else 3):
            await client.call("Changing", id, "step")
        await client.result("Changing", id)
    return ["Changing/old", "Changing/between", "Changing/new"]


async def versions(world: World, client: Client) -> list[str]:
    await deploy(world, before)
    await client.start("Versioned", "old", input={"n": 4})
    await has(world, "Versioned/old", "TaskScheduled")
    await deploy(world, app)
    assert await client.result("Versioned", "old") == 8
    assert await client.execute("Versioned", "new", input={"numbers": [1, 22]}) == 3
    return ["Versioned/old", "Versioned/new"]


async def stuck_and_parked(world: World, client: Client) -> list[str]:
    await deploy(world, before)
    await client.start("Mended", "1")
    await has(world, "Mended/1", "Stuck")
    await refused(client.call("Mended", "1", "say", text="one"))
    await deploy(world, app)
    await has(world, "Mended/1", "Resumed")
    await deploy(world, without)
    await refused(client.call("Mended", "1", "say", text="two"))
    await deploy(world, app)
    assert await client.result("Mended", "1") == ["one", "two"]
    return ["Mended/1"]


async def paused(world: World, client: Client) -> list[str]:
    await client.start("Bookable", "held")
    await client.corrections.pause("Bookable", "held", "wait for the bank", by="ann")
    await client.cancel("Bookable", "held", "changed my mind")
    await client.corrections.resume("Bookable", "held", "it has answered", by="bob")
    await has(world, "Bookable/held", "RunCancelled")
    return ["Bookable/held"]


async def skipped(world: World, client: Client) -> list[str]:
    await client.start("Waits", "skipped")
    await has(world, "Waits/skipped", "TimerSet")
    await client.corrections.skip("Waits", "skipped", 1, reason="no time", by="ann")
    await has(world, "Waits/skipped", "TimerFired")
    return ["Waits/skipped"]


async def retried(world: World, client: Client) -> list[str]:
    Weather.attempts = 0
    await client.start("Insisting", "1")
    with suppress(RunFailed):
        await client.result("Insisting", "1")
    assert await client.corrections.retry("Insisting", "1", "fair weather", by="ann")
    assert await client.result("Insisting", "1") == [3, 4]
    return ["Insisting/1"]


async def restarted_by_hand(world: World, client: Client) -> list[str]:
    assert await client.execute("Mapped", "anew", input={"count": 1}, memo="twice", run_timeout=60) == [0, 0]
    await client.corrections.restart("Mapped", "anew", "see it again", by="ann")
    assert await client.result("Mapped", "anew") == [0, 0]
    await client.corrections.restart("Mapped", "anew", input={"count": 2})
    await client.terminate("Mapped", "anew", "seen enough", by="bob")
    await client.start("Bookable", "asked")
    await client.cancel("Bookable", "asked", "fog", by="ann")
    await has(world, "Bookable/asked", "RunCancelled")
    return ["Mapped/anew", "Bookable/asked"]


async def refused(call: Awaitable[Any]) -> None:
    """Send a command to an instance that is stuck."""
    try:
        await call
    except InstanceStuck:
        return
    raise AssertionError("it is not stuck")


async def attributes(world: World, client: Client) -> list[str]:
    assert await client.execute("Found", "1", input={"customer": "ada"}) == "ada"
    return ["Found/1"]


async def promises(world: World, client: Client) -> list[str]:
    await client.start("Promised", "1")
    await client.resolve("Promised", "1", "price", 7)
    await client.reject("Promised", "1", "address", "nobody lives there")
    assert await client.result("Promised", "1") == [7, "Rejected"]
    return ["Promised/1"]


async def actors(world: World, client: Client) -> list[str]:
    await deploy(world, before)
    await client.call("Account", "ann", "move", euros=3)
    await deploy(world, app)
    assert await client.execute("Transfer", "1") == ["800", "CallFailed"]
    await has(world, "Book/all", "Written")
    await world.pass_time(5)
    return ["Account/ann", "Transfer/1", "Book/all"]


async def async_commands(world: World, client: Client) -> list[str]:
    await client.submit("Desk", "1", "mend", what="clock")
    assert await client.call("Desk", "1", "count") == 10
    await client.submit("Desk", "1", "mend", what="hopeless")
    await has(world, "Desk/1", "CommandFailed")
    return ["Desk/1"]


def _have_ended(world: World, stream: str, count: int) -> bool:
    events = world.store.log.streams[stream].events
    return sum(event.type == "ChildFailed" for event in events) >= count


async def scheduled(world: World, client: Client) -> list[str]:
    times = Schedule(
        cron="*/10 * * * *", time_zone="Europe/Berlin", every=90, overlap=Overlap.TERMINATE_OTHER, jitter=9
    )
    await client.schedules.create("often", times, "Promised")
    await has(world, "perdure-schedule/often", "TimerFired")
    await client.schedules.pause("often", "a break")
    await client.schedules.trigger("often")
    await has(world, "perdure-schedule/often", "ChildCancelRequested")
    await has(world, "perdure-schedule/often", "ChildFailed")
    begun = world.now()
    await client.schedules.backfill("often", begun - timedelta(minutes=75), begun, Overlap.ALLOW_ALL)
    await has(world, "perdure-schedule/often", "RunContinued")
    await client.schedules.update("often", Schedule(every=20, overlap=Overlap.CANCEL_OTHER, limit=2))
    await client.schedules.unpause("often")
    await world.until(lambda: _have_ended(world, "perdure-schedule/often", 57), seconds=600, what="the ends")
    await client.schedules.delete("often")
    return ["perdure-schedule/often"]


async def handed_over(world: World, client: Client) -> list[str]:
    """A schedule that hears at once of what ends its run, and of the ends of two that it has started."""
    schedule = "perdure-schedule/full"
    await client.schedules.create("full", Schedule(every=1e7, overlap=Overlap.ALLOW_ALL), "Promised")
    ids: list[str] = []
    for _ in range(24):
        ids.append(await client.schedules.trigger("full") or "")
        await asyncio.sleep(1)
    await client.corrections.pause("perdure-schedule", "full", "a look", by="ann")
    last = asyncio.create_task(client.schedules.trigger("full", timeout=600))
    await world.until(
        lambda: world.store.log.streams[schedule].events[-1].type == "CommandReceived", what="the trigger"
    )
    await client.terminate("Promised", ids[0])
    await has(world, schedule, "ChildFailed")
    await client.resolve("Promised", ids[1], "price", 3)
    await client.resolve("Promised", ids[1], "address", "here")
    await has(world, schedule, "ChildCompleted")
    await client.corrections.resume("perdure-schedule", "full", by="ann")
    await last
    await client.schedules.delete("full")
    return [schedule]


async def begun_anew(world: World, client: Client) -> list[str]:
    assert await client.execute("Reminded", "1", input={"times": 1}) == "done"
    await client.delete("Reminded", "1")
    for reuse in ("attach", "restart"):
        assert await client.execute("Reminded", "1", input={"times": 2}, reuse=reuse) == "done"
    await client.call("Account", "eve", "move", cents=3)
    await client.delete("Account", "eve")
    await client.call("Account", "eve", "move", cents=4)
    await world.pass_time(5)
    return ["Reminded/1", "Account/eve"]


async def called(world: World, client: Client) -> list[str]:
    await client.start("Listener", "1")
    assert await client.execute("Speaker", "1") == 1
    assert await client.result("Listener", "1") == ["one", "two"]
    return ["Speaker/1", "Listener/1"]


async def forks(world: World, client: Client) -> list[str]:
    await client.start("Listener", "1")
    assert await client.execute("Speaker", "1") == 1
    at = [event.type for event in world.store.log.streams["Speaker/1"].events].index("TaskScheduled") + 1
    await client.fork("Speaker", "1", "2", at=at)
    assert await client.result("Speaker", "2") == 1
    return ["Speaker/2"]


async def noted(world: World, client: Client) -> list[str]:
    await client.start(
        "Found", "noted", input={"customer": "eve"}, memo={"by": "phone"}, search_attributes={"region": "north"}
    )
    await client.result("Found", "noted")
    return ["Found/noted"]


async def turned(world: World, client: Client) -> list[str]:
    """A run that begins anew in a newer version, and one that is cancelled while it is about to."""
    await deploy(world, before)
    for id in ("newer", "cancelled"):
        await client.start("Turning", id, input={"left": 1})
    await deploy(world, app)
    for id in ("newer", "cancelled"):
        await client.submit("Turning", id, "turn_round", seconds=2)
    await client.cancel("Turning", "cancelled")
    await has(world, "Turning/cancelled", "RunCancelled")
    await has(world, "Turning/newer", "RunContinued")
    await client.call("Turning", "newer", "turn_round", seconds=0)
    assert await client.result("Turning", "newer") == 0
    return ["Turning/newer", "Turning/cancelled"]


async def whole_tree(world: World, client: Client) -> list[str]:
    await client.start("Holding", "1")
    await has(world, "Child/1-held", "RunStarted")
    await client.terminate("Holding", "1", "enough", tree=True)
    await has(world, "Child/1-held", "RunTerminated")
    return ["Holding/1", "Child/1-held"]


async def searched(world: World, client: Client) -> list[str]:
    assert await client.execute("Missing", "1") == "OSError"
    return ["Missing/1"]


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        tasks, waits, commands, cancelled_command, children, hurried_children, endings, deadlines, continued, mapped, restarted, patches, versions, stuck_and_parked, attributes, actors, promises, async_commands,
        paused, skipped, retried, restarted_by_hand, scheduled, handed_over, begun_anew, called, forks, noted, turned, whole_tree, searched,
    )
}  # fmt: skip
