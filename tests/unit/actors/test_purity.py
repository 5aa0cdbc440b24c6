"""What a replay can't repeat is found in the code when the app is made, and nothing else is."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import random as chance
import secrets
import threading
import time
import time as clock
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import wraps
from time import monotonic
from time import time as seconds
from typing import Any
from uuid import uuid4

import pytest

from actors import App, DefinitionError, Workflow, command, query, task

now_of_day = datetime.now


class Calendar(date):
    """A subclass that does not change what `today` does."""


class Ledger(date):
    """A subclass with a `today` of its own."""

    @classmethod
    def today(cls) -> Ledger:
        return cls(2026, 1, 1)


def flow(body: Callable[[Any], Any]) -> type[Workflow]:
    """Make a workflow whose run has this body."""

    class Flow(Workflow):
        async def run(self) -> None: ...

        helper = body

        @query
        def ask(self) -> None:
            self.helper()

    return Flow


def refusal(cls: type[Workflow]) -> str:
    with pytest.raises(DefinitionError) as caught:
        App(actors=[cls])
    return str(caught.value)


OFFENCES: list[tuple[Callable[[Any], Any], str, str]] = [
    (lambda _: time.time(), "time.time", "self.now()"),
    (lambda _: clock.time(), "clock.time", "self.now()"),
    (lambda _: seconds(), "seconds", "self.now()"),
    (lambda _: monotonic(), "monotonic", "self.now()"),
    (lambda _: time.perf_counter(), "time.perf_counter", "self.now()"),
    (lambda _: time.sleep(1), "time.sleep", "asyncio.sleep"),
    (lambda _: datetime.now(UTC), "datetime.now", "self.now()"),
    (lambda _: datetime.utcnow(), "datetime.utcnow", "self.now()"),  # noqa: DTZ003 - the mistake under test
    (lambda _: dt.datetime.now(UTC), "dt.datetime.now", "self.now()"),
    (lambda _: date.today(), "date.today", "self.now()"),  # noqa: DTZ011 - the mistake under test
    (lambda _: datetime.today(), "datetime.today", "self.now()"),  # noqa: DTZ002 - the mistake under test
    (lambda _: Calendar.today(), "Calendar.today", "self.now()"),
    (lambda _: now_of_day(UTC), "now_of_day", "self.now()"),
    (lambda _: random.random(), "random.random", "self.random"),
    (lambda _: chance.choice([1, 2]), "chance.choice", "self.random"),
    (lambda _: uuid.uuid4(), "uuid.uuid4", "self.uuid()"),
    (lambda _: uuid4(), "uuid4", "self.uuid()"),
    (lambda _: uuid.uuid1(), "uuid.uuid1", "self.uuid()"),
    (lambda _: os.urandom(8), "os.urandom", "self.random"),
    (lambda _: secrets.token_hex(), "secrets.token_hex", "@task"),
    (lambda _: threading.Thread(target=print), "threading.Thread", "asyncio"),
    (lambda _: open("x"), "open", "@task"),  # noqa: PTH123, SIM115 - the mistake under test
    (lambda _: input(), "input", "@task"),
    (lambda _: [seconds() for n in range(2)], "seconds", "self.now()"),
    (lambda _: sorted([1], key=lambda n: n * random.random()), "random.random", "self.random"),
    (lambda _: {n: uuid4() for n in (1, 2)}, "uuid4", "self.uuid()"),
]


@pytest.mark.parametrize(("body", "path", "instead"), OFFENCES, ids=[f"{n}-{row[1]}" for n, row in enumerate(OFFENCES)])
def test_an_offender_is_found_however_it_is_reached(body: Callable[[Any], Any], path: str, instead: str) -> None:
    """By module, by alias, inside lambdas and comprehensions, through a helper; with advice."""
    text = refusal(flow(body))
    assert text.startswith(f"Flow.helper uses {path} (line {body.__code__.co_firstlineno} of {__file__})")
    assert instead in text


def harmless(self: Any) -> Any:
    """Uses names that look like offenders and are none."""
    time = {"time": 1}
    shared = threading.current_thread
    return (
        time["time"], self.now(), self.random.random(), self.uuid(), datetime.fromtimestamp(5, UTC), Ledger.today(),
        date(2026, 1, 1), random.Random(5).random(), uuid.UUID(int=5), uuid.uuid5(uuid.NAMESPACE_URL, "x"), os.sep,
        self.time.time(), self.open(), time.get("sleep"), clock.strftime("%Y", (2026,) * 9), shared, asyncio.sleep,
    )  # fmt: skip


def test_what_only_looks_like_an_offender_is_left_alone() -> None:
    """Names decide nothing; what they lead to does."""
    App(actors=[flow(harmless)])


def test_a_variable_of_an_enclosing_function_is_followed() -> None:
    """And one that is shadowed in between is not."""
    reader = time.time

    def open_(self: Any) -> float:
        return reader()

    def shadowed(self: Any) -> float:
        def inner(reader: Callable[[], float]) -> Callable[[], float]:
            return lambda: reader() + 1

        return inner(lambda: 1.0)()

    assert "Flow.helper uses reader" in refusal(flow(open_))
    App(actors=[flow(shadowed)])


def test_run_commands_queries_and_the_constructor_are_read() -> None:
    """Each is named."""

    class Run(Workflow):
        async def run(self) -> None:
            await asyncio.sleep(time.time())

    class Command(Workflow):
        async def run(self) -> None: ...

        @command
        async def go(self) -> None:
            async def inner() -> None:
                time.sleep(1)  # noqa: ASYNC251 - the mistake under test

            await inner()

    class Query(Workflow):
        async def run(self) -> None: ...

        @query
        def ask(self) -> float:
            return self.age

        @property
        def age(self) -> float:
            return time.time()

    class Made(Workflow):
        def __init__(self) -> None:
            self.at = time.time()

        async def run(self) -> None: ...

    found = [refusal(cls).split(" (")[0] for cls in (Run, Command, Query, Made)]
    assert found == [
        "Run.run uses time.time", "Command.go uses time.sleep", "Query.age uses time.time",
        "Made.__init__ uses time.time",
    ]  # fmt: skip


def test_a_base_class_is_read_too() -> None:
    """Inherited code runs like any other."""

    class Base(Workflow):
        async def run(self) -> None:
            self.stamp()

        def stamp(self) -> float:
            return time.time()

    class Child(Base):
        pass

    assert refusal(Child).startswith("Child.stamp uses time.time")


def test_methods_that_no_workflow_code_names_are_left_alone() -> None:
    """A class may offer its callers what the workflow itself must not use, and hold tasks."""

    class Flow(Workflow):
        async def run(self) -> None:
            await self.stamp()

        @staticmethod
        def fresh_id() -> str:
            return str(uuid4())

        @staticmethod
        @task
        async def stamp() -> float:
            return time.time()

    App(actors=[Flow])


def test_a_decorated_method_is_read_beneath_its_decorator() -> None:
    """The decorator's own code is not the workflow's."""

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        async def wrapper(*args: Any) -> Any:
            time.perf_counter()
            return await method(*args)

        return wrapper

    class Good(Workflow):
        @timed
        async def run(self) -> None: ...

    class Bad(Workflow):
        @timed
        async def run(self) -> None:
            time.time()

    App(actors=[Good])
    assert refusal(Bad).startswith("Bad.run uses time.time")


def test_a_name_that_is_not_there_yet_is_left_alone() -> None:
    """A variable that is filled later may be anything."""

    def body(self: Any) -> Any:
        return later()

    cls = flow(body)
    App(actors=[cls])

    def later() -> float:
        return 1.0


def test_a_very_long_method_is_read_to_its_end() -> None:
    """Hundreds of names make the bytecode use wide arguments."""
    lines = "\n".join(f"    self.name_{n}" for n in range(400))
    scope: dict[str, Any] = {"time": time}
    exec(f"def body(self):\n{lines}\n    return time.monotonic_ns()\n", scope)
    assert "uses time.monotonic_ns (line 402" in refusal(flow(scope["body"]))
