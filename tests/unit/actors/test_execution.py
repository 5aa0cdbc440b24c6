"""One instance, turn by turn: what a fact makes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from actors import Bug, InvalidArguments, Rejected, UnknownName, Workflow, command, query
from actors.journal import ErrorInfo
from tests.unit.actors.flows import ALL, double, look_down, look_up, note, reserve
from tests.unit.actors.stage import NOON, Stage, raw


class Order(Workflow):
    """Counts what it is told, and waits to be closed."""

    def __init__(self) -> None:
        self.total, self.closed = 0, False
        self.born = self.now()

    async def run(self, start: int = 0) -> int:
        self.total += start
        await self.until(lambda: self.closed)
        return self.total

    @command
    def add(self, units: int) -> int:
        self.total += units
        return self.total

    @command
    async def add_double(self, units: int) -> int:
        self.total += await double(units)
        return self.total

    @command
    def close(self) -> None:
        self.closed = True

    @command
    def refuse(self) -> None:
        raise Rejected("not now", {"why": "lunch"})

    @query
    def sum(self, plus: int = 0) -> int:
        return self.total + plus

    @query
    def broken_query(self) -> int:
        raise KeyError("a mistake")

    @query
    def refusing_query(self) -> int:
        raise Rejected("no")


def started() -> Stage:
    stage = Stage(Order, ALL)
    stage.start(start=5)
    return stage


def test_a_start_is_recorded_with_its_input() -> None:
    """The journal alone can start it again."""
    stage = started()
    assert (stage.types, stage.journal[0].data) == (
        ["RunStarted"], b'{"input":{"start": 5},"command_id":"start"}',
    )  # fmt: skip


def test_the_constructor_has_the_time_of_the_start() -> None:
    """Not the epoch, and the same in replay."""
    stage = started()
    born = datetime.fromtimestamp(NOON, UTC)
    assert (stage.execution.state()["born"], stage.replayed().state()["born"]) == (born, born)


def test_a_mistake_in_the_constructor_makes_the_instance_stuck() -> None:
    """It is code like any other."""

    class Flow(Workflow):
        def __init__(self) -> None:
            raise ValueError("a mistake")

        async def run(self) -> None: ...

    stage = Stage(Flow)
    assert (stage.start().stuck is not None, stage.execution.state()) == (True, {})


def test_a_command_answers_with_its_result() -> None:
    """In the turn that took it."""
    turn = started().command("add", id="c1", units=2)
    assert [(answer.command_id, bytes(answer.outcome.result or b"")) for answer in turn.answers] == [("c1", b"7")]


def test_an_async_command_answers_when_it_is_done() -> None:
    """Others are handled in between; what it had read before it waited is old then, as everywhere in asyncio."""
    stage = started()
    assert stage.command("add_double", id="slow", units=10).answers == []
    assert [answer.command_id for answer in stage.command("add", id="quick", units=1).answers] == ["quick"]
    turn = stage.done(1, 20)
    assert [(answer.command_id, bytes(answer.outcome.result or b"")) for answer in turn.answers] == [("slow", b"25")]


def test_a_refused_command_answers_with_its_failure() -> None:
    """The instance goes on."""
    stage = started()
    outcome = stage.command("refuse").answers[0].outcome
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message, outcome.error.details_value()) == (
        "Rejected", "not now", {"why": "lunch"},
    )  # fmt: skip
    assert stage.query("sum") == 5


def test_commands_are_handled_in_the_order_they_came() -> None:
    """The journal's order is the order."""
    stage = started()
    for units in (1, 2, 3):
        stage.command("add", units=units)
    assert [bytes(turn.answers[0].outcome.result or b"") for turn in stage.turns[1:]] == [b"6", b"8", b"11"]


def test_the_run_ends_when_its_condition_holds() -> None:
    """Its result is the turn's outcome."""
    stage = started()
    turn = stage.command("close")
    assert (stage.result, turn.finished) == (5, stage.execution.outcome)
    assert stage.types[1:] == ["CommandReceived", "CommandCompleted", "RunCompleted"]


def test_the_run_ends_only_after_its_handlers() -> None:
    """Every command that was accepted is answered first."""
    stage = started()
    stage.command("add_double", id="slow", units=1)
    assert stage.command("close").finished is None
    turn = stage.done(1, 2)
    assert ([answer.command_id for answer in turn.answers], stage.types[-2:]) == (
        ["slow"], ["CommandCompleted", "RunCompleted"],
    )  # fmt: skip


def test_what_is_still_open_is_closed_with_the_run() -> None:
    """Nobody waits for these tasks and timers any more."""

    class Flow(Workflow):
        async def run(self) -> None:
            self.background = [asyncio.create_task(double(1)), asyncio.create_task(asyncio.sleep(60))]
            await double(2)

    stage = Stage(Flow, ALL)
    stage.start()
    turn = stage.done(1, 4)  # the run's own call comes first
    assert (turn.finished is not None, turn.tasks_closed, [row.number for row in turn.timers_cleared]) == (
        True, [1, 2], [3],
    )  # fmt: skip


def test_a_call_order_is_the_numbering() -> None:
    """Tasks and timers share it."""

    class Flow(Workflow):
        async def run(self) -> None:
            await asyncio.gather(double(1), asyncio.sleep(5), note("x"), look_up("k"))

    turn = Stage(Flow, ALL).start()
    assert ([t.task for t in turn.tasks], [t.number for t in turn.timers_set], [c.task for c in turn.local_calls]) == (
        [1, 3], [2], [4],
    )  # fmt: skip


def test_a_local_task_leaves_only_its_outcome() -> None:
    """It is named there, as it has no other record."""

    class Flow(Workflow):
        async def run(self) -> int:
            return await look_up("k") + await look_down("k")

    stage = Stage(Flow, ALL)
    call = stage.start().local_calls[0]
    assert (call.name, bytes(call.input)) == ("look_up", b'{"key":"k"}')
    stage.done(1, 1, local="look_up")
    assert [call.name for call in stage.execution.pending_local_calls()] == ["look_down"]
    assert [call.name for call in stage.replayed().pending_local_calls()] == ["look_down"]
    stage.done(2, 2, local="look_down")
    assert (stage.result, stage.types) == (3, ["RunStarted", "TaskCompleted", "TaskCompleted", "RunCompleted"])


def test_queries_read_the_memory() -> None:
    """And leave no trace."""
    stage = started()
    assert (stage.query("sum", plus=1), stage.types) == (6, ["RunStarted"])


def test_a_query_has_no_part_in_the_runs_random_numbers() -> None:
    """Otherwise asking would change what the code does next, and replay would not know."""

    class Flow(Workflow):
        async def run(self) -> list[str]:
            first = str(self.uuid())
            await double(1)
            return [first, str(self.uuid())]

        @query
        def token(self) -> str:
            return str(self.uuid())

    asked, unasked = Stage(Flow, ALL), Stage(Flow, ALL)
    for stage in (asked, unasked):
        stage.start()
    asked.query("token")
    for stage in (asked, unasked):
        stage.done(1, 1)
    assert asked.result == unasked.result


def test_a_query_that_raises_is_a_bug_of_the_query() -> None:
    """The instance is not touched by it."""
    stage = started()
    with pytest.raises(Bug, match=r"query broken_query of Order/1 raised KeyError"):
        stage.query("broken_query")
    assert stage.execution.broken is None


def test_a_query_may_refuse() -> None:
    """With a declared failure."""
    with pytest.raises(Rejected):
        started().query("refusing_query")


def test_an_unknown_query_is_refused_by_name() -> None:
    """The message lists the ones there are."""
    with pytest.raises(UnknownName, match=r"no query 'total'; it has: broken_query, refusing_query, sum"):
        started().query("total")


def test_a_query_with_wrong_arguments_is_refused() -> None:
    """Like a command."""
    with pytest.raises(InvalidArguments):
        started().query("sum", plus="x")


def test_it_says_what_it_waits_for() -> None:
    """In words, for people."""

    class Flow(Workflow):
        async def run(self) -> None:
            await asyncio.gather(double(1), asyncio.sleep(5), self.until(lambda: False))

    stage = Stage(Flow, ALL)
    stage.start()
    assert stage.execution.waiting_for() == ["task #1 double", "timer #2", "a condition"]


def test_a_failed_attempt_is_recorded_once() -> None:
    """The code does not see it; another attempt number is no news."""

    class Flow(Workflow):
        async def run(self) -> int:
            return await double(1)

    stage = Stage(Flow, ALL)
    stage.start()
    error = stage.execution.task_attempt_failed
    info = ErrorInfo("ValueError", "no")
    assert stage.keep(error(1, 2, info, NOON + 1, NOON)).events == []
    assert len(stage.keep(error(1, 1, info, NOON + 1, NOON)).events) == 1
    assert stage.keep(error(1, 1, info, NOON + 1, NOON)).events == []
    assert len(stage.keep(error(1, 2, info, NOON + 1, NOON)).events) == 1
    stage.done(1, 2)
    assert (stage.result, stage.replayed().outcome) == (2, stage.execution.outcome)


def test_a_wrongly_typed_call_makes_the_instance_stuck_before_anything_is_scheduled() -> None:
    """A mistake of the code does not become a task that can never run."""

    class Flow(Workflow):
        async def run(self) -> None:
            await reserve(5)  # type: ignore[arg-type]  # the mistake under test

    turn = Stage(Flow, ALL).start()
    assert turn.stuck is not None
    assert (turn.stuck.type, turn.tasks) == ("InvalidArguments", [])


def test_a_task_that_is_not_registered_makes_the_instance_stuck() -> None:
    """No worker would ever take it."""

    class Flow(Workflow):
        async def run(self) -> None:
            await double(1)

    turn = Stage(Flow).start()
    assert turn.stuck is not None
    assert "App(tasks=[…])" in turn.stuck.message


def test_input_is_taken_by_position_too() -> None:
    """As the signature does."""
    stage = Stage(Order, ALL)
    stage.keep(stage.execution.start(raw([7]), None, NOON))
    assert stage.query("sum") == 7
