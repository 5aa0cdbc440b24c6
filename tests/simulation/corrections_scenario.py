"""A life that is put right by hand: paused and resumed."""

from __future__ import annotations

from collections import Counter

from actors import App, Workflow, command, query, task
from runtime import Client
from tests.simulation.audit import types_of
from tests.simulation.scenario import WAIT, Scenario
from tests.simulation.world import World


@task
async def pack(item: str) -> str:
    return f"{item} packed"


class Parcel(Workflow):
    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, item: str) -> list[str]:
        self.done.append(await pack(item))
        await self.until(lambda: len(self.done) == 3)
        return self.done

    @command
    async def add(self, item: str) -> int:
        self.done.append(await pack(item))
        return len(self.done)

    @query
    def so_far(self) -> list[str]:
        return self.done


APP = App(actors=[Parcel], tasks=[pack])


async def tell(world: World, client: Client) -> None:
    """Tell of a parcel that is held, gets commands meanwhile, and goes on. Each request is said twice."""
    await client.start(Parcel, "1", "tea", timeout=WAIT)
    await world.until(lambda: "TaskCompleted" in types_of(world.store, "Parcel/1"), seconds=WAIT)
    for _ in range(2):
        assert await client.corrections.pause(Parcel, "1", "no tape", by="ann", command_id="h1", timeout=WAIT)
    assert not await client.corrections.pause(Parcel, "1", command_id="h2", timeout=WAIT)
    for item in ("cup", "pot"):
        await client.submit(Parcel, "1", "add", item, command_id=item, timeout=WAIT)
    assert await client.query(Parcel, "1", "so_far", timeout=WAIT) == ["tea packed"]
    for _ in range(2):
        assert await client.corrections.resume(Parcel, "1", "tape is here", by="bob", command_id="g1", timeout=WAIT)
    assert sorted(await client.result(Parcel, "1", timeout=WAIT)) == ["cup packed", "pot packed", "tea packed"]
    assert await client.corrections.pause(Parcel, "1", "no tape", by="ann", command_id="h1", timeout=WAIT)


def check(world: World) -> None:
    """Check what is left: each correction once, and nothing decided in between."""
    types = types_of(world.store, "Parcel/1")
    assert types[3:7] == ["Paused", "CommandReceived", "CommandReceived", "Unpaused"]
    assert Counter(types) == {
        "RunStarted": 1, "TaskScheduled": 3, "TaskCompleted": 3, "CommandReceived": 2, "CommandCompleted": 2,
        "Paused": 1, "Unpaused": 1, "RunCompleted": 1,
    }  # fmt: skip


CORRECTED = Scenario(tell, check, app=APP)
