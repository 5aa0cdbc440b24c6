"""asyncio's own primitives are durable as they are: each goes on by recorded facts, live and in replay alike."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Callable
from typing import Any

import pytest

from actors import Workflow, command
from tests.unit.actors.flows import ALL, double, note
from tests.unit.actors.stage import NOON, Stage


def play(cls: type[Workflow], *facts: Callable[[Stage], Any]) -> Stage:
    """Start, take the facts, and see that a replay of the journal arrives where the live instance is."""
    stage = Stage(cls, ALL)
    stage.start()
    for fact in facts:
        fact(stage)
    again = stage.replayed()
    assert (again.state(), again.waiting_for(), again.outcome) == (
        stage.execution.state(), stage.execution.waiting_for(), stage.execution.outcome,
    )  # fmt: skip
    return stage


def done(task: int, result: Any) -> Callable[[Stage], Any]:
    return lambda stage: stage.done(task, result)


def fire(timer: int) -> Callable[[Stage], Any]:
    return lambda stage: stage.fire(timer)


def test_gather_schedules_all_and_keeps_the_order() -> None:
    """Results come in the order of the calls, whoever ended first."""

    class Flow(Workflow):
        async def run(self) -> list[int]:
            return list(await asyncio.gather(double(1), double(2), double(3)))

    stage = play(Flow, done(3, 6), done(1, 2), done(2, 4))
    assert (stage.types[:4], stage.result) == (["RunStarted", *["TaskScheduled"] * 3], [2, 4, 6])


def test_a_task_group_waits_for_its_children() -> None:
    """And goes on when the last one is done."""

    class Flow(Workflow):
        async def run(self) -> int:
            async with asyncio.TaskGroup() as group:
                a, b = group.create_task(double(1)), group.create_task(double(2))
            return a.result() + b.result()

    assert play(Flow, done(2, 4), done(1, 2)).result == 6


def test_wait_gives_the_first_that_is_done() -> None:
    """FIRST_COMPLETED goes on with one, the other stays open."""

    class Flow(Workflow):
        async def run(self) -> int:
            calls = [asyncio.create_task(double(n)) for n in (1, 2)]
            ready, rest = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            assert len(rest) == 1
            return ready.pop().result()

    assert play(Flow, done(2, 4)).result == 4


def test_as_completed_gives_results_as_they_come() -> None:
    """In the order of the journal."""

    class Flow(Workflow):
        async def run(self) -> list[int]:
            calls = [asyncio.create_task(double(n)) for n in (1, 2)]
            return [await each for each in asyncio.as_completed(calls)]

    assert play(Flow, done(2, 4), done(1, 2)).result == [4, 2]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_as_completed_of_coroutines_is_refused() -> None:
    """It starts them in the order of their addresses in memory; the message says what to give it instead."""

    class Flow(Workflow):
        async def run(self) -> list[int]:
            return [await each for each in asyncio.as_completed([double(1), double(2)])]

    turn = Stage(Flow, ALL).start()
    assert turn.stuck is not None
    assert ("create_task" in turn.stuck.message, turn.tasks) == (True, [])
    gc.collect()


class Cancelled(Workflow):
    """Children of a group that end together, each with a clean-up that asks for something."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(12):
                group.create_task(self.child(n))

    async def child(self, n: int) -> None:
        try:
            await double(n)
        finally:
            await note(str(n))


class Waited(Workflow):
    """Tasks in the sets that `wait` gives out."""

    async def run(self) -> list[str]:
        calls = [asyncio.create_task(double(n), name=str(n)) for n in range(12)]
        done, pending = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for call in pending:
            await note(call.get_name())
        return [call.get_name() for call in done]


@pytest.mark.parametrize("cls", [Cancelled, Waited])
def test_sets_of_tasks_have_one_order(cls: type[Workflow]) -> None:
    """Both asyncio and user code go through sets of tasks: every replay must see the same order."""
    journals: list[list[bytes]] = []
    for _ in range(5):
        with Stage(cls, ALL) as stage:
            stage.start()
            stage.fail(1)
            for number in range(13, 25):
                stage.done(number)
            journals.append([event.data for event in stage.journal])
    assert len({tuple(journal) for journal in journals}) == 1


def test_wait_for_gives_the_result_in_time() -> None:
    """And its timer is cleared."""

    class Flow(Workflow):
        async def run(self) -> int:
            return await asyncio.wait_for(double(1), 60)

    stage = play(Flow, lambda stage: stage.done(2, 2))
    assert (stage.result, [row.number for row in stage.turns[1].timers_cleared]) == (2, [1])


def test_wait_for_raises_when_it_takes_too_long() -> None:
    """A durable timeout."""

    class Flow(Workflow):
        async def run(self) -> str:
            try:
                await asyncio.wait_for(double(1), 60)
            except TimeoutError:
                return "late"
            return "in time"

    assert play(Flow, fire(1)).result == "late"


def test_a_timeout_block_ends_what_takes_too_long() -> None:
    """`asyncio.timeout` is a durable timer."""

    class Flow(Workflow):
        async def run(self) -> str:
            try:
                async with asyncio.timeout(30 * 86_400):
                    await double(1)
            except TimeoutError:
                return "late"
            return "in time"

    stage = play(Flow, fire(1))
    assert (stage.result, stage.turns[0].timers_set[0].due) == ("late", NOON + 30 * 86_400)


def test_a_sleep_is_a_timer() -> None:
    """Due at the time of the turn plus its delay."""

    class Flow(Workflow):
        async def run(self) -> str:
            return await asyncio.sleep(3600, "slept")

    stage = play(Flow, fire(1))
    assert (stage.turns[0].timers_set[0].due, stage.result) == (NOON + 3600, "slept")


def test_sleeping_for_no_time_sets_no_timer() -> None:
    """`sleep(0)` only lets others run."""

    class Flow(Workflow):
        async def run(self) -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(-1)

    assert play(Flow).types == ["RunStarted", "RunCompleted"]


def test_an_event_is_set_by_a_command() -> None:
    """`asyncio.Event` joins a command and the run."""

    class Flow(Workflow):
        def __init__(self) -> None:
            self.paid = asyncio.Event()

        async def run(self) -> str:
            await self.paid.wait()
            return "paid"

        @command
        def pay(self) -> None:
            self.paid.set()

    stage = Stage(Flow)
    stage.start()
    stage.command("pay")
    assert (stage.result, stage.types[1:]) == ("paid", ["CommandReceived", "CommandCompleted", "RunCompleted"])


def test_a_lock_lets_one_in_at_a_time() -> None:
    """The second task is scheduled when the first one is done."""

    class Flow(Workflow):
        async def run(self) -> list[int]:
            lock = asyncio.Lock()

            async def locked(n: int) -> int:
                async with lock:
                    return await double(n)

            return list(await asyncio.gather(locked(1), locked(2)))

    stage = play(Flow, done(1, 2), done(2, 4))
    assert stage.types == [
        "RunStarted", "TaskScheduled", "TaskCompleted", "TaskScheduled", "TaskCompleted", "RunCompleted",
    ]  # fmt: skip


def test_a_semaphore_bounds_what_runs_at_once() -> None:
    """Two at a time."""

    class Flow(Workflow):
        async def run(self) -> int:
            places = asyncio.Semaphore(2)

            async def bounded(n: int) -> int:
                async with places:
                    return await double(n)

            return sum(await asyncio.gather(*(bounded(n) for n in range(4))))

    stage = play(Flow, done(2, 1), done(1, 1), done(3, 1), done(4, 1))
    assert ([len(turn.tasks) for turn in stage.turns], stage.result) == ([2, 1, 1, 0, 0], 4)


def test_a_condition_wakes_its_waiters() -> None:
    """`asyncio.Condition` with a predicate."""

    class Flow(Workflow):
        def __init__(self) -> None:
            self.changed, self.count = asyncio.Condition(), 0

        async def run(self) -> int:
            async with self.changed:
                await self.changed.wait_for(lambda: self.count >= 2)
            return self.count

        @command
        async def add(self) -> None:
            async with self.changed:
                self.count += 1
                self.changed.notify_all()

    stage = Stage(Flow)
    stage.start()
    stage.command("add")
    stage.command("add")
    assert (stage.result, stage.replayed().outcome) == (2, stage.execution.outcome)


def test_a_queue_joins_producer_and_consumer() -> None:
    """In order, with back pressure."""

    class Flow(Workflow):
        async def run(self) -> list[int]:
            queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)

            async def produce() -> None:
                for n in range(3):
                    await queue.put(await double(n))

            producer = asyncio.create_task(produce())
            got = [await queue.get() for _ in range(3)]
            await producer
            return got

    assert play(Flow, done(1, 0), done(2, 2), done(3, 4)).result == [0, 2, 4]


def test_a_shielded_call_outlives_its_waiter() -> None:
    """The timeout ends the wait, not the task."""

    class Flow(Workflow):
        async def run(self) -> list[Any]:
            call = asyncio.create_task(double(1))
            try:
                await asyncio.wait_for(asyncio.shield(call), 5)
            except TimeoutError:
                return ["late", await call]
            return []

    stage = play(Flow, lambda stage: stage.fire(timer_of(stage)), lambda s: s.done(task_of(s), 2))
    assert stage.result == ["late", 2]


def timer_of(stage: Stage) -> int:
    return next(iter(stage.execution.ledger.timers))


def task_of(stage: Stage) -> int:
    return next(iter(stage.execution.ledger.tasks))


def test_user_code_may_cancel_its_own_tasks() -> None:
    """Cancellation reaches the awaiting code; the outcome that comes later is recorded and harmless."""

    class Flow(Workflow):
        def __init__(self) -> None:
            self.seen: list[str] = []

        async def run(self) -> int:
            call = asyncio.create_task(self.guarded())
            await double(1)
            call.cancel()
            return await double(3)

        async def guarded(self) -> None:
            try:
                await double(2)
            except asyncio.CancelledError:
                self.seen.append("cancelled")
                raise

    stage = play(Flow, done(1, 2), done(2, 4), done(3, 6))
    assert (stage.execution.state(), stage.result) == ({"seen": ["cancelled"]}, 6)


def test_uncancel_and_nested_timeouts_behave() -> None:
    """The inner timeout is told from the outer one."""

    class Flow(Workflow):
        async def run(self) -> str:
            try:
                async with asyncio.timeout(10):
                    try:
                        async with asyncio.timeout(60):
                            await double(1)
                    except TimeoutError:
                        return "inner"
            except TimeoutError:
                return "outer"
            return "none"

    assert play(Flow, fire(1)).result == "outer"


COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


def test_context_variables_follow_the_code() -> None:
    """A child task sees its parent's value, not the other way round."""

    class Flow(Workflow):
        async def run(self) -> list[str]:
            COLOUR.set("red")
            child = asyncio.create_task(self.child())
            await double(1)
            return [COLOUR.get(), await child]

        async def child(self) -> str:
            before = COLOUR.get()
            COLOUR.set("blue")
            await double(2)
            return f"{before}, {COLOUR.get()}"

    assert play(Flow, done(1, 2), done(2, 4)).result == ["red", "red, blue"]
    assert COLOUR.get() == "none"


def test_task_names_are_the_same_in_every_replay() -> None:
    """The global counter would not be."""

    class Flow(Workflow):
        async def run(self) -> str:
            task = asyncio.create_task(self.child())
            await task
            return task.get_name()

        async def child(self) -> None: ...

    assert "-" not in play(Flow).result


def test_async_generators_end_inside_the_workflow() -> None:
    """One that is left early runs its clean-up on the durable loop, tasks included."""

    class Flow(Workflow):
        async def numbers(self) -> Any:
            try:
                for n in range(5):
                    yield await double(n)
            finally:
                await double(100)

        async def run(self) -> int:
            got = -1
            async for n in self.numbers():
                got = n
                break
            return await double(got)

    stage = play(Flow, lambda s: s.done(1, 0), lambda s: s.done(2, 9), lambda s: s.done(3, 200))
    assert [task.input for turn in stage.turns for task in turn.tasks if b"100" in bytes(task.input)]


def test_until_waits_for_a_condition() -> None:
    """It goes on when a command makes it true, and it still holds then."""

    class Flow(Workflow):
        def __init__(self) -> None:
            self.stock = 0

        async def run(self) -> list[int]:
            return list(await asyncio.gather(self.take(), self.take()))

        async def take(self) -> int:
            await self.until(lambda: self.stock > 0)
            self.stock -= 1
            return self.stock

        @command
        def add(self, units: int) -> None:
            self.stock += units

    stage = Stage(Flow)
    stage.start()
    stage.command("add", units=1)
    assert (stage.execution.state(), stage.execution.waiting_for()) == ({"stock": 0}, ["a condition"])
    stage.command("add", units=1)
    assert (stage.result, stage.replayed().outcome) == ([0, 0], stage.execution.outcome)


def test_until_gives_up_after_its_timeout() -> None:
    """And leaves no condition behind."""

    class Flow(Workflow):
        async def run(self) -> str:
            try:
                await self.until(lambda: False, timeout=60)
            except TimeoutError:
                await double(1)
            return "late"

    stage = play(Flow, fire(1))
    assert stage.execution.waiting_for() == ["task #2 double"]


def test_an_error_in_a_condition_belongs_to_its_waiter() -> None:
    """It can be caught where `until` stands."""

    class Flow(Workflow):
        ready = False

        async def run(self) -> str:
            try:
                await self.until(lambda: self.ready and 1 / 0)
            except ZeroDivisionError:
                return "caught"
            return "held"

        @command
        def go(self) -> None:
            self.ready = True

    stage = Stage(Flow)
    stage.start()
    stage.command("go")
    assert stage.result == "caught"


@pytest.mark.parametrize("delay", [float("inf"), 1e12])
def test_a_timer_beyond_all_calendars_is_refused(delay: float) -> None:
    """It would be stored as null, or not at all."""

    class Flow(Workflow):
        async def run(self) -> None:
            await asyncio.sleep(delay)

    turn = Stage(Flow).start()
    assert turn.stuck is not None
    assert turn.stuck.type == "NotDurable"
