"""A mistake in the code of a saga undoes nothing: it would be undone for good, and the mended code could not go on."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Struct

from actors import Actor, App, Rejected, Saga, Workflow, command, task
from tests.simulation.audit import audit_log, types_of
from tests.simulation.world import World, simulate


class Code:
    """Whether the code is wrong, and what was undone."""

    wrong = False
    undone: list[str] = []


@task
async def undo(what: str) -> None:
    Code.undone.append(what)


@task
async def pay() -> None: ...


async def _pay_or_undo() -> str:
    async with Saga() as saga:
        saga.compensate(undo, "hotel")
        await pay()
        if Code.wrong:
            raise ZeroDivisionError
    return "booked"


class Trip(Workflow):
    async def run(self) -> str:
        return await _pay_or_undo()


class Careless(Workflow):
    """Catches everything around its saga, and goes on."""

    async def run(self) -> str:
        try:
            return await _pay_or_undo()
        except Exception:  # noqa: BLE001 - as careless code does
            await undo("careless")
            return "not booked"


class Grouped(Workflow):
    """Its mistake comes out of a task group, beside a failure."""

    async def run(self) -> str:
        async with Saga() as saga, asyncio.TaskGroup() as group:
            saga.compensate(undo, "hotel")
            group.create_task(_pay_or_undo())
            group.create_task(self._refuse())
        return "booked"

    async def _refuse(self) -> None:
        await pay()
        if Code.wrong:
            raise Rejected("beside the mistake")


class Nothing(Struct):
    """A state that never changes."""


class Desk(Actor):
    state: Nothing

    @command
    async def book(self) -> str:
        return await _pay_or_undo()


APP = App(actors=[Trip, Careless, Grouped, Desk], tasks=[undo, pay])


@pytest.mark.parametrize("kind", [Trip, Careless, Grouped])
def test_a_mistake_in_a_saga_undoes_nothing_and_it_goes_on_when_mended(kind: type[Workflow]) -> None:
    """Also where code around the saga would catch it, and where a node dies meanwhile."""
    Code.wrong, Code.undone = True, []
    name = f"{kind.type_name}/1"

    async def story(world: World) -> None:
        first = world.node()
        world.worker()
        async with world.client() as client:
            await client.start(kind, "1")
            await world.until(lambda: "Stuck" in types_of(world.store, name))
            first.die()
            world.node()
            await world.pass_time(5)
            Code.wrong = False
            assert await client.result(kind, "1", timeout=100) == "booked"
        await world.stop_all()
        audit_log(world.store, APP)
        assert Code.undone == []

    simulate(story, APP)


def test_a_mistake_in_a_command_with_a_saga_undoes_nothing() -> None:
    """An actor's async command is carried out on, too."""
    Code.wrong, Code.undone = True, []

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.submit(Desk, "1", "book", command_id="b")
            await world.until(lambda: world.store.log.streams["Desk/1"].execution.status == "stuck")  # type: ignore[union-attr]  # it is listed
            Code.wrong = False
            await world.pass_time(10)
            assert await client.call(Desk, "1", "book", command_id="b", timeout=100) == "booked"
        await world.stop_all()
        audit_log(world.store, APP)
        assert Code.undone == []

    simulate(story, APP)
