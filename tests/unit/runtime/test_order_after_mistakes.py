"""A run that follows one which a mistake stopped: its commands come after what that one really told, and wait for nothing else."""

from __future__ import annotations

import json

import pytest
from msgspec import Struct

from actors import Actor, App, Nondeterminism, Workflow, command, event, query
from tests.simulation.audit import audit_log, types_of
from tests.simulation.world import World, simulate
from tests.unit.actors.flows import ALL, double, note
from tests.unit.actors.stage import Stage, kind_of, raw


class Code:
    """Whether the code is wrong."""

    wrong = False


class Heard(Struct):
    word: str


class Words(Struct):
    heard: list[str] = []


class Ear(Actor):
    state: Words

    @command
    def hear(self, word: str) -> None:
        self.emit(Heard(word))

    @event
    def on_heard(self, heard: Heard) -> None:
        self.state.heard.append(heard.word)

    @query
    def words(self) -> list[str]:
        return self.state.heard


class Mouth(Workflow):
    async def run(self, word: str) -> None:
        self.tell(Ear, "1").hear(word)
        if Code.wrong:
            raise ZeroDivisionError


@pytest.mark.parametrize("mended", [False, True], ids=["", "mended before it was terminated"])
def test_what_a_mistake_kept_from_being_told_holds_up_nothing(mended: bool) -> None:
    """No command waits for one that was never given."""

    async def story(world: World) -> None:
        world.node()
        Code.wrong = True
        async with world.client() as client:
            await client.start(Mouth, "1", "lost")
            await world.until(lambda: "Stuck" in types_of(world.store, "Mouth/1"))
            Code.wrong = not mended
            await client.terminate(Mouth, "1")
            await client.start(Mouth, "1", "told", reuse="restart", command_id="again")
            Code.wrong = False
            await world.until(lambda: "Ear/1" in world.store.log.streams, seconds=600)
            assert await client.query(Ear, "1", "words") == ["told"]
        audit_log(world.store, APP)

    simulate(story, APP, within=2000.0)


APP = App(actors=[Ear, Mouth])


class One(Workflow, name="Teller"):
    async def run(self) -> None:
        await double(1)
        self.tell("Ear", "1").hear("one")
        await double(2)


class Two(Workflow, name="Teller"):
    async def run(self) -> None:
        self.tell("Ear", "2").hear("never told")
        await note("x")


def test_what_was_told_behind_the_mistake_comes_before_what_the_next_run_tells() -> None:
    """The journal has it, though the code of today does not get there."""
    with Stage(One, ALL) as stage:
        stage.start()
        stage.done(1, 1)
        execution = stage.execution = stage.fresh(kind_of(Two, ALL))
        with pytest.raises(Nondeterminism):
            execution.replay(stage.journal)
        stage.keep(execution.stick())
        stage.keep(execution.terminate("t", "it is of no use"))
        execution = stage.execution = stage.fresh(kind_of(Two, ALL))
        with pytest.raises(Nondeterminism):
            execution.replay(stage.journal)
        stage.keep(execution.start(raw({}), "again", stage.now))
        started = json.loads(next(e for e in reversed(stage.journal) if e.type == "RunStarted").data)
        assert started["said"] == {"Ear/1": [2, stage.now]}
