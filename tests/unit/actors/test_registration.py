"""What is written in a way that can't work is said when the app is made, with a name and advice."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from msgspec import Struct

from actors import Actor, App, DefinitionError, UnknownName, Workflow, command, event, query, task
from actors.definition import ActorType


class State(Struct):
    n: int = 0


class Demanding(Struct):
    n: int


class Added(Struct):
    n: int


@task
async def double(n: int) -> int:
    return 2 * n


class Order(Workflow):
    async def run(self) -> None: ...

    @command
    def go(self) -> None: ...


class Counter(Actor):
    state: State

    @command
    def add(self, n: int) -> None:
        self.emit(Added(n))

    @event
    def added(self, e: Added) -> None:
        self.state.n += e.n


def refused(cls: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        App(actors=[cls])
    return str(caught.value)


def test_a_good_app_finds_what_it_was_given() -> None:
    """By name."""
    app = App(actors=[Order, Counter], tasks=[double])
    assert (app.type("Order").cls, app.type("Counter").cls, app.task("double"), app.task_queues) == (
        Order, Counter, double, frozenset({"default"}),
    )  # fmt: skip


def test_local_tasks_need_no_queue() -> None:
    """They run in the node."""

    @task(local=True)
    async def quick() -> None: ...

    assert App(tasks=[quick]).task_queues == frozenset()


def test_unknown_names_list_the_known_ones() -> None:
    """A typing mistake is seen at once."""
    app = App(actors=[Order], tasks=[double])
    with pytest.raises(UnknownName, match=r"'Ordr'; known: Order"):
        app.type("Ordr")
    with pytest.raises(UnknownName, match=r"'doble'; known: double"):
        app.task("doble")
    with pytest.raises(UnknownName, match=r"no command 'stop'; it has: go"):
        app.type("Order").command("stop")


def test_two_of_a_name_are_refused() -> None:
    """Actors and tasks alike."""

    class Other(Workflow, name="Order"):
        async def run(self) -> None: ...

    with pytest.raises(DefinitionError, match="two actor types are named Order"):
        App(actors=[Order, Other])
    with pytest.raises(DefinitionError, match="two tasks are named double"):
        App(tasks=[double, double])


@pytest.mark.parametrize("thing", [Order(), object, int, None, Workflow, Actor])
def test_what_is_no_actor_class_is_refused(thing: Any) -> None:
    """The base classes themselves included."""
    assert "neither an Actor nor a Workflow" in (text := refused(thing)) or "itself can't be registered" in text


def test_an_undecorated_task_is_refused() -> None:
    """The advice is the decorator."""

    async def plain() -> None: ...

    with pytest.raises(DefinitionError, match="@task"):
        App(tasks=[plain])  # type: ignore[list-item]  # the mistake under test


def test_a_name_that_cant_travel_is_refused() -> None:
    """Names are parts of routing keys."""

    class Order(Workflow, name="my.order"):
        async def run(self) -> None: ...

    assert "'my.order' can't name an actor type" in refused(Order)


def test_a_workflow_needs_an_async_run() -> None:
    """Missing and plain alike."""

    class Empty(Workflow, name="Nothing"):
        pass

    class Plain(Workflow):
        def run(self) -> None: ...

    assert "async def run" in refused(Empty)
    assert "async def run" in refused(Plain)


def test_a_workflow_has_no_event_methods() -> None:
    """Its state comes from running it."""

    class Mixed(Workflow):
        async def run(self) -> None: ...

        @event
        def added(self, e: Added) -> None: ...

    assert "@event is for actors" in refused(Mixed)


def test_a_constructor_works_without_arguments() -> None:
    """Nobody is there to give any."""

    class Order(Workflow):
        def __init__(self, store: object) -> None: ...

        async def run(self) -> None: ...

    assert refused(Order) == "Order.__init__ must work without arguments, it wants store"


def test_a_query_is_not_async() -> None:
    """It reads what is in memory."""

    class Order(Workflow):
        async def run(self) -> None: ...

        @query
        async def status(self) -> str:
            await asyncio.sleep(1)
            return ""

    assert "Order.status: a query reads what is in memory" in refused(Order)


class TaskFailed(Struct):
    why: str


def test_an_actors_async_command_is_replayed() -> None:
    """So what a replay can't repeat is refused, and events must not be named like the runtime's own in its stream."""

    class Slow(Counter):
        @command
        async def wait(self) -> None:
            await asyncio.sleep(1)

    class Impure(Counter):
        @command
        async def wait(self) -> float:
            return time.time()

    class Taken(Slow):
        @event
        def task_failed(self, failed: TaskFailed) -> None: ...

    kind = App(actors=[Slow]).type("Slow")
    assert isinstance(kind, ActorType)
    assert kind.is_async
    assert "Impure.wait uses time.time" in refused(Impure)
    assert "rename its event TaskFailed" in refused(Taken)


def test_an_actors_state_is_annotated() -> None:
    """Otherwise nobody can make one."""

    class Bare(Actor):
        pass

    assert "annotate its state" in refused(Bare)


def test_an_actors_state_works_without_arguments() -> None:
    """A fresh actor starts with it."""

    class Hungry(Actor):
        state: Demanding

    assert "Demanding() must work without arguments" in refused(Hungry)


def test_an_event_method_names_its_event() -> None:
    """By the annotation of its one parameter."""

    class Wrong(Counter):
        @event
        def two(self, a: Added, b: Added) -> None: ...

    class Bare(Counter):
        @event
        def bare(self, a) -> None:  # type: ignore[no-untyped-def]  # the mistake under test
            ...

    assert "takes one parameter" in refused(Wrong)
    assert "takes one parameter" in refused(Bare)


def test_an_event_method_is_not_async() -> None:
    """Folding does not wait."""

    class Slow(Counter):
        @event
        async def added(self, e: Added) -> None:  # type: ignore[override]  # the mistake under test
            await asyncio.sleep(1)

    assert "not async" in refused(Slow)


def test_two_methods_for_one_event_are_refused() -> None:
    """Which of them would it be?"""

    class Double(Counter):
        @event
        def again(self, e: Added) -> None: ...

    assert "two @event methods take the same event type" in refused(Double)


def test_an_event_with_a_missing_annotation_is_a_definition_error() -> None:
    """Not a NameError from deep inside."""

    class Lost(Counter):
        @event
        def lost(self, e: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821 - the mistake under test
            ...

    assert "'Missing' can't be found" in refused(Lost)


def test_handlers_are_inherited_and_overridden_without_repeating_the_mark() -> None:
    """The mark belongs to the name."""

    class Child(Order):
        def go(self) -> None: ...

    handler = App(actors=[Child]).type("Child").command("go")
    assert handler.function is Child.go


def test_only_functions_can_be_marked() -> None:
    """A property or a static method has no `self` to work on."""
    with pytest.raises(DefinitionError, match="@command is for plain methods"):
        command(staticmethod(print))
    with pytest.raises(DefinitionError, match="@query is for plain methods"):
        query(property(print))  # type: ignore[type-var]  # the mistake under test
