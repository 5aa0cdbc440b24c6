"""Several versions of one workflow class: who was started with one goes on with it; new ones get the newest."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from actors import Actor, App, DefinitionError, Nondeterminism, UnknownType, UpcastInput, Workflow, command, query
from actors.definition import WorkflowType
from actors.execution import Execution
from actors.journal import ErrorInfo
from tests.unit.actors.flows import ALL, double, note
from tests.unit.actors.stage import NOON, Recorded, Stage, kind_of, raw


class OrderV1(Workflow, name="Order", version=1):
    """Doubles."""

    async def run(self, n: int) -> int:
        return await double(n)

    @query
    def generation(self) -> str:
        return "first"

    @command
    def old(self) -> None: ...


class Order(Workflow, version=2):
    """Notes, then doubles; takes another sort of input."""

    async def run(self, text: str) -> int:
        await note(text)
        return await double(len(text))

    @query
    def generation(self) -> str:
        return "second"


class OrderV3(Order, name="Order", version=3):
    """The newest."""


class Parent(Workflow):
    async def run(self, by_name: bool) -> Any:
        order: Any = "Order" if by_name else OrderV1
        return await self.execute(order, "child", text="hello")


def with_all(*classes: type[Workflow]) -> WorkflowType:
    kind = App(actors=classes, tasks=ALL).type("Order")
    assert isinstance(kind, WorkflowType)
    return kind


def both(stage: Stage, kind: WorkflowType) -> Execution:
    """Replay a stage's journal by an app with several versions."""
    execution = stage.fresh(kind)
    execution.replay(stage.journal)
    return execution


def test_new_starts_go_to_the_newest() -> None:
    """Whatever the order of registration."""
    for classes in ((OrderV1, Order, OrderV3), (OrderV3, Order, OrderV1)):
        kind = with_all(*classes)
        assert (kind.cls, kind.version, sorted(kind.versions)) == (OrderV3, 3, [1, 2, 3])


def test_the_first_event_names_the_version() -> None:
    """But for the first one, which has nothing to say: journals of before classes had versions are of version 1."""
    old, new = Stage(OrderV1, ALL), Stage(Order, ALL)
    old.start(n=1)
    new.start(text="x")
    assert ("type_version" in json.loads(old.journal[0].data), json.loads(new.journal[0].data)["type_version"]) == (
        False, 2,
    )  # fmt: skip


def test_an_old_and_a_new_instance_run_side_by_side() -> None:
    """Each with its own code, its own queries and commands."""
    old, new = Stage(OrderV1, ALL), Stage(Order, ALL)
    old.start(n=4)
    new.start(text="four")
    kind = with_all(OrderV1, Order)
    old.execution, new.execution = both(old, kind), both(new, kind)
    assert (old.query("generation"), new.query("generation")) == ("first", "second")
    assert (old.execution.kind.cls, set(old.execution.kind.commands)) == (OrderV1, {"old"})
    old.done(1, 8)
    new.done(1)
    new.done(2, 8)
    assert (old.result, new.result) == (8, 8)


def test_an_instance_of_a_version_that_is_gone_is_parked() -> None:
    """It says what it was started with and what there is; nothing of other code is applied."""
    stage = Stage(OrderV1, ALL)
    stage.start(n=4)
    execution = stage.fresh(with_all(Order, OrderV3))
    with pytest.raises(UnknownType) as caught:
        execution.replay(stage.journal)
    assert isinstance(caught.value, Nondeterminism)
    assert (caught.value.recorded, caught.value.wanted) == ("a run of version 1 of Order", "has version 2, 3 only")
    assert (execution.parked, execution.version, execution.state()) == (True, 2, {})
    turn = execution.stick()
    assert turn.stuck is not None
    assert (turn.stuck.type, [event.type for event in turn.events]) == ("UnknownType", ["Stuck"])


def parked() -> Stage:
    stage = Stage(OrderV1, ALL)
    stage.start(n=4)
    stage.execution = stage.fresh(with_all(Order))
    with pytest.raises(UnknownType):
        stage.execution.replay(stage.journal)
    stage.keep(stage.execution.stick())
    return stage


def test_a_parked_instance_goes_on_when_its_code_is_back() -> None:
    """What came meanwhile is handled then."""
    stage = parked()
    stage.done(1, 8)
    stage.execution = both(stage, with_all(OrderV1, Order))
    stage.keep(stage.execution.resume(stage.now))
    assert (stage.types[-4:], stage.result) == (["Stuck", "TaskCompleted", "Resumed", "RunCompleted"], 8)
    assert both(stage, with_all(OrderV1, Order)).outcome == stage.execution.outcome


@pytest.mark.parametrize(
    ("name", "input", "outcome"),
    [("old", {}, None), ("older", {}, "UnknownName"), ("old", {"n": 1}, "InvalidArguments")],
)
def test_a_command_to_a_parked_instance_is_kept_and_judged_later(
    name: str, input: dict[str, Any], outcome: str | None
) -> None:
    """Nobody could check it when it came; one that does not fit fails then, and leaves the instance alone."""
    stage = parked()
    stage.command(name, id="c", **input)
    stage.execution = both(stage, with_all(OrderV1, Order))
    stage.keep(stage.execution.resume(stage.now))
    stage.done(1, 8)
    replayed = both(stage, with_all(OrderV1, Order))
    for execution in (stage.execution, replayed):
        taken = execution.ledger.commands["c"].outcome
        assert taken is not None
        assert (None if taken.error is None else taken.error.type) == outcome
        assert execution.outcome is not None


def test_a_type_that_is_gone_parks_its_instances_too() -> None:
    """The app says what it knows."""
    stage = Stage(OrderV1, ALL)
    stage.start(n=4)
    absent = App(actors=[Parent]).type_or_absent("Order")
    assert isinstance(absent, WorkflowType)
    execution = stage.fresh(absent)
    with pytest.raises(UnknownType, match=r"knows no such type \(known: Parent\)"):
        execution.replay(stage.journal)
    assert (execution.parked, execution.ledger.start is not None) == (True, True)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_parent_names_the_type_only(by_name: bool) -> None:
    """Which version its child gets is the business of the node that starts it."""
    app = App(actors=[Parent, OrderV1, Order], tasks=ALL)
    kind = app.type("Parent")
    assert isinstance(kind, WorkflowType)
    execution = Execution(kind, "Parent/1")
    turn = execution.start(raw({"by_name": by_name}), None, NOON)
    assert turn.children is not None
    assert (turn.children[0].stream, json.loads(bytes(turn.children[0].input))) == ("Order/child", {"text": "hello"})
    execution.dispose()


class State(Struct):
    """Of an actor."""


def test_two_classes_of_one_version_are_refused() -> None:
    """Also a workflow and an actor of one name, whatever the version."""

    class Other(Workflow, name="Order", version=2):
        async def run(self) -> None: ...

    class Entity(Actor, name="Order"):
        state: State

    for one in (Other, Entity):
        with pytest.raises(DefinitionError, match="two actor types are named Order"):
            App(actors=[Order, one], tasks=ALL)


@pytest.mark.parametrize("version", [0, -1, True, "2", 1.0, 2**31])
def test_a_version_is_a_whole_number(version: Any) -> None:
    """From 1."""

    class Odd(Workflow, version=version):
        async def run(self) -> None: ...

    with pytest.raises(DefinitionError, match="version must be a whole number from 1"):
        kind_of(Odd)


def test_facts_of_a_parked_instance_are_told_from_repetition() -> None:
    """Its journal knows them, with no code at all."""
    stage = parked()
    stage.done(1, 8)
    again = stage.execution.task_failed(1, ErrorInfo("ValueError", "late"), 1, stage.now)
    assert (again.events, isinstance(stage.journal[-1], Recorded)) == ([], True)


def test_the_upcasters_of_the_version_it_was_started_with_read_its_start() -> None:
    """The newest version's are for its own instances."""

    class Upcasting(Workflow, name="Order", version=1):
        upcasters: ClassVar[Any] = (UpcastInput("run", 1, lambda old: {"number": old["n"]}),)

        async def run(self, number: int) -> int:
            return await double(number)

    stage = Stage(OrderV1, ALL)
    stage.start(n=4)
    stage.execution = both(stage, with_all(Upcasting, Order))
    stage.done(1, 8)
    assert stage.result == 8
