"""A paused instance records what comes, and its code hears of it when somebody lets it go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actors import Nondeterminism, Rejected, Task, TaskError, Workflow, command, query, validator
from actors.journal import ErrorInfo
from actors.turn import Turn
from tests.unit.actors.flows import ALL, double, look_up, note
from tests.unit.actors.stage import Stage, kind_of

Make = Callable[..., "Paused"]


class Order(Workflow):
    """Awaits a task, then a word or a minute."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def run(self) -> list[str]:
        self.seen.append(str(await double(1)))
        try:
            await self.until(lambda: "go" in self.seen, timeout=60)
        except TimeoutError:
            self.seen.append("late")
        return self.seen

    @command
    async def say(self, word: str) -> int:
        if word == "note":
            await note(word)
        self.seen.append(word)
        return len(self.seen)

    @validator(say)
    def can_say(self, word: str) -> None:
        if word in self.seen:
            raise Rejected(f"{word} was said")

    @query
    def words(self) -> list[str]:
        return self.seen


class Paused(Stage):
    """A stage with the two requests; with `restless` each turn is followed by a reload, as after a crash."""

    restless = False

    def pause(self, id: str = "p") -> Turn:
        return self.keep(self.execution.pause(id, "the bank is down", "ann"))

    def unpause(self, id: str = "u") -> Turn:
        return self.keep(self.execution.unpause(id, "it is up", "ann", self.now))

    def keep(self, turn: Turn) -> Turn:
        super().keep(turn)
        if self.restless and self.execution.broken is None:
            self.reload_same()
        return turn


@pytest.fixture(params=["awake", "reloaded after each turn"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a stage that lives on, or one whose instance is loaded anew after each turn."""

    def make(cls: type[Workflow] = Order, tasks: Sequence[Task[..., Any]] = ALL) -> Paused:
        stage = Paused(cls, tasks)
        stage.restless = request.param != "awake"
        return stage

    return make


def test_facts_are_recorded_and_the_code_hears_of_none(make: Make) -> None:
    """Its state stands still, and nothing is decided, however much comes."""
    with make() as stage:
        stage.start()
        stage.pause()
        stage.done(1, 2)
        stage.command("say", word="go")
        assert stage.query("words") == []
        assert stage.types == ["RunStarted", "TaskScheduled", "Paused", "TaskCompleted", "CommandReceived"]
        assert stage.execution.outcome is None


def test_it_hears_of_all_in_one_turn_when_it_goes_on(make: Make) -> None:
    """In the order in which it came, and a pending command keeps the run from ending before it is handled."""
    with make() as stage:
        stage.start()
        stage.pause()
        stage.done(1, 2)
        for word in ("go", "note"):
            stage.command("say", id=word, word=word)
        turn = stage.unpause()
        assert [event.type for event in turn.events] == ["Unpaused", "CommandCompleted", "TaskScheduled"]
        stage.done(3)
        assert stage.types[-2:] == ["CommandCompleted", "RunCompleted"]
        assert stage.result == ["2", "go"]
        assert stage.replayed().outcome is not None


def test_its_time_is_that_of_going_on(make: Make) -> None:
    """What its code asks for then is due from then on: a minute's patience does not begin in the past."""
    with make() as stage:
        stage.start()
        stage.pause()
        stage.done(1, 2)
        stage.now += 3600
        assert [row.due - stage.now for row in stage.unpause().timers_set] == [60]


def test_a_timer_fires_meanwhile_and_once(make: Make) -> None:
    """Its row goes at once; what was there first has come first when the code hears of it."""
    with make() as stage:
        stage.start()
        stage.done(1, 2)
        stage.pause()
        assert [row.number for row in stage.fire(2).timers_cleared] == [2]
        assert stage.fire(2).events == []
        stage.command("say", word="go")
        stage.unpause()
        assert stage.result == ["2", "late"]


def test_a_second_request_of_either_sort_finds_nothing_to_do(make: Make) -> None:
    """Paused once, and let go once."""
    with make() as stage:
        stage.start()
        assert stage.unpause().events == []
        stage.pause()
        assert stage.pause("p2").events == []
        stage.unpause()
        assert stage.unpause("u2").events == []
        assert stage.execution.ledger.corrections == {"p": "pause", "u": "resume"}


def test_who_did_it_and_why_is_in_the_journal(make: Make) -> None:
    """With the request's id."""
    with make() as stage:
        stage.start()
        stage.pause()
        stage.unpause()
        assert [json.loads(event.data) for event in stage.journal[-2:]] == [
            {"id": "p", "reason": "the bank is down", "by": "ann"}, {"id": "u", "reason": "it is up", "by": "ann"},
        ]  # fmt: skip


def test_commands_are_judged_when_the_code_hears_of_them(make: Make) -> None:
    """By the state that they meet: of two that exclude each other one is refused."""
    with make() as stage:
        stage.start()
        stage.done(1, 2)
        stage.pause()
        for id in ("a", "b"):
            stage.command("say", id=id, word="hello")
        turn = stage.unpause()
        ends = {answer.command_id: answer.outcome.error for answer in turn.answers}
        assert ends["a"] is None
        assert ends["b"] is not None
        assert (ends["b"].type, ends["b"].message) == ("Rejected", "hello was said")


def test_it_is_cancelled_when_it_goes_on_and_ended_at_once_when_it_is_terminated(make: Make) -> None:
    """A request to cancel is for the code; a termination is not."""
    with make() as stage:
        stage.start()
        stage.pause()
        stage.keep(stage.execution.cancel("c", "enough", stage.now))
        assert stage.execution.outcome is None
        stage.unpause()
        assert stage.error.type == "RunCancelled"
    with make() as stage:
        stage.start()
        stage.pause()
        stage.done(1, 2)
        stage.keep(stage.execution.terminate("t", "enough"))
        assert stage.error.type == "RunTerminated"
        assert stage.replayed().outcome is not None
        assert stage.unpause().events == []


def test_a_task_that_fails_meanwhile_fails_when_it_goes_on(make: Make) -> None:
    """Attempts go on being counted, too."""

    class Flow(Workflow):
        async def run(self) -> str:
            try:
                return str(await double(1))
            except TaskError:
                return "failed"

    with make(Flow) as stage:
        stage.start()
        stage.pause()
        stage.keep(stage.execution.task_attempt_failed(1, 1, ErrorInfo("E", "no"), stage.now + 5, stage.now))
        assert stage.execution.ledger.tasks[1].attempt == 2
        stage.fail(1)
        assert stage.fail(1).events == []
        stage.unpause()
        assert stage.result == "failed"


def test_a_local_task_goes_on_and_does_not_run_again_when_it_has_ended(make: Make) -> None:
    """Only what has no outcome is run again by a new owner."""

    class Flow(Workflow):
        async def run(self) -> list[int]:
            return list(await asyncio.gather(look_up("a"), look_up("b")))

    with make(Flow) as stage:
        stage.start()
        stage.pause()
        stage.done(1, 10, local="look_up")
        stage.reload_same()
        assert [call.task for call in stage.execution.pending_local_calls()] == [2]
        stage.done(2, 20, local="look_up")
        stage.unpause()
        assert stage.result == [10, 20]


def test_what_the_code_gives_up_when_it_hears_of_it_is_closed(make: Make) -> None:
    """A timer that came first makes a task unwanted; the timer of a wait that is over goes, too."""

    class Flow(Workflow):
        async def run(self) -> str:
            try:
                async with asyncio.timeout(60):
                    await double(1)
            except TimeoutError:
                pass
            await asyncio.sleep(5)
            return "done"

    with make(Flow) as stage:
        stage.start()
        stage.pause()
        stage.fire(1)
        turn = stage.unpause()
        assert (turn.tasks_closed, [row.number for row in turn.timers_set]) == ([2], [3])
        stage.fire(3)
        assert stage.result == "done"


def test_it_starts_over_when_it_goes_on(make: Make) -> None:
    """A new run takes over the commands that are pending, and the stream remembers who paused it in the run before."""

    class Flow(Workflow):
        def __init__(self) -> None:
            self.words: list[str] = []

        async def run(self, round: int = 0) -> list[str]:
            await double(round)
            if round == 0:
                self.continue_as_new(1)
            await self.until(lambda: self.words)
            return self.words

        @command(carry_over=True)
        async def say(self, word: str) -> None:
            await note(word)
            self.words.append(word)

    with make(Flow) as stage:
        stage.start()
        stage.pause()
        stage.done(1, 2)
        stage.command("say", word="x")
        stage.unpause()
        assert stage.types[-5:] == [
            "CommandReceived", "Unpaused", "RunContinued", "TaskScheduled", "TaskScheduled",
        ]  # fmt: skip
        assert stage.execution.ledger.corrections == {"p": "pause", "u": "resume"}


class Buggy(Workflow, name="Order"):
    async def run(self) -> int:
        await double(1)
        raise ValueError("a mistake")


class Fixed(Workflow, name="Order"):
    async def run(self) -> int:
        n = self.record(lambda: 5, int) + await double(1)
        await note("fixed")
        return n


class Mended(Workflow, name="Order"):
    async def run(self) -> int:
        n = await double(1)
        if self.patched("more"):
            n += self.record(lambda: 5, int)
        await note("fixed")
        return n


def test_a_stuck_instance_that_is_paused_is_not_tried_again() -> None:
    """Mended code goes on with it when somebody lets it, and gives what it owed before the pause and since."""
    with Paused(Buggy, ALL) as stage:
        stage.start()
        stage.done(1, 2)
        stage.pause()
        stage.reload(Mended, ALL)
        assert stage.execution.resume(stage.now).events == []
        stage.keep(stage.execution.cancel("c", "", stage.now))
        stage.reload(Mended, ALL)
        turn = stage.unpause()
        assert [event.type for event in turn.events] == [
            "Unpaused", "Resumed", "Patched", "ValueRecorded", "TaskScheduled", "RunCancelled",
        ]  # fmt: skip
        assert turn.resumed
        stage.reload(Mended, ALL)


def test_a_mistake_is_met_when_it_goes_on() -> None:
    """It is stuck from there, and loses nothing of what came meanwhile."""
    with Paused(Buggy, ALL) as stage:
        stage.start()
        stage.pause()
        stage.done(1, 2)
        turn = stage.unpause()
        assert ([event.type for event in turn.events], turn.stuck is not None) == (["Unpaused", "Stuck"], True)
        stage.reload(Mended, ALL)
        stage.keep(stage.execution.resume(stage.now))
        stage.done(3)
        assert stage.result == 7
        stage.reload(Mended, ALL)


def test_code_that_went_another_way_meanwhile_is_stuck_when_it_is_let_go() -> None:
    """The journal says so while it is paused; it goes on after both, whichever comes last."""
    with Paused(Buggy, ALL) as stage:
        stage.start()
        stage.pause()
        stage.done(1, 2)
        stage.execution.dispose()
        broken = stage.fresh(kind_of(Fixed, ALL))
        with pytest.raises(Nondeterminism, match="ValueRecorded"):
            broken.replay(stage.journal)
        stage.execution = broken
        stage.keep(broken.stick())
        turn = stage.unpause()
        assert turn.stuck is not None
        assert stage.types[-2:] == ["Stuck", "Unpaused"]
        stage.reload(Mended, ALL)
        stage.keep(stage.execution.resume(stage.now))
        assert stage.types[-4:] == ["Resumed", "Patched", "ValueRecorded", "TaskScheduled"]
        stage.done(3)
        assert stage.result == 7
        stage.reload(Mended, ALL)
