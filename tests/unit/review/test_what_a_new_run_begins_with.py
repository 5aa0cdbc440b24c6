"""What a fork and a restart begin with: the deadline of the one, no search attributes of the other's former run."""

from __future__ import annotations

import pytest

from actors import App, RunFailed, Workflow
from tests.simulation.world import World, simulate


class Patient(Workflow, timeout=100):
    async def run(self, label: str = "") -> None:
        if label:
            self.set_search_attributes(label=label)
        await self.until(lambda: False)


APP = App(actors=[Patient])


def test_a_fork_ends_in_time_as_well() -> None:
    """The deadline was copied with the start, and is kept."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Patient, "1")
            await client.fork(Patient, "1", "2", at=1)
            with pytest.raises(RunFailed, match="time"):
                await client.result(Patient, "2", timeout=200)

    simulate(story, APP)


def test_a_restart_takes_no_attributes_along() -> None:
    """The listing says of the new run what that has set."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Patient, "1", label="old")
            assert [listed.stream for listed in await client.list(where=["label=old"])] == ["Patient/1"]
            await client.terminate(Patient, "1")
            await client.start(Patient, "1", reuse="restart")
            assert await client.list(where=["label=old"]) == []

    simulate(story, APP)
