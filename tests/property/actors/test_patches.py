"""Whatever the program and whenever it is deployed anew: patches and recorded values are in every replay what they were live."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import Workflow
from tests.unit.actors.flows import ALL, double, look_up
from tests.unit.actors.stage import Stage

values = itertools.count()
names = st.sampled_from("abc")
steps = st.one_of(
    st.tuples(st.sampled_from(["task", "local", "record", "mistake"]), st.just("")), st.tuples(st.just("patch"), names)
)
programs = st.lists(steps, min_size=1, max_size=12)


class Old(Workflow, name="Order"):
    """Before any patch; a mistake stops it."""

    program: ClassVar[list[tuple[str, str]]] = []

    def __init__(self) -> None:
        self.trail: list[Any] = []

    async def run(self) -> list[Any]:
        for what, name in self.program:
            match what:
                case "task":
                    self.trail.append(await double(1))
                case "local":
                    self.trail.append(await look_up("x"))
                case "record":
                    self.trail.append(self.record(lambda: next(values)))
                case "mistake":
                    await self.mistake()
                case _:
                    await self.patch(name)
        return self.trail

    async def mistake(self) -> None:
        raise ValueError("a mistake")

    async def patch(self, name: str) -> None:
        pass


class New(Old, name="Order"):
    """With patches at all places; one of them mends the mistake."""

    async def mistake(self) -> None:
        if not self.patched("mend"):
            raise ValueError("a mistake")
        self.trail.append("mended")

    async def patch(self, name: str) -> None:
        taken = self.patched(name)
        self.trail.append((name, taken))
        if taken:
            self.trail.append(await look_up(name))
            self.trail.append(self.record(lambda: next(values)))


def go_on(stage: Stage) -> bool:
    """Let the one thing that it waits for happen."""
    execution = stage.execution
    if execution.broken or execution.outcome is not None:
        return False
    for call in execution.pending_local_calls():
        stage.done(call.task, 7, local=call.name)
        return True
    for number in execution.ledger.tasks:
        stage.done(number, 2)
        return True
    return False


def compare(stage: Stage, cls: type[Workflow]) -> None:
    """A replay ends where the live instance is."""
    if stage.execution.broken is None:
        replayed = stage.replayed(cls, ALL)
        assert replayed.state()["trail"] == stage.execution.state()["trail"]
        assert (replayed.version, replayed.outcome, replayed.waiting_for()) == (
            stage.execution.version, stage.execution.outcome, stage.execution.waiting_for(),
        )  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(programs, st.integers(0, 12), st.sets(st.integers(0, 30)))
def test_replay_gives_what_was_given_live(program: list[tuple[str, str]], old_steps: int, unloads: set[int]) -> None:
    """The old code for some steps, then the new one to the end, unloaded now and then."""
    Old.program = program
    with Stage(Old, ALL) as stage:
        stage.start()
        for _ in range(old_steps):
            go_on(stage)
        stage.reload(New, ALL)
        stage.keep(stage.execution.resume(stage.now))
        compare(stage, New)
        for step in range(60):
            if step in unloads:
                stage.reload(New, ALL)
            moved = go_on(stage)
            compare(stage, New)
            if not moved:
                break
        assert stage.execution.outcome is not None
        told = [
            name_and_answer
            for name_and_answer in stage.execution.state()["trail"]
            if isinstance(name_and_answer, tuple)
        ]
        assert len(dict(told)) == len(set(told)), "a run decides once for each name"
