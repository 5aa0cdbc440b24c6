"""Waiting: sleeps, many of them and long ones, and the ways to wait for several things."""

from __future__ import annotations

import asyncio
from typing import Any

from actors import App, Failure, Workflow, task
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place


class Away(Failure):
    """Nobody is there."""


@task(raises=(Away,))
async def ask(whom: str) -> str:
    if whom.startswith("nobody"):
        raise Away(f"{whom} is away")
    return f"{whom} says yes"


class Sleepers(Workflow):
    """Many sleeps at once, of several lengths."""

    async def run(self, number: int) -> list[int]:
        woken: list[int] = []

        async def sleep(place: int) -> None:
            await asyncio.sleep(0.1 + 0.05 * (place % 5))
            woken.append(place % 5)

        await asyncio.gather(*(sleep(place) for place in range(number)))
        return woken


class Sleeper(Workflow):
    async def run(self) -> float:
        before = self.now()
        await asyncio.sleep(0.6)
        return (self.now() - before).total_seconds()


class Asking(Workflow):
    """All, any, the first that succeeds, and no longer than so long: each with tasks, sleeps and children."""

    async def run(self) -> list[Any]:
        everybody = await asyncio.gather(ask("ann"), ask("nobody"), self.nap("bob"), return_exceptions=True)
        anybody = await self.first_of(self.nap("cid"), self.forever())
        helpful = await self.first_success("nobody", "nobody else", "dan")
        late = "in time"
        try:
            async with asyncio.timeout(0.1):
                await asyncio.gather(ask("eve"), self.forever())
        except TimeoutError:
            late = "too late"
        in_time = await asyncio.wait_for(self.first_of(ask("fay"), self.forever()), timeout=30)
        return [*map(str, everybody), anybody, helpful, late, in_time]

    async def nap(self, who: str) -> str:
        await asyncio.sleep(0.05)
        return f"{who} slept"

    async def forever(self) -> str:
        await self.until(lambda: False)
        return "never"

    async def first_of(self, *coroutines: Any) -> str:
        tasks = [asyncio.ensure_future(each) for each in coroutines]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        return str(done.pop().result())

    async def first_success(self, *names: str) -> str:
        for each in asyncio.as_completed([asyncio.ensure_future(ask(name)) for name in names]):
            try:
                return await each
            except Away:
                continue
        return "nobody helps"


APP = App(actors=[Sleepers, Sleeper, Asking], tasks=[ask])


def test_many_concurrent_sleeps(play: Play) -> None:
    """Each fires once, and those that are due first wake first."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        number = 300 if place.calm else 20
        assert await client.execute(Sleepers, "1", number, timeout=200) == sorted(n % 5 for n in range(number))
        types = await place.types("Sleepers/1")
        assert (types.count("TimerSet"), types.count("TimerFired")) == (number, number)

    play(story, APP)


def test_sleep_over_a_restart(play: Play) -> None:
    """It ends when it is due, however many nodes come and go, also when none is there at that time; never early."""

    async def story(place: Place) -> None:
        node = await place.node()
        client = await place.client()
        for id in ("a", "b"):
            await client.start(Sleeper, id, timeout=200)
            await place.until(lambda: place.has(f"Sleeper/{id}", "TimerSet"))  # noqa: B023 - at once
        due = (await place.log("Sleeper/b"))[-1][1]["due"]
        await place.stop(node)
        node = await place.node()
        await place.kill(node)
        await place.until(lambda: place.now().timestamp() > due)
        assert not await place.has("Sleeper/b", "TimerFired")
        await place.node()
        for id in ("a", "b"):
            assert await client.result(Sleeper, id, timeout=200) >= 0.6
            assert (await place.types(f"Sleeper/{id}")).count("TimerFired") == 1

    play(story, APP)


def test_all_any_first_success_timeout_mixed(play: Play) -> None:
    """As asyncio has them, and durable: tasks, sleeps, conditions and failures in one."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        assert await client.execute(Asking, "1", timeout=200) == [
            "ann says yes", "nobody is away", "bob slept", "cid slept", "dan says yes", "too late", "fay says yes",
        ]  # fmt: skip

    play(story, APP)
