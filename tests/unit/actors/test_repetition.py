"""What comes twice is taken once; what a replay does again is not said again."""

from __future__ import annotations

from typing import Any

from actors import Workflow, command
from actors.execution import Execution
from tests.unit.actors.flows import ALL, double, look_up
from tests.unit.actors.stage import Stage


class Story(Workflow):
    """Uses everything that could differ from one replay to the next."""

    def __init__(self) -> None:
        self.log.info("made")
        self.drawn: list[Any] = []

    async def run(self) -> list[Any]:
        self.log.info("started", at=str(self.now()))
        self.draw()
        await double(1)
        self.log.warning("half way")
        self.draw()
        await look_up("k")
        self.draw()
        return self.drawn

    def draw(self) -> None:
        self.drawn += [str(self.uuid()), self.random.random(), self.now().isoformat(), self.id]

    @command
    def note(self) -> None:
        self.log.debug("told", by="caller")
        self.log.error("told")


def told() -> Stage:
    stage = Stage(Story, ALL)
    stage.start()
    stage.now += 5
    stage.command("note")
    stage.done(1, 2)
    stage.now += 5
    stage.done(2, 7, local="look_up")
    return stage


def test_log_lines_are_said_in_their_turn() -> None:
    """Level, event and fields."""
    lines = [[(line.level, line.event) for line in turn.logs] for turn in told().turns]
    assert lines == [
        [("info", "made"), ("info", "started")],
        [("debug", "told"), ("error", "told")],
        [("warning", "half way")],
        [],
    ]


def test_log_lines_are_not_said_again_in_replay() -> None:
    """A replayed instance goes on with the next line."""
    stage = told()
    del stage.journal[-2:]  # before the last fact
    stage.reload()
    assert stage.done(2, 7, local="look_up").logs == []


def test_time_chance_and_ids_are_the_same_in_replay() -> None:
    """All come from the journal and the stream's name."""
    stage = told()
    assert (stage.replayed().outcome, stage.replayed().state()) == (stage.execution.outcome, stage.execution.state())


def test_two_instances_draw_differently() -> None:
    """Otherwise two orders would share an id."""
    one, two = Stage(Story, ALL), Stage(Story, ALL)
    two.stream = "Story/2"
    two.execution = Execution(two.kind, two.stream)
    one.start()
    two.start()
    assert one.execution.state()["drawn"][0] != two.execution.state()["drawn"][0]


def test_a_second_outcome_of_a_task_is_ignored() -> None:
    """The first one wins, whichever it is."""
    stage = Stage(Story, ALL)
    stage.start()
    stage.done(1, 2)
    assert (stage.done(1, 3).events, stage.fail(1).events) == ([], [])


def test_a_second_outcome_of_a_local_task_is_ignored() -> None:
    """By its number."""

    class Flow(Workflow):
        async def run(self) -> None:
            await look_up("k")
            await double(1)

    stage = Stage(Flow, ALL)
    stage.start()
    stage.done(1, 2, local="look_up")
    assert (stage.done(1, 3, local="look_up").events, stage.fail(1, local="look_up").events) == ([], [])


def test_an_outcome_after_the_end_is_ignored() -> None:
    """The instance is finished."""
    stage = told()
    assert (stage.done(1, 2).events, stage.done(9, 2, local="look_up").events) == ([], [])


def test_replay_is_idempotent() -> None:
    """Twice gives the same, and writes nothing."""
    stage = told()
    one, two = stage.replayed(), stage.replayed()
    assert (one.state(), one.version, one.waiting_for()) == (two.state(), two.version, two.waiting_for())


def test_stepping_shows_the_state_after_each_event() -> None:
    """For a debugger: stop anywhere, look, go on."""
    stage = told()
    execution = Execution(stage.kind, stage.stream)
    seen = [(execution.version, len(execution.state()["drawn"])) for _ in execution.steps(stage.journal)]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4), (5, 8), (6, 12), (7, 12)]
