"""What the nodes and workers of the benchmark run: an ordinary application with as little work of its own as can be."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from actors import Actor, App, Workflow, command, event, query, task

QUEUE = "bench"


@task(local=True)
async def step(number: int) -> int:
    """Give a number back, inside the node."""
    return number


@task(queue=QUEUE)
async def work(number: int) -> int:
    """Give a number back, on a worker."""
    return number


class Steps(Workflow):
    """So many local steps, one after the other."""

    async def run(self, steps: int) -> int:
        """Give the sum of what they gave."""
        total = 0
        for number in range(steps):
            total += await step(number)
        return total


class Nested(Workflow):
    """So many local steps, one after the other, and then a child workflow of one."""

    async def run(self, steps: int) -> int:
        """Give the sum of what they gave."""
        total = 0
        for number in range(steps):
            total += await step(number)
        inner: int = await self.execute(Steps, f"{self.id}-inner", 1)
        return total + inner


class Tasks(Workflow):
    """So many tasks on workers, one after the other."""

    async def run(self, tasks: int) -> int:
        """Give the sum of what they gave."""
        total = 0
        for number in range(tasks):
            total += await work(number)
        return total


class FanOut(Workflow):
    """So many tasks on workers, all at once."""

    async def run(self, tasks: int) -> int:
        """Give the sum of what they gave."""
        return sum(await asyncio.gather(*(work(number) for number in range(tasks))))


class Sleeper(Workflow):
    """Sleeps until a moment, and ends."""

    async def run(self, until: float) -> None:
        """Sleep; `until` is in seconds since the epoch."""
        await asyncio.sleep(max(0.0, until - self.now().timestamp()))


class Added(Struct):
    """The counter was raised."""

    units: int


class Count(Struct):
    """What a counter knows."""

    units: int = 0


class Counter(Actor):
    """Counts."""

    state: Count

    @command
    def add(self, units: int) -> int:
        """Count some more, in one event; gives the count."""
        self.emit(Added(units))
        return self.state.units

    @command
    def fill(self, events: int) -> int:
        """Count so many ones, in as many events; gives the count."""
        for _ in range(events):
            self.emit(Added(1))
        return self.state.units

    @event
    def added(self, added: Added) -> None:
        """Count."""
        self.state.units += added.units

    @query
    def units(self) -> int:
        """Give the count."""
        return self.state.units


app = App(actors=[Steps, Nested, Tasks, FanOut, Sleeper, Counter], tasks=[step, work])
TYPES: dict[str, type[Actor] | type[Workflow]] = {
    kind.__name__: kind for kind in (Steps, Nested, Tasks, FanOut, Sleeper, Counter)
}
