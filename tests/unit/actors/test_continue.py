"""`continue_as_new`: a run ends, and another one begins in its stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import Actor, App, Bug, DefinitionError, Nondeterminism, Workflow, command, query
from actors.codec import plain_decoder, plain_encode
from actors.continuation import MOST_RUNS, KeptRun, last_run
from actors.definition import WorkflowType
from actors.errors import UnknownType
from actors.execution import Execution
from actors.journal import decode_event
from actors.ledger import Ledger
from actors.turn import Turn
from tests.unit.actors.flows import ALL, double, look_up
from tests.unit.actors.stage import Stage, kind_of


class Counting(Workflow):
    """Each run does one task, waits for a command, and starts over until it has enough."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def run(self, total: int = 0) -> int:
        total += await double(total)
        await self.until(lambda: self.said)
        if "stop" in self.said:
            return total
        return self.continue_as_new(total)

    @command
    def say(self, what: str) -> str:
        self.said.append(what)
        return what

    @command
    async def say_doubled(self, n: int) -> str:
        self.said.append(str(n))
        return str(await double(n))

    @command(carry_over=True)
    async def listen(self) -> list[str]:
        await self.until(lambda: "stop" in self.said)
        return self.said

    @query
    def heard(self) -> list[str]:
        return self.said


Reload = Callable[[Stage], None]


def from_the_last_run(stage: Stage) -> Execution:
    """What a node does: run the code of the last run only."""
    kept, before = last_run(stage.journal)
    execution = stage.fresh()
    execution.replay(stage.journal[before:], kept)
    return execution


@pytest.fixture(params=["live", "replayed", "last run"])
def again(request: pytest.FixtureRequest) -> Reload:
    """Go on with the live instance, with one replayed from the first event, or with one whose last run alone was."""

    def go_on(stage: Stage) -> None:
        if request.param == "replayed":
            stage.reload()
        elif request.param == "last run":
            stage.execution.dispose()
            stage.execution = from_the_last_run(stage)

    return go_on


def answers(turn: Turn) -> dict[str, Any]:
    return {answer.command_id: bytes(answer.outcome.result or b"failed").decode() for answer in turn.answers}


def test_a_run_ends_and_the_next_one_begins_in_the_same_turn(again: Reload) -> None:
    """One event is both; operations count on, for their numbers are idempotency keys; the object is fresh."""
    with Stage(Counting, ALL) as stage:
        stage.start(total=1)
        stage.done(1, 2)
        turn = stage.command("say", "a", what="go")
        assert [record.type for record in turn.events] == [
            "CommandReceived", "CommandCompleted", "RunContinued", "TaskScheduled",
        ]  # fmt: skip
        assert turn.finished is None
        assert [task.task for task in turn.tasks] == [2]
        again(stage)
        assert stage.query("heard") == []
        stage.done(2, 10)
        again(stage)
        stage.command("say", "b", what="stop")
        assert stage.result == 13
        assert stage.types.count("RunStarted") == 1
        stage.replayed()


def test_commands_blocking_continue_as_new(again: Reload) -> None:
    """A handler that is under way ends in the run that began it; what comes meanwhile is still that run's."""
    with Stage(Counting, ALL) as stage:
        stage.start(total=1)
        stage.command("say_doubled", "a", n=4)
        stage.done(1, 1)
        again(stage)
        assert "RunContinued" not in stage.types
        stage.command("say", "b", what="go")
        again(stage)
        assert stage.query("heard") == ["4", "go"]
        turn = stage.done(2, 8)
        assert answers(turn) == {"a": '"8"'}
        assert [record.type for record in turn.events][1:] == ["CommandCompleted", "RunContinued", "TaskScheduled"]
        assert stage.execution.ledger.commands == {}
        stage.replayed()


def test_commands_not_blocking_continue_as_new(again: Reload) -> None:
    """One that may be carried over is begun again by each new run, and answered once."""
    with Stage(Counting, ALL) as stage:
        stage.start(total=1)
        stage.command("listen", "a")
        stage.done(1, 1)
        for number in range(3):
            turn = stage.command("say", f"go {number}", what="go")
            assert "RunContinued" in [record.type for record in turn.events]
            again(stage)
            stage.done(number + 2, 1)
            again(stage)
        assert answers(stage.command("say", "b", what="stop")) == {"a": '["stop"]', "b": '"stop"'}
        assert stage.types.count("CommandReceived") == 5
        stage.replayed()


class Leaving(Workflow):
    """Leaves one of everything open."""

    def __init__(self) -> None:
        self.go = False

    async def run(self, again: bool) -> list[str]:
        if again:
            self.left = [asyncio.create_task(each) for each in (double(1), look_up("x"), asyncio.sleep(60))]
            await self.until(lambda: self.go)
            self.log.info("starts over")
            self.continue_as_new(again=False)
        ids = [str(self.uuid()), str(self.random.random())]
        await look_up("y")
        return ids

    @command
    def start_over(self) -> None:
        self.go = True


def test_what_a_run_leaves_open_ends_with_it(again: Reload) -> None:
    """Tasks are closed, timers cleared, and outcomes that still come are nobody's, by the numbers of former runs."""
    with Stage(Leaving, ALL) as stage:
        stage.start(again=True)
        again(stage)
        turn = stage.command("start_over")
        assert turn.tasks_closed == [1]
        assert [row.number for row in turn.timers_cleared] == [3]
        assert [(call.task, call.name) for call in turn.local_calls] == [(4, "look_up")]
        assert [line.event for line in turn.logs] == ["starts over"]
        again(stage)
        assert [call.task for call in stage.execution.pending_local_calls()] == [4]
        for late in (stage.done(1), stage.fail(1), stage.done(2, local="look_up"), stage.fire(3)):
            assert late.events == []
        stage.done(4, 1, local="look_up")
        stage.replayed()


def test_each_run_draws_other_ids(again: Reload) -> None:
    """The same in every replay."""

    class Drawing(Workflow):
        async def run(self, ids: list[str]) -> list[str]:
            ids = [*ids, str(self.uuid())]
            await look_up("x")
            if len(ids) == 3:
                return ids
            return self.continue_as_new(ids)

    with Stage(Drawing, ALL) as stage:
        stage.start(ids=[])
        for number in (1, 2, 3):
            again(stage)
            stage.done(number, 1, local="look_up")
        assert len(set(stage.result)) == 3
        stage.replayed()


class Endless(Workflow):
    async def run(self) -> None:
        self.continue_as_new()


class Mended(Workflow, name="Endless"):
    async def run(self) -> None:
        await double(1)


def test_runs_that_never_wait_are_a_mistake() -> None:
    """The instance is stuck, and goes on with code that waits: former runs are over, whatever they did."""
    with Stage(Endless, ALL) as stage:
        assert stage.start().stuck is not None
        assert stage.types == ["RunStarted", *["RunContinued"] * (MOST_RUNS + 1), "Stuck"]
        with pytest.raises(Bug, match="without ever waiting"):
            stage.reload()
        with pytest.raises(Nondeterminism, match="asks for TaskScheduled"):
            stage.replayed(Mended, ALL)
        stage.kind = kind_of(Mended, ALL)
        stage.execution = from_the_last_run(stage)
        turn = stage.keep(stage.execution.resume(stage.now))
        assert [record.type for record in turn.events] == ["Resumed", "TaskScheduled"]


class Clumsy(Workflow, name="Clumsy"):
    """Its second run has a mistake."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def run(self, run: int = 1) -> list[str]:
        if run == 2:
            raise ZeroDivisionError
        await self.until(lambda: self.said)
        return self.continue_as_new(run + 1)

    @command
    def say(self, what: str) -> str:
        self.said.append(what)
        return what


class Mindful(Clumsy, name="Clumsy"):
    async def run(self, run: int = 1) -> list[str]:
        await self.until(lambda: len(self.said) > run - 1)
        if run == 2:
            return self.said
        return self.continue_as_new(run + 1)


def test_a_mistake_at_the_beginning_of_a_new_run(again: Reload) -> None:
    """The turn has both: the run that began, and that it is stuck. Mended, it goes on, with the commands that came meanwhile."""
    with Stage(Clumsy) as stage:
        stage.start()
        assert stage.command("say", "a", what="x").stuck is not None
        stage.command("say", "b", what="y")
        stage.command("say", "c", what="z")
        assert stage.types[2:] == ["CommandCompleted", "RunContinued", "Stuck", "CommandReceived", "CommandReceived"]
        stage.kind = kind_of(Mindful, ())
        stage.reload()
        turn = stage.keep(stage.execution.resume(stage.now))
        assert answers(turn) == {"b": '"y"', "c": '"z"'}
        again(stage)
        assert stage.result == ["y", "z"]
        stage.replayed()


def test_commands_that_came_after_the_decision_of_a_stuck_instance_are_the_new_run_s(again: Reload) -> None:
    """What the mended code decides ends the run at once; later commands were received, and nobody has begun them."""

    class Wrong(Clumsy, name="Clumsy"):
        async def run(self, run: int = 1) -> list[str]:
            await self.until(lambda: self.said)
            raise ZeroDivisionError

    with Stage(Wrong) as stage:
        stage.start()
        for id in "abc":
            stage.command("say", id, what=id)
        assert stage.types.count("CommandReceived") == 3
        stage.kind = kind_of(Mindful, ())
        stage.reload()
        turn = stage.keep(stage.execution.resume(stage.now))
        assert [record.type for record in turn.events] == [
            "Resumed", "CommandCompleted", "RunContinued", "CommandCompleted", "CommandCompleted", "RunCompleted",
        ]  # fmt: skip
        assert answers(turn) == {id: f'"{id}"' for id in "abc"}
        again(stage)
        assert stage.result == ["b", "c"]
        stage.replayed()


def test_code_that_does_not_start_over_where_the_journal_says_so() -> None:
    """In the last run it is found. A former run is over, and a node does not ask today's code about it."""

    class Changed(Counting, name="Counting"):
        async def run(self, total: int = 0) -> int:
            if not total:
                await asyncio.sleep(1)
            total += await double(total)
            await self.until(lambda: self.said)
            return total

    with Stage(Counting, ALL) as stage:
        stage.start()
        stage.done(1, 1)
        stage.command("say", what="go")
        stage.kind = kind_of(Changed, ALL)
        with pytest.raises(Nondeterminism, match="at version 2"):
            stage.replayed(Changed, ALL)
        assert from_the_last_run(stage).waiting_for() == ["task #2 double"]
        stage.kind = kind_of(Counting, ALL)
        stage.done(2, 1)
        stage.command("say", what="go")
        del stage.journal[-2:]
        stage.kind = kind_of(Changed, ALL)
        with pytest.raises(Nondeterminism, match="RunCompleted"):
            from_the_last_run(stage)


def test_it_is_for_run_only() -> None:
    """In a handler or a part of a group it is a mistake, which says so."""

    class Handler(Workflow):
        async def run(self) -> None:
            await self.until(lambda: False)

        @command
        def start_over(self) -> None:
            self.continue_as_new()

    class Group(Workflow):
        async def run(self) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.part())

        async def part(self) -> None:
            self.continue_as_new()

    with Stage(Handler) as stage:
        stage.start()
        stuck = stage.command("start_over").stuck
        assert stuck is not None
        assert "call it there" in stuck.message
    with Stage(Group) as stage:
        assert stage.start().stuck is not None


def test_clean_up_runs_and_nothing_swallows_it() -> None:
    """`finally` and `async with` do their work, also what waits; `except Exception` does not see it."""

    class Tidy(Workflow):
        async def run(self, run: int = 1) -> int:
            if run == 2:
                return run
            try:
                try:
                    self.continue_as_new(2)
                except Exception:  # noqa: BLE001 - what users write
                    return 0
            finally:
                await double(1)

    with Stage(Tidy, ALL) as stage:
        stage.start()
        assert stage.types == ["RunStarted", "TaskScheduled"]
        stage.done(1, 1)
        assert stage.result == 2
        stage.replayed()


def test_arguments_that_do_not_fit_are_a_mistake() -> None:
    """As where a child is started: the code is stuck, not the next run."""

    class Misfit(Workflow):
        async def run(self, n: int) -> None:
            self.continue_as_new("many")  # type: ignore[arg-type]  # the mistake, which types show, too

    with Stage(Misfit) as stage:
        turn = stage.start(n=1)
        assert turn.stuck is not None
        assert turn.stuck.type == "InvalidArguments"
        assert stage.types == ["RunStarted", "Stuck"]


def test_a_thousand_runs_cost_what_the_last_one_does() -> None:
    """An activation runs the code of the last run; what is remembered does not grow."""
    made: list[int] = []

    class Many(Workflow):
        def __init__(self) -> None:
            made.append(1)

        async def run(self, n: int = 0) -> int:
            await look_up("x")
            if n == 1000:
                return n
            return self.continue_as_new(n + 1)

    with Stage(Many, ALL) as stage:
        stage.start()
        for number in range(1, 1001):
            stage.done(number, 1, local="look_up")
        made.clear()
        execution = from_the_last_run(stage)
        assert len(made) == 1
        ledger = execution.ledger
        assert (ledger.version, ledger.run, ledger.before) == (len(stage.journal), 1001, 1000)
        assert not ledger.ended
        assert not ledger.tasks
        assert not ledger.commands
        stage.done(1001, 1, local="look_up")
        assert stage.result == 1000
        stage.replayed()


def test_looking_at_each_step() -> None:
    """The state after the event is that of the new run."""
    with Stage(Counting, ALL) as stage:
        stage.start(total=1)
        stage.done(1, 2)
        stage.command("say", "a", what="go")
        execution = stage.fresh()
        seen = [(type(event).__name__, execution.state()) for event in execution.steps(stage.journal)]
        assert [state["said"] for _, state in seen[-3:]] == [["go"], [], []]
        assert execution.waiting_for() == ["task #2 double"]


def test_an_actor_s_command_can_t_be_carried_over() -> None:
    """There is no run that it could be carried to."""

    class Shelf(Actor):
        state: dict[str, int]

        @command(carry_over=True)
        def put(self) -> None: ...

    with pytest.raises(DefinitionError, match="carry_over"):
        App(actors=[Shelf])


class Patching(Workflow):
    async def run(self, run: int = 1) -> int:
        await double(run)
        self.continue_as_new(run + 1)


class Patched(Workflow, name="Patching"):
    async def run(self, run: int = 1) -> int:
        if self.patched("look first"):
            await look_up("x")
        await double(run)
        return self.continue_as_new(run + 1)


def test_each_run_takes_a_patch_or_not(again: Reload) -> None:
    """The run that passed the place without it goes on so; the next one takes it, and says so in its own events."""
    with Stage(Patching, ALL) as stage:
        stage.start()
        stage.kind = kind_of(Patched, ALL)
        stage.reload()
        stage.done(1, 1)
        again(stage)
        stage.done(2, 1, local="look_up")
        again(stage)
        stage.done(3, 1)
        again(stage)
        assert stage.types == [
            "RunStarted", "TaskScheduled", "TaskCompleted", "RunContinued",
            "Patched", "TaskCompleted", "TaskScheduled", "TaskCompleted", "RunContinued", "Patched",
        ]  # fmt: skip
        stage.replayed()


class Calm(Workflow):
    """Starts over by command; one that is asked to cancel says in which run that was."""

    def __init__(self) -> None:
        self.go = False

    async def run(self, run: int = 1) -> str:
        try:
            await self.until(lambda: self.go)
        except asyncio.CancelledError:
            if run == 3:
                self.continue_as_new(run + 1)
            return f"cancelled in run {run}"
        return self.continue_as_new(run + 1)

    @command
    async def start_over(self, slowly: bool = False) -> None:
        self.go = True
        if slowly:
            await double(1)


def test_a_request_to_cancel_is_the_run_s_that_hears_of_it(again: Reload) -> None:
    """Of the next one, where the old one waits only for its handlers, which are cancelled, too."""
    with Stage(Calm, ALL) as stage:
        stage.start()
        stage.command("start_over")
        stage.command("start_over", "a", slowly=True)
        again(stage)
        turn = stage.keep(stage.execution.cancel("c1", "enough", stage.now))
        assert [record.type for record in turn.events] == [
            "CancelRequested", "CommandFailed", "RunContinued", "RunContinued",
        ]  # fmt: skip
        again(stage)
        assert stage.execution.ledger.cancel is None, (
            "the third run has heard of it, and went on: it may be asked again"
        )
        stage.keep(stage.execution.cancel("c2", "enough", stage.now))
        again(stage)
        assert stage.result == "cancelled in run 4"
        stage.replayed()


def test_a_request_to_cancel_a_stuck_run_that_has_ended_is_the_next_one_s(again: Reload) -> None:
    """Its mended code had asked for a new run before."""

    class Crashing(Calm, name="Calm"):
        @command
        async def start_over(self, slowly: bool = False) -> None:
            raise ZeroDivisionError

    with Stage(Crashing, ALL) as stage:
        stage.start()
        stage.command("start_over")
        stage.keep(stage.execution.cancel("c1", "enough", stage.now))
        stage.kind = kind_of(Calm, ALL)
        stage.reload()
        stage.keep(stage.execution.resume(stage.now))
        again(stage)
        assert stage.result == "cancelled in run 2"
        stage.replayed()


class Second(Counting, name="Counting", version=2):
    async def run(self, total: int = 0) -> int:
        return total + await double(1000)


class Third(Counting, name="Counting", version=3):
    async def run(self, name: str) -> int:  # type: ignore[override]  # takes other arguments than its forerunners
        return len(name)


def test_a_new_run_goes_to_the_newest_version_that_takes_its_arguments(again: Reload) -> None:
    """The former one keeps to its own."""
    kind = App(actors=[Counting, Second, Third], tasks=ALL).type("Counting")
    assert isinstance(kind, WorkflowType)
    with Stage(Counting, ALL) as stage:
        stage.start(total=1)
        stage.kind = kind
        stage.reload()
        assert stage.execution.kind.version == 1
        stage.done(1, 2)
        stage.command("say", "a", what="go")
        again(stage)
        assert stage.execution.kind.version == 2
        stage.done(2, 2000)
        assert stage.result == 2003
        stage.replayed()


def test_a_new_run_of_a_version_that_is_not_here_is_parked() -> None:
    """It goes on where there is that code."""
    kind = App(actors=[Counting, Second], tasks=ALL).type("Counting")
    assert isinstance(kind, WorkflowType)
    with Stage(Counting, ALL) as stage:
        stage.start(total=1)
        stage.kind = kind
        stage.reload()
        stage.done(1, 2)
        stage.command("say", "a", what="go")
        stage.kind = kind_of(Counting, ALL)
        with pytest.raises(UnknownType, match="version 2"):
            stage.replayed()
        with pytest.raises(UnknownType, match="version 2"):
            from_the_last_run(stage)
        stage.kind = kind
        assert from_the_last_run(stage).waiting_for() == ["task #2 double"]


def test_a_kept_run_has_all_that_the_events_before_it_say(again: Reload) -> None:
    """Fold and snapshot are the same ledger, field by field."""

    class Full(Workflow):
        def __init__(self) -> None:
            self.go = False

        async def run(self, run: int = 1) -> None:
            self.set_search_attributes(run=run)
            self.start_child("Full", "x", on_close="abandon")
            await self.until(lambda: self.go)
            self.continue_as_new(run + 1)

        @command
        def start_over(self) -> None:
            self.go = True

        @command(carry_over=True)
        async def wait(self) -> None:
            await self.until(lambda: False)

    with Stage(Full, ALL) as stage:
        stage.start()
        stage.command("wait")
        for _ in range(3):
            stage.command("start_over")
            again(stage)
        kept, before = last_run(stage.journal)
        assert kept is not None
        kept = plain_decoder(KeptRun)(plain_encode(kept))
        folded = Ledger()
        for event in stage.journal[:before]:
            decoded = decode_event(event.type, event.data)
            assert decoded is not None
            folded.apply(decoded)
        begun: Ledger = kept.ledger()
        for name in set(Ledger.__slots__) - {"commands"}:
            assert getattr(begun, name) == getattr(folded, name), name
        assert [t.received for t in begun.commands.values()] == [t.received for t in folded.commands.values()]
        stage.replayed()
