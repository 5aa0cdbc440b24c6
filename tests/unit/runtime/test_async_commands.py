"""Async commands of actors: what they await, what waits for them, restarts in the middle, failures, and mistakes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from actors import Actor, App, CallFailed, Rejected, Retry, Snapshots, Workflow, command, task
from runtime import CommandFailed, Conflict
from runtime.debugging.replaying import replay
from tests.notebook import Notebook, Noted
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import NodeProcess, World, simulate


@task(retry=Retry(max_attempts=2, first_delay=0.1))
async def fetch(what: str) -> str:
    if what == "broken":
        raise ValueError("no such thing")
    return f"got {what}"


@task(local=True)
async def stamp(what: str) -> str:
    return f"stamped {what}"


class Desk(Notebook):
    snapshots = Snapshots(every_events=1, least_share=0)

    @command
    async def work(self, what: str, seconds: float = 0.0) -> str:
        self.emit(Noted(f"begin {what}"))
        found = await fetch(what)
        self.emit(Noted(await stamp(found)))
        if seconds:
            await asyncio.sleep(seconds)
        self.emit(Noted(f"end {what}"))
        return found

    @command
    async def together(self, items: list[str]) -> list[str]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*(fetch(item) for item in items))

    @command
    async def set_then_fail(self, how: str) -> None:
        self.emit(Noted("set"))
        if how == "later":
            await asyncio.sleep(1)
            self.emit(Noted("set again"))
        raise Rejected("failed after all", {"how": how})

    @command
    async def pass_on(self, to: str, lines: list[str]) -> list[str]:
        answers = [await self.actor(Desk, to).note(line) for line in lines]
        self.tell(Desk, to).note("and out")
        self.emit(Noted(f"passed on {len(answers)}"))
        return answers

    @command
    async def quick(self) -> int:
        self.emit(Noted("quick"))
        return len(self.state.lines)

    @command
    def note(self, line: str) -> str:
        self.emit(Noted(line))
        if line == "nonsense":
            raise Rejected("that is nonsense")
        return f"{len(self.state.lines)}: {line}"


class Asker(Workflow):
    async def run(self, what: str) -> list[Any]:
        self.tell(Desk, "a").note("first")
        answers: list[Any] = [
            *await asyncio.gather(self.actor(Desk, "a").work(what), self.actor(Desk, "a").note("last"))
        ]
        try:
            await self.actor(Desk, "a").set_then_fail("now")
        except CallFailed as failed:
            return [*answers, failed.type, failed.details]
        return answers


APP = App(actors=[Desk, Asker], tasks=[fetch, stamp])


def story_of(tell: Callable[[World, Any, NodeProcess], Coroutine[Any, Any, None]], **world: Any) -> None:
    """Tell a story with a node and a worker, and see that nothing is left to do."""

    async def story(world: World) -> None:
        node = world.node()
        world.worker()
        async with world.client() as client:
            await tell(world, client, node)
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions), seconds=200)
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues)

    simulate(story, APP, **world)


def test_a_command_awaits_tasks_local_tasks_and_timers() -> None:
    """Its events are among its decisions, in the order in which the code came to them."""

    async def tell(world: World, client: Any, _: NodeProcess) -> None:
        assert await client.call(Desk, "a", "work", "tea", seconds=3) == "got tea"
        assert types_of(world.store, "Desk/a") == [
            "CommandReceived", "Noted", "TaskScheduled", "TaskCompleted", "TaskCompleted", "Noted", "TimerSet",
            "TimerFired", "Noted", "CommandCompleted",
        ]  # fmt: skip
        assert await client.query(Desk, "a", "lines") == ["begin tea", "stamped got tea", "end tea"]
        assert await client.call(Desk, "a", "quick") == 4
        assert await client.call(Desk, "a", "together", ["x", "y"]) == ["got x", "got y"]
        assert await client.call(Desk, "a", "note", "plain") == "5: plain"
        assert types_of(world.store, "Desk/a")[-1] == "Noted"

    story_of(tell)


def test_the_next_command_waits_until_it_is_done() -> None:
    """Async and plain ones, in the order of arrival; none of their messages stays unacked meanwhile."""

    async def tell(world: World, client: Any, _: NodeProcess) -> None:
        first = asyncio.ensure_future(client.call(Desk, "a", "work", "tea", seconds=30, timeout=100))
        await world.until(lambda: "TimerSet" in types_of(world.store, "Desk/a") if _seen(world) else False)
        others = [asyncio.ensure_future(client.call(Desk, "a", "note", f"{n}", timeout=100)) for n in range(3)]
        await world.until(lambda: types_of(world.store, "Desk/a").count("CommandReceived") == 4)
        more = asyncio.ensure_future(client.call(Desk, "a", "work", "milk", timeout=100))
        refused = asyncio.ensure_future(client.call(Desk, "a", "note", "nonsense", timeout=100))
        last = asyncio.ensure_future(client.call(Desk, "a", "note", "last", timeout=100))
        await world.until(lambda: types_of(world.store, "Desk/a").count("CommandReceived") == 7)
        assert await client.query(Desk, "a", "lines") == ["begin tea", "stamped got tea"]
        assert await first == "got tea"
        assert [await other for other in others] == ["4: 0", "5: 1", "6: 2"]
        assert await more == "got milk"
        with pytest.raises(CommandFailed, match="nonsense"):
            await refused
        assert await last == "10: last"
        assert await client.query(Desk, "a", "lines") == [
            "begin tea", "stamped got tea", "end tea", "0", "1", "2", "begin milk", "stamped got milk", "end milk", "last",
        ]  # fmt: skip

    story_of(tell)


def test_each_event_belongs_to_its_command_s_flow() -> None:
    """Also those of a command that waited, which a turn of the one before it may have begun."""

    async def tell(world: World, client: Any, node: NodeProcess) -> None:
        await client.submit(Desk, "a", "work", "tea", 30, command_id="w")
        await client.submit(Desk, "a", "note", "behind", command_id="n")
        await node.stop()
        world.node()
        await world.until(lambda: types_of(world.store, "Desk/a").count("CommandCompleted") == 2, seconds=100)
        flows = [(event.type, event.correlation_id) for event in world.store.log.streams["Desk/a"].events]
        assert [type_ for type_, flow in flows if flow == "n"] == [
            "CommandReceived", "CommandBegan", "Noted", "CommandCompleted",
        ]  # fmt: skip
        assert {flow for _, flow in flows} == {"w", "n"}

    story_of(tell)


def _seen(world: World) -> bool:
    return "Desk/a" in world.store.log.streams


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_a_command_blocked_half_way_survives_a_node_restart(killed: bool) -> None:
    """The code runs again from its beginning, on the state folded up to there; so do those that wait behind it."""

    async def tell(world: World, client: Any, node: NodeProcess) -> None:
        await client.call(Desk, "a", "note", "before")
        blocked = asyncio.ensure_future(client.call(Desk, "a", "work", "tea", seconds=60, timeout=200))
        await world.until(lambda: "TimerSet" in types_of(world.store, "Desk/a"))
        waits = asyncio.ensure_future(client.call(Desk, "a", "note", "behind", timeout=200))
        await world.until(lambda: types_of(world.store, "Desk/a").count("CommandReceived") == 2)
        if killed:
            node.die()
        else:
            await node.stop()
        await world.pass_time(5)
        world.node()
        assert await blocked == "got tea"
        assert await waits == "5: behind"
        lines = ["before", "begin tea", "stamped got tea", "end tea", "behind"]
        assert await client.query(Desk, "a", "lines") == lines

    story_of(tell)


def test_many_commands_with_one_id_change_state_once() -> None:
    """While it is under way, when it is done, and when nobody remembers it but the log."""

    async def tell(world: World, client: Any, node: NodeProcess) -> None:
        calls = [
            asyncio.ensure_future(client.call(Desk, "a", "work", "tea", 5, command_id="one", timeout=100))
            for _ in range(4)
        ]
        assert await asyncio.gather(*calls) == ["got tea"] * 4
        assert await client.call(Desk, "a", "work", "tea", 5, command_id="one") == "got tea"
        with pytest.raises(Conflict):
            await client.call(Desk, "a", "work", "milk", 5, command_id="one")
        await node.stop()
        world.node()
        await client.call(Desk, "a", "note", "between", timeout=60)
        assert await client.call(Desk, "a", "work", "tea", 5, command_id="one", timeout=60) == "got tea"
        with pytest.raises(Conflict):
            await client.call(Desk, "a", "note", "tea", command_id="one")
        assert await client.query(Desk, "a", "lines") == ["begin tea", "stamped got tea", "end tea", "between"]

    story_of(tell)


@pytest.mark.parametrize(("how", "kept"), [("now", ["set"]), ("later", ["set", "set again"])])
def test_set_then_fail_keeps_the_set(how: str, kept: list[str]) -> None:
    """What an async command has emitted stays, also when it fails in the end; exception text reaches the caller."""

    async def tell(world: World, client: Any, _: NodeProcess) -> None:
        with pytest.raises(CommandFailed, match="failed after all") as failed:
            await client.call(Desk, "a", "set_then_fail", how, command_id="x")
        assert (failed.value.type, failed.value.details) == ("Rejected", {"how": how})
        with pytest.raises(CommandFailed, match="failed after all"):
            await client.call(Desk, "a", "set_then_fail", how, command_id="x")
        assert await client.query(Desk, "a", "lines") == kept
        assert await client.call(Desk, "a", "note", "next") == f"{len(kept) + 1}: next"

    story_of(tell)


def test_a_task_that_failed_fails_the_command() -> None:
    """What is not caught is its failure, with the task's type."""

    async def tell(world: World, client: Any, _: NodeProcess) -> None:
        with pytest.raises(CommandFailed, match="no such thing") as failed:
            await client.call(Desk, "a", "work", "broken", timeout=60)
        assert failed.value.type == "ValueError"
        assert await client.query(Desk, "a", "lines") == ["begin broken"]

    story_of(tell)


def test_an_actor_awaits_another_actor() -> None:
    """In order; call order kept from one handler, told and awaited."""

    async def tell(world: World, client: Any, _: NodeProcess) -> None:
        assert await client.call(Desk, "a", "pass_on", "b", ["x", "y"], timeout=60) == ["1: x", "2: y"]
        await world.until(lambda: types_of(world.store, "Desk/b").count("Noted") == 3)
        assert await client.query(Desk, "b", "lines") == ["x", "y", "and out"]
        assert types_of(world.store, "Desk/a") == [
            "CommandReceived", *["CommandSent", "CommandAnswered"] * 2, "CommandSent", "Noted", "CommandCompleted",
        ]  # fmt: skip

    story_of(tell)


def test_a_workflow_gives_async_commands() -> None:
    """Answered when they are done, behind what it gave before, with the failure as an exception."""

    async def tell(world: World, client: Any, _: NodeProcess) -> None:
        answer = await client.execute(Asker, "1", "tea", timeout=60)
        assert answer == ["got tea", "5: last", "Rejected", {"how": "now"}]
        lines = ["first", "begin tea", "stamped got tea", "end tea", "last", "set"]
        assert await client.query(Desk, "a", "lines") == lines

    story_of(tell)


def test_no_snapshot_is_taken_in_the_middle_and_each_one_tells_all() -> None:
    """With one due at each event: the versions are those at rest, and an activation from each gives the same."""

    async def tell(world: World, client: Any, node: NodeProcess) -> None:
        await client.call(Desk, "a", "work", "tea", seconds=1)
        await client.call(Desk, "a", "note", "x")
        stream = world.store.log.streams["Desk/a"]
        ends = {e.version for e in stream.events if e.type == "CommandCompleted"} | {stream.events[-1].version}
        assert stream.snapshots
        assert set(stream.snapshots) <= ends
        lines = await client.query(Desk, "a", "lines")
        await node.stop()
        world.node()
        assert await client.query(Desk, "a", "lines", timeout=60) == lines
        assert await client.call(Desk, "a", "work", "milk", timeout=60) == "got milk"

    story_of(tell)


def test_the_replay_of_a_stream_shows_each_step() -> None:
    """The state after each event, at rest and under way, and what the command under way waits for."""

    async def tell(world: World, client: Any, _: NodeProcess) -> None:
        await client.call(Desk, "a", "note", "x")
        working = asyncio.ensure_future(client.call(Desk, "a", "work", "tea", 30, timeout=100))
        await world.until(lambda: "TimerSet" in types_of(world.store, "Desk/a"))
        await client.submit(Desk, "a", "note", "behind")
        kind = APP.type("Desk")
        under_way = list(replay(kind, "Desk/a", world.store.log.streams["Desk/a"].events))
        assert [step.version for step in under_way] == list(range(1, 10))
        assert under_way[-1].state == {"lines": ["x", "begin tea", "stamped got tea"]}
        assert under_way[-1].waiting_for == ["timer #5", "command note behind it"]
        await working
        await world.until(lambda: types_of(world.store, "Desk/a").count("CommandCompleted") == 2)
        done = list(replay(kind, "Desk/a", world.store.log.streams["Desk/a"].events))
        assert done[-1].state == {"lines": ["x", "begin tea", "stamped got tea", "end tea", "behind"]}
        assert [step.type for step in done][-3:] == ["CommandBegan", "Noted", "CommandCompleted"]

    story_of(tell)


class Broken(Desk, name="Desk"):
    """A version with a mistake."""

    @command
    async def work(self, what: str, seconds: float = 0.0) -> str:
        self.emit(Noted(f"begin {what}"))
        await fetch(what)
        raise ZeroDivisionError


class Other(Desk, name="Desk"):
    """A version that does something else than what is recorded."""

    @command
    async def work(self, what: str, seconds: float = 0.0) -> str:
        self.emit(Noted(f"begin with {what}"))
        return await fetch(what)


@pytest.mark.parametrize("first", [Broken, Other], ids=["bug", "nondeterminism"])
def test_a_mistake_stops_the_actor_until_it_is_mended(first: type[Actor]) -> None:
    """As with workflows: stuck, listed, nothing lost, and it goes on with the right code. Nothing of the wrong path stays."""

    async def story(world: World) -> None:
        old = App(actors=[first, Asker], tasks=[fetch, stamp])
        node = world.node(app=old if first is Broken else APP)
        worker = world.worker()
        async with world.client() as client:
            working = asyncio.ensure_future(client.submit(Desk, "a", "work", "tea", seconds=20, command_id="w"))
            await working
            if first is Other:
                await world.until(lambda: "TimerSet" in types_of(world.store, "Desk/a"))
                await node.stop()
                node = world.node(app=old)
            await world.until(lambda: "Stuck" in types_of(world.store, "Desk/a"), seconds=60)
            execution = world.store.log.streams["Desk/a"].execution
            assert execution is not None
            assert execution.status == "stuck"
            await client.submit(Desk, "a", "note", "behind", command_id="n")
            await node.stop()
            world.node()
            assert await client.call(Desk, "a", "work", "tea", seconds=20, command_id="w", timeout=100) == "got tea"
            assert await client.call(Desk, "a", "note", "behind", command_id="n", timeout=100) == "4: behind"
            lines = ["begin tea", "stamped got tea", "end tea", "behind"]
            assert await client.query(Desk, "a", "lines") == lines
            assert "Resumed" in types_of(world.store, "Desk/a")
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions), seconds=200)
        await worker.stop()
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues)

    simulate(story, APP)
