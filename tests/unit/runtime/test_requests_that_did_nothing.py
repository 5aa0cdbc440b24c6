"""What a request was answered stays true: one that did nothing does nothing either when it comes again, whatever has begun since."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from actors import App, Workflow, command
from runtime import AlreadyFinished, Conflict
from runtime.client import Client
from tests.simulation.audit import audit_log, types_of
from tests.simulation.world import World, simulate


class Job(Workflow):
    def __init__(self) -> None:
        self.over = False

    async def run(self, n: int) -> int:
        with suppress(asyncio.CancelledError):
            await self.until(lambda: self.over)
        await self.until(lambda: self.over)
        return n

    @command
    def end(self) -> None:
        self.over = True


APP = App(actors=[Job])

Act = Callable[[Client, str], Awaitable[object]]

ACTS: dict[str, Act] = {
    "cancel": lambda client, by: client.cancel(Job, "1", command_id=by, timeout=60),
    "terminate": lambda client, by: client.terminate(Job, "1", command_id=by, timeout=60),
    "resolve": lambda client, by: client.resolve(Job, "1", "p", by, command_id=by, timeout=60),
    "reject": lambda client, by: client.reject(Job, "1", "p", by, command_id=by, timeout=60),
    "pause": lambda client, by: client.corrections.pause(Job, "1", command_id=by, timeout=60),
    "resume": lambda client, by: client.corrections.resume(Job, "1", command_id=by, timeout=60),
    "skip": lambda client, by: client.corrections.skip(Job, "1", 1, result=1, command_id=by, timeout=60),
}
DID = {"CancelRequested", "RunTerminated", "PromiseResolved", "PromiseRejected", "Paused", "Unpaused"}


async def begin_again(client: Client, how: str, number: int) -> None:
    if how == "deleted":
        await client.delete(Job, "1")
        await client.start(Job, "1", number)
    else:
        await client.start(Job, "1", number, reuse="restart")


def done(world: World) -> list[str]:
    return [type for type in types_of(world.store, "Job/1") if type in DID]


@pytest.mark.parametrize("how", ["started again", "deleted"])
@pytest.mark.parametrize("act", ["cancel", "terminate", "resolve", "reject", "pause", "resume", "skip"])
def test_a_request_that_came_too_late_does_not_hit_the_next_run(act: str, how: str) -> None:
    """It was told that its run had ended, and is told so again; also by another node, and two runs later."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            for number in (2, 3):
                await client.call(Job, "1", "end")
                await client.result(Job, "1")
                for _ in range(2):
                    with pytest.raises(AlreadyFinished):
                        await ACTS[act](client, "late")
                await begin_again(client, how, number)
                for _ in range(2):
                    with pytest.raises(AlreadyFinished):
                        await ACTS[act](client, "late")
                    node.die()
                    node = world.node()
            assert done(world) == []
            await client.call(Job, "1", "end", timeout=60)
            assert await client.result(Job, "1") == 3
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


@pytest.mark.parametrize("how", ["started again", "deleted"])
@pytest.mark.parametrize("act", ["cancel", "terminate", "resolve", "pause", "resume"])
def test_a_request_that_another_one_had_forestalled_does_not_hit_the_next_run(act: str, how: str) -> None:
    """It is told again that it was not the one; and the one, that it was."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            answers = {}
            if act != "resume":  # which finds nothing to do
                answers["first"] = await ACTS[act](client, "first")
            answers["second"] = await ACTS[act](client, "second")
            if act == "pause":
                await client.corrections.resume(Job, "1", command_id="on")
            if act != "terminate":
                await client.call(Job, "1", "end")
                await client.result(Job, "1")
            await begin_again(client, how, 2)
            before = done(world)
            for _ in range(2):
                for id, answer in answers.items():
                    again = await ACTS[act](client, id)
                    assert again == answer or (act, id) == ("resolve", "first"), id
                node.die()
                node = world.node()
            assert done(world) == before
            await client.call(Job, "1", "end", timeout=60)
            assert await client.result(Job, "1") == 2
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


def test_a_pause_that_another_one_had_forestalled_holds_nothing_later() -> None:
    """Also in the same run, when the other one is over."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            assert await ACTS["pause"](client, "first") is True
            assert await ACTS["pause"](client, "second") is False
            assert await ACTS["resume"](client, "on") is True
            assert await ACTS["resume"](client, "on too") is False
            for id, answer in (("first", True), ("second", False)):
                assert await ACTS["pause"](client, id) is answer
            assert done(world) == ["Paused", "Unpaused"]
            assert await ACTS["pause"](client, "third") is True
            assert await ACTS["resume"](client, "on too") is False
            assert await ACTS["resume"](client, "on at last") is True
            await client.call(Job, "1", "end")
            assert await client.result(Job, "1") == 1
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


def test_what_is_looked_at_again_later_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that slept through its lease answers nothing from memory; another run has begun when it comes back to it."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await ACTS["terminate"](client, "t")
            await world.pass_time(5)
            with monkeypatch.context() as asleep:
                asleep.setattr(type(node.node._keeper), "current", property(lambda _: False))
                again = asyncio.ensure_future(client.terminate(Job, "1", command_id="t", timeout=60))
                await world.pass_time(0.1)
            await client.delete(Job, "1")
            await client.start(Job, "1", 2)
            assert await again is True
            await client.call(Job, "1", "end")
            assert await client.result(Job, "1") == 2
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


def test_an_id_that_did_nothing_and_then_something_else_is_no_obstacle() -> None:
    """Whoever uses one id for two requests keeps nobody from deleting the instance."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            assert await ACTS["resume"](client, "x") is False
            node.die()
            world.node()
            assert await ACTS["pause"](client, "x") is True
            await ACTS["terminate"](client, "t")
            await client.delete(Job, "1")
            await client.start(Job, "1", 2)
            assert await ACTS["pause"](client, "x") is True
            assert done(world) == []
            await client.call(Job, "1", "end")
            assert await client.result(Job, "1") == 2
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


@pytest.mark.parametrize("ended", [False, True])
def test_a_start_that_comes_again_after_another_one_is_not_given_its_result(ended: bool) -> None:
    """Whether that one runs or has ended: its input is not what was asked for."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            for number in (1, 2, 3):
                await client.start(Job, "1", number, command_id=f"s{number}", reuse="restart")
                if ended or number < 3:
                    await client.call(Job, "1", "end")
                    await client.result(Job, "1")
            for number in (1, 2):
                for ask in (client.start, client.execute):
                    with pytest.raises(Conflict, match="other input"):
                        await ask(Job, "1", number, command_id=f"s{number}", reuse="restart")
        assert types_of(world.store, "Job/1").count("RunStarted") == 3
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)
