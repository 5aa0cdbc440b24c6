"""The code whose histories are kept. It is changed only as running instances bear it: see the README."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct

from actors import (
    Actor,
    App,
    ChildFailed,
    ChildTimedOut,
    Failure,
    PromiseFailed,
    Rejected,
    Renamed,
    Retired,
    Retry,
    TaskError,
    Upcast,
    UpcastInput,
    Workflow,
    command,
    event,
    query,
    task,
)
from runtime.schedules import ScheduleWorkflow


class OutOfStock(Failure):
    """Declared by `reserve`."""


class Weather:
    """What the tasks find; a story changes it."""

    attempts = 0


@task
async def double(n: int) -> int:
    return 2 * n


@task(raises=(OutOfStock,))
async def reserve(sku: str) -> str:
    raise OutOfStock(f"no {sku}", {"sku": sku})


@task(retry=Retry(max_attempts=3, first_delay=1, jitter=0))
async def flaky(n: int) -> int:
    Weather.attempts += 1
    if Weather.attempts < 3:
        raise OSError("not now")
    return n


@task(retry=Retry(max_attempts=1))
async def flaky_once(n: int) -> int:
    Weather.attempts += 1
    if Weather.attempts < 2:
        raise OSError("not now")
    return n


@task(retry=Retry(max_attempts=1))
async def hopeless() -> None:
    raise ValueError("never")


@task(local=True)
async def look_up(key: str) -> int:
    return len(key)


@task(local=True, retry=Retry(max_attempts=2, first_delay=0.1, jitter=0))
async def search(key: str) -> int:
    raise OSError(f"no {key}")


class Tasks(Workflow):
    """Results, failures declared and not, attempts, several at once, local ones."""

    async def run(self, sku: str) -> list[Any]:
        first = await double(1)
        both = list(await asyncio.gather(double(2), look_up(sku)))
        try:
            await reserve(sku)
        except OutOfStock as error:
            both.append(len(error.details["sku"]))
        try:
            await hopeless()
        except TaskError as error:
            return [first, *both, await flaky(7), error.type]
        return []


class Insisting(Workflow):
    """Fails until somebody has it try again."""

    async def run(self) -> list[int]:
        beside = asyncio.ensure_future(double(2))
        async with asyncio.timeout(30):
            return [await flaky_once(3), await beside]


class Waits(Workflow):
    """Timers that fire and timers that are given up, conditions, asyncio's own primitives, time and chance."""

    def __init__(self) -> None:
        self.born = self.now()
        self.drawn = [self.random.randrange(100), str(self.uuid())]
        self.events: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> list[Any]:
        try:
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        except TimeoutError:
            self.log.info("late")
        async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
            slow = group.create_task(self.slow())
            got = await self.events.get()
        await asyncio.sleep(0.5)
        return [slow.result(), got, *self.drawn, (self.now() - self.born).total_seconds()]

    async def slow(self) -> int:
        await asyncio.sleep(1)
        return await double(4)

    @command
    async def put(self, text: str) -> int:
        await self.events.put(text)
        return self.events.qsize()


class Handled(Workflow):
    """Commands of all sorts: at once, waiting, refused, with the run's end waiting for them."""

    def __init__(self) -> None:
        self.total = 0

    async def run(self, start: int = 0) -> int:
        self.total = start
        await self.until(lambda: self.total >= 100)
        return self.total

    @command
    def add(self, n: int) -> int:
        if n < 0:
            raise Rejected("below 0", {"n": n})
        self.total += n
        return self.total

    @command
    async def add_double(self, n: int) -> int:
        self.total += await double(n)
        await asyncio.sleep(5)
        return self.total

    @query
    def sum(self) -> int:
        return self.total


class Child(Workflow):
    async def run(self, how: str) -> str:
        if how == "fail":
            raise Rejected("as asked")
        if how == "wait":
            await self.until(lambda: False)
        return how


class Parent(Workflow):
    """Children that complete, fail, are cancelled, and are left behind."""

    async def run(self) -> list[str]:
        handle = self.start_child(Child, f"{self.id}-waits", "wait")
        self.start_child(Child, f"{self.id}-left", "wait", on_close="abandon")
        ends = [await self.execute(Child, f"{self.id}-good", "good")]
        try:
            await self.execute(Child, f"{self.id}-bad", "fail")
        except ChildFailed as error:
            ends.append(error.type)
        handle.cancel("enough")
        ends += [type(end).__name__ for end in await asyncio.gather(handle, return_exceptions=True)]
        return ends


class Hurried(Workflow):
    """Gives a child less time than it needs."""

    async def run(self) -> str:
        try:
            return await self.execute(Child, f"{self.id}-waits", "wait", run_timeout=5)
        except ChildTimedOut as late:
            return type(late).__name__


class Holding(Workflow):
    """Waits for a child that waits."""

    async def run(self) -> str:
        return await self.execute(Child, f"{self.id}-held", "wait")


class Bookable(Workflow):
    """Is cancelled, cleans up, or is terminated."""

    async def run(self) -> str:
        try:
            await self.until(lambda: False)
        finally:
            await double(9)
        return "unreachable"


class Living(Workflow):
    """Starts over, with a command that comes meanwhile."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def run(self, left: int, before: int = 0) -> int:
        await self.until(lambda: self.seen)
        total = before + sum(self.seen)
        if left:
            self.continue_as_new(left - 1, total)
        return total

    @command
    def see(self, n: int) -> int:
        self.seen.append(n)
        return n


class Mapped(Workflow):
    """A task for each of many items, all at once and then a few at a time."""

    async def run(self, count: int) -> list[int]:
        return [*await self.map(double, range(count)), *await self.map(double, range(count), at_most=2)]


class Changing(Workflow):
    """Took a patch on its way, and had values recorded. Histories of before the patch are here, too."""

    def __init__(self) -> None:
        self.steps = 0

    async def run(self) -> list[Any]:
        found: list[Any] = []
        for n in (1, 2, 3):
            await self.until(partial(self.has_stepped, n))
            if self.patched("twice"):
                found.append(await look_up("patched"))
            found.append(await look_up(str(n)))
        return [*found, self.record(lambda: {"limit": 3})]

    def has_stepped(self, times: int) -> bool:
        return self.steps >= times

    @command
    def step(self) -> int:
        self.steps += 1
        return self.steps


class ChangingBefore(Workflow, name="Changing"):
    """What `Changing` was."""

    def __init__(self) -> None:
        self.steps = 0

    async def run(self) -> list[Any]:
        found: list[Any] = []
        for n in (1, 2, 3):
            await self.until(partial(self.has_stepped, n))
            found.append(await look_up(str(n)))
        return [*found, self.record(lambda: {"limit": 3})]

    def has_stepped(self, times: int) -> bool:
        return self.steps >= times

    @command
    def step(self) -> int:
        self.steps += 1
        return self.steps


class VersionedV1(Workflow, name="Versioned", version=1):
    upcasters: ClassVar[Any] = (UpcastInput("run", 1, lambda old: {"numbers": [old["n"]]}),)

    async def run(self, numbers: list[int]) -> int:
        return sum([await double(n) for n in numbers])


class VersionedBefore(Workflow, name="Versioned", version=1):
    """What `VersionedV1` was."""

    async def run(self, n: int) -> int:
        return await double(n)


class Versioned(Workflow, version=2):
    async def run(self, numbers: list[int]) -> int:
        return sum([await look_up(str(n)) for n in numbers])


class Mended(Workflow):
    """Made a mistake once, and was parked once."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def run(self) -> list[str]:
        await double(1)
        await self.until(lambda: len(self.said) >= 2)
        return self.said

    @command
    def say(self, text: str) -> int:
        self.said.append(text)
        return len(self.said)


class Mistaken(Mended, name="Mended"):
    """What `Mended` was."""

    async def run(self) -> list[str]:
        await double(1)
        raise KeyError("a mistake")


class Found(Workflow):
    async def run(self, customer: str) -> str:
        self.set_search_attributes(customer=customer, total=5)
        await double(1)
        self.set_search_attributes(total=None)
        return customer


class Promised(Workflow):
    """Waits for values that somebody outside gives."""

    async def run(self) -> list[Any]:
        found: list[Any] = [await self.promise("price", int)]
        try:
            await self.promise("address", str)
        except PromiseFailed as error:
            found.append(error.type)
        return found


class Moved(Struct):
    cents: int


class Balance(Struct):
    cents: int = 0


class Account(Actor):
    """Its events had another form once, and another name; it tells another actor."""

    state: Balance
    upcasters: ClassVar[Any] = (
        Upcast(Moved, 1, lambda old: {"cents": old["euros"] * 100}),
        Renamed("Paid", Moved),
        Retired("Looked"),
    )

    @command
    def move(self, cents: int) -> int:
        if self.state.cents + cents < 0:
            raise Rejected("insufficient funds")
        self.emit(Moved(cents))
        self.tell(Book, "all").write(f"{self.id} {cents:+}")
        return self.state.cents

    @event
    def moved(self, e: Moved) -> None:
        self.state.cents += e.cents


class Paid(Struct):
    euros: int


class Looked(Struct):
    pass


class Euros(Struct):
    euros: int = 0


class AccountBefore(Actor, name="Account"):
    """What `Account` was."""

    state: Euros

    @command
    def move(self, euros: int) -> int:
        self.emit(Looked())
        self.emit(Paid(euros))
        return self.state.euros

    @event
    def paid(self, e: Paid) -> None:
        self.state.euros += e.euros

    @event
    def looked(self, e: Looked) -> None: ...


class Written(Struct):
    line: str


class Lines(Struct):
    lines: list[str] = []


class Repaired(Struct):
    what: str
    hours: int


class Work(Struct):
    hours: int = 0


class Desk(Actor):
    """Its commands wait, and one another's turn."""

    state: Work

    @command
    async def mend(self, what: str) -> int:
        hours = await double(len(what))
        self.emit(Repaired(what, hours))
        await asyncio.sleep(10)
        self.tell(Book, "desk").write(what)
        if what == "hopeless":
            raise Rejected("can't be mended")
        return self.state.hours

    @command
    def count(self) -> int:
        return self.state.hours

    @event
    def repaired(self, e: Repaired) -> None:
        self.state.hours += e.hours


class Book(Actor):
    state: Lines

    @command
    def write(self, line: str) -> None:
        self.emit(Written(line))

    @event
    def written(self, e: Written) -> None:
        self.state.lines.append(e.line)


class Listener(Workflow):
    """Is given commands by others."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def run(self) -> list[str]:
        await self.until(lambda: len(self.lines) >= 2)
        return self.lines

    @command
    def hear(self, line: str) -> int:
        self.lines.append(line)
        return len(self.lines)


class Speaker(Workflow):
    """Calls a workflow, and tells it something."""

    async def run(self) -> int:
        heard: int = await self.actor(Listener, self.id).hear("one")
        self.tell(Listener, self.id).hear("two")
        await double(heard)
        return heard


class Turning(Workflow):
    """Begins anew while a command is under way, in a newer version."""

    def __init__(self) -> None:
        self.turn = False

    async def run(self, left: int) -> int:
        await self.until(lambda: self.turn)
        return self.continue_as_new(left - 1)

    @command
    async def turn_round(self, seconds: float) -> None:
        self.turn = True
        await asyncio.sleep(seconds)


class TurningV2(Turning, name="Turning", version=2):
    async def run(self, left: int) -> int:
        await self.until(lambda: left == 0 and self.turn)
        return left


class Missing(Workflow):
    """A local task fails for good, after several attempts."""

    async def run(self) -> str:
        try:
            await search("key")
        except TaskError as error:
            return error.type
        return "found"


class Transfer(Workflow):
    """Gives other actors commands, and hears of them."""

    async def run(self) -> list[str]:
        ends = [str(await self.actor(Account, "ann").move(500))]
        try:
            await self.actor(Account, "ann").move(-900)
        except Failure as error:
            ends.append(type(error).__name__)
        self.tell(Book, "all").write("done")
        return ends


class Reminded(Workflow):
    """Each of its runs tells another actor, in order."""

    async def run(self, times: int) -> str:
        self.tell(Book, "reminders").write(f"{times} to go")
        if times > 1:
            self.continue_as_new(times - 1)
        return "done"


TASKS: list[Any] = [double, reserve, flaky, hopeless, look_up, search, flaky_once]
NOW: list[Any] = [
    Tasks, Waits, Handled, Child, Parent, Hurried, Bookable, Living, Mapped, Changing, VersionedV1, Versioned, Mended, Found, Promised,
    Account, Book, Transfer, Desk, ScheduleWorkflow, Reminded, Listener, Speaker, Turning, TurningV2, Missing, Holding,
    Insisting,
]  # fmt: skip
BEFORE: list[Any] = [ChangingBefore, VersionedBefore, Mistaken, AccountBefore, Turning]

app = App(actors=NOW, tasks=TASKS)
before = App(actors=BEFORE, tasks=TASKS)  # the release before that
without = App(actors=[Tasks], tasks=TASKS)  # a node that knows none of the others
