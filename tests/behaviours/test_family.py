"""Many parents and children at once, while nodes die."""

from __future__ import annotations

import asyncio

import pytest

from actors import App, Workflow, command
from tests.behaviours.conftest import Play
from tests.behaviours.modes import MODES
from tests.behaviours.place import Place

# Not where nodes die of every commit, of whichever instance: a message that is in hand each time is put aside as poison.
PLACES = ["memory", *(f"memory, {mode.name}" for mode in MODES if not mode.dies), "rabbitmq"]


class Child(Workflow):
    async def run(self, n: int) -> int:
        await asyncio.sleep(0.01 * (n % 7))
        return 2 * n


class Parent(Workflow):
    """Has two children, the second one when the first has ended and somebody allows it."""

    def __init__(self) -> None:
        self.allowed = False

    async def run(self, n: int) -> int:
        first = await self.execute(Child, f"{self.id}-a", n)
        await self.until(lambda: self.allowed)
        return first + await self.execute(Child, f"{self.id}-b", 10 * n)

    @command
    def go_on(self) -> None:
        self.allowed = True


APP = App(actors=[Parent, Child])


@pytest.mark.parametrize("play", PLACES, indirect=True)
def test_parent_and_child_complete_exactly_once_with_300_parents_on_several_nodes(play: Play) -> None:
    """Two of three nodes die in the middle of it, and one comes new."""

    async def story(place: Place) -> None:
        nodes = [await place.node() for _ in range(3)]
        client = await place.client()
        number = 300 if place.calm else 20
        await asyncio.gather(*(client.start(Parent, str(n), n, timeout=200) for n in range(number)))
        await place.kill(nodes[0])
        going_on = [asyncio.ensure_future(client.call(Parent, str(n), "go_on", timeout=200)) for n in range(number)]
        await place.until(lambda: place.has("Child/7-b", "RunStarted"))
        await place.kill(nodes[1])
        await place.node()
        await asyncio.gather(*going_on)
        results = await asyncio.gather(*(client.result(Parent, str(n), timeout=200) for n in range(number)))
        assert results == [22 * n for n in range(number)]
        streams = [name for n in range(number) for name in (f"Parent/{n}", f"Child/{n}-a", f"Child/{n}-b")]
        logs = await place.all_types()
        assert sorted(logs) == sorted(streams)
        for stream, types in logs.items():
            assert (types.count("RunStarted"), types.count("RunCompleted")) == (1, 1), stream
            assert types.count("ChildStarted") == types.count("ChildCompleted") == 2 * stream.startswith("Parent/")

    play(story, APP)
