"""A commit whose answer was lost may be written later: it must not find an instance that has begun anew under its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from actors import App
from eventstore import Commit, StoreUnavailable
from eventstore.postgres.connection import SETTINGS, STATEMENT_TIMEOUT
from runtime import Client
from runtime.errors import Conflict
from runtime.hosting.unsettled import LATE
from tests.simulation.audit import types_of
from tests.simulation.world import World, simulate
from tests.unit.runtime.test_deleted_ids import Notes, end

APP = App(actors=[Notes])


class Delayed:
    """Takes the commit that would make version 3 of an actor, and answers nothing; it is written when the test says so."""

    def __init__(self, world: World) -> None:
        self._write = world.store.commit
        self.held: Sequence[Commit] | None = None
        world.store.commit = self._commit  # type: ignore[assignment]  # the wire between node and store

    async def _commit(self, commits: Sequence[Commit]) -> Any:
        if self.held is None and any(c.stream == "Notes/a" and c.expected_version == 2 for c in commits):
            self.held = commits
            raise StoreUnavailable("no answer")
        return await self._write(commits)

    async def arrive(self) -> None:
        """Write it now."""
        assert self.held is not None
        await self._write(self.held)


async def three_lines(world: World, client: Client) -> None:
    for line in "xyz":
        await client.call(Notes, "a", "note", line)
    assert len(types_of(world.store, "Notes/a")) == 3


async def begin_anew(world: World, client: Client) -> None:
    """Delete the actor, and bring the next one to version 2, which the delayed commit expects."""
    await client.delete(Notes, "a")
    await client.call(Notes, "a", "note", "new")
    assert len(types_of(world.store, "Notes/a")) == 2


def test_an_instance_is_not_deleted_while_a_commit_of_it_may_still_come_true() -> None:
    """It is refused for a minute, in which the late commit finds that others were written since."""

    async def story(world: World) -> None:
        world.node()
        late = Delayed(world)
        async with world.client() as client:
            await three_lines(world, client)
            with pytest.raises(Conflict, match="delete it in a minute"):
                await client.delete(Notes, "a")
            await late.arrive()
            assert len(types_of(world.store, "Notes/a")) == 3
            await world.pass_time(LATE)
            await begin_anew(world, client)
        await end(world)

    simulate(story, APP)


def test_the_next_owner_may_delete_it_at_once() -> None:
    """What its former owner has on the wire is fenced."""

    async def story(world: World) -> None:
        node = world.node()
        late = Delayed(world)
        async with world.client() as client:
            await three_lines(world, client)
            await node.stop()
            world.node()
            await begin_anew(world, client)
            await late.arrive()
            assert await client.query(Notes, "a", "lines") == ["new"]
            assert len(types_of(world.store, "Notes/a")) == 2
        await end(world)

    simulate(story, APP)


def test_the_server_gives_a_commit_up_long_before_it_counts_as_gone() -> None:
    """What makes `LATE` true: each statement has an end on the server, too."""
    assert 2 * STATEMENT_TIMEOUT <= LATE
    assert float(SETTINGS["statement_timeout"].removesuffix("s")) < STATEMENT_TIMEOUT
