"""A workflow starts another one and awaits its result: decisions, facts, replay, failures, mistakes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Struct

from actors import App, Bug, ChildFailed, DefinitionError, Nondeterminism, Workflow
from actors.definition import WorkflowType
from actors.journal import ErrorInfo
from actors.turn import Outcome, Turn
from tests.unit.actors.stage import Stage, raw


class Parcel(Struct):
    tracking: str


class Ship(Workflow):
    async def run(self, item: str, count: int = 1) -> Parcel:
        return Parcel(f"{item} x {count}")


class Stranger(Workflow):
    async def run(self) -> None: ...


class Parent(Workflow):
    async def run(self, plan: str) -> Any:  # noqa: C901 - a table of short stories
        match plan:
            case "one":
                parcel = await self.execute(Ship, "17", "tea", count=2)
                assert isinstance(parcel, Parcel)
                return parcel.tracking
            case "by name":
                return (await self.execute("Ship", "17", "tea")).tracking
            case "many":
                parcels = await asyncio.gather(*(self.execute(Ship, f"{n}", "tea", n) for n in range(3)))
                return [parcel.tracking for parcel in parcels]
            case "patient":
                try:
                    async with asyncio.timeout(60):
                        await self.execute(Ship, "17", "tea")
                except TimeoutError:
                    await asyncio.sleep(60)
                    return "did not wait"
            case "caught":
                try:
                    await self.execute(Ship, "17", "tea")
                except ChildFailed as failed:
                    return [failed.child, failed.type, str(failed), failed.details]
            case "unknown":
                await self.execute(Stranger, "17")
            case "bad arguments":
                await self.execute(Ship, "17", item=3)  # type: ignore[call-overload]  # the mistake
            case "bad id":
                await self.execute(Ship, "a/b", "tea")
            case "left":
                self.left = asyncio.create_task(self.execute(Ship, "17", "tea"))
                await asyncio.sleep(0)
                return "gone"
        raise AssertionError


APP = App(actors=[Parent, Ship])


class Family(Stage):
    """A stage whose workflow has others beside it."""

    def __init__(self, cls: type[Workflow] = Parent, plan: str = "one") -> None:
        super().__init__(cls)
        self.kind = kind_in(App(actors=[cls, Ship]), cls)
        self.execution = self.fresh()
        self.first = self.start(plan=plan)

    def ended(self, child: int, result: Any = None, error: ErrorInfo | None = None, stream: str = "Ship/17") -> Turn:
        outcome = Outcome(error=error) if error else Outcome(raw(result))
        return self.keep(self.execution.child_ended(child, stream, outcome, self.now))


def kind_in(app: App, cls: type[Workflow]) -> WorkflowType:
    kind = app.type(cls.type_name)
    assert isinstance(kind, WorkflowType)
    return kind


@pytest.fixture(params=["live", "replayed"])
def again(request: pytest.FixtureRequest) -> Any:
    """Go on with the live instance, or with one that was replayed."""

    def go_on(stage: Stage) -> None:
        if request.param == "replayed":
            stage.execution.dispose()
            stage.execution = stage.fresh()
            stage.execution.replay(stage.journal)

    return go_on


@pytest.mark.parametrize(("plan", "result"), [("one", "tea x 2"), ("by name", "tea x 2")])
def test_a_child_is_a_decision_and_its_result_a_fact(plan: str, result: str, again: Any) -> None:
    """Typed by the child's own signature both ways; the row of its message is closed by its number."""
    with Family(plan=plan) as stage:
        (child,) = stage.first.children or []
        arguments = {"item": "tea"} | ({"count": 2} if plan == "one" else {})
        assert (child.child, child.stream, json.loads(bytes(child.input))) == (1, "Ship/17", arguments)
        again(stage)
        assert stage.execution.waiting_for() == ["child #1 Ship/17"]
        assert stage.ended(1, {"tracking": result}).tasks_closed == [1]
        assert stage.types == ["RunStarted", "ChildStarted", "ChildCompleted", "RunCompleted"]
        assert stage.result == result
        stage.replayed()


def test_children_side_by_side_keep_their_numbers(again: Any) -> None:
    """`gather` works as with tasks, whatever the order in which they end."""
    with Family(plan="many") as stage:
        for number in (3, 1, 2):
            stage.ended(number, {"tracking": f"{number}"}, stream=f"Ship/{number - 1}")
            again(stage)
        assert stage.result == ["1", "2", "3"]


def test_only_the_first_outcome_of_the_right_child_is_taken(again: Any) -> None:
    """Not another instance's, not one that was not asked for, not a second one."""
    with Family(plan="many") as stage:
        assert stage.ended(1, {"tracking": "x"}, stream="Ship/1").events == []
        assert stage.ended(9, {"tracking": "x"}).events == []
        stage.ended(1, {"tracking": "first"}, stream="Ship/0")
        again(stage)
        assert stage.ended(1, {"tracking": "second"}, stream="Ship/0").events == []


def test_a_child_s_failure_is_declared(again: Any) -> None:
    """With the type, message and details of the child's; what is not caught fails the parent with that type."""
    error = ErrorInfo("OutOfStock", "none left", raw({"left": 0}))
    with Family(plan="caught") as stage:
        again(stage)
        stage.ended(1, error=error)
        assert stage.result == ["Ship/17", "OutOfStock", "child Ship/17 failed: OutOfStock: none left", {"left": 0}]
    with Family(plan="one") as stage:
        again(stage)
        stage.ended(1, error=error)
        assert stage.types[-2:] == ["ChildFailed", "RunFailed"]
        assert (stage.error.type, stage.error.details_value()) == ("OutOfStock", {"left": 0})


def test_the_child_goes_on_when_the_waiting_ends(again: Any) -> None:
    """Its late end is recorded, as a fact that nobody waits for."""
    with Family(plan="patient") as stage:
        stage.fire(1)
        again(stage)
        assert stage.execution.waiting_for() == ["timer #3"]
        assert stage.ended(2, {"tracking": "late"}).tasks_closed == [2]
        stage.fire(3)
        assert stage.result == "did not wait"
        stage.replayed()


def test_an_end_with_an_open_child_does_not_take_it_back(again: Any) -> None:
    """It is started all the same, and stays open in the ledger; its outcome is no event any more."""
    with Family(plan="left") as stage:
        assert stage.types == ["RunStarted", "ChildStarted", "RunCompleted"]
        assert (len(stage.first.children or []), stage.first.tasks_closed) == (1, [])
        again(stage)
        assert list(stage.execution.ledger.children) == [1]
        assert stage.ended(1, {"tracking": "late"}).events == []


@pytest.mark.parametrize(
    ("plan", "type_", "words"),
    [
        ("unknown", "DefinitionError", "workflow Stranger is not registered: name its class in App(actors=[…])"),
        ("bad arguments", "InvalidArguments", "Ship.run(item, count)"),
        ("bad id", "InvalidId", "it holds a slash"),
    ],
)
def test_a_call_that_can_t_work_is_a_mistake(plan: str, type_: str, words: str) -> None:
    """The parent waits as stuck for better code; no child is asked for."""
    with Family(plan=plan) as stage:
        assert stage.first.stuck is not None
        assert stage.first.stuck.type == type_
        assert words in stage.first.stuck.message
        assert stage.first.children is None


def test_a_class_that_only_shares_a_name_is_another() -> None:
    """What runs must be the class that was named."""

    class Impostor(Workflow, name="Ship"):
        async def run(self, item: str) -> str:
            return item

    with pytest.raises(DefinitionError, match="workflow Ship is not registered"):
        kind_in(APP, Parent).sibling(Impostor)


def test_a_stuck_parent_records_the_outcome_and_goes_on_later() -> None:
    """The fact is kept without decisions; mended code finds it there."""

    class Broken(Workflow, name="Parent"):
        async def run(self, plan: str) -> str:
            parcels = await asyncio.gather(*(self.execute(Ship, f"{n}", "tea", n) for n in range(2)))
            raise ZeroDivisionError(parcels[0].tracking)

    class Mended(Workflow, name="Parent"):
        async def run(self, plan: str) -> list[str]:
            parcels = await asyncio.gather(*(self.execute(Ship, f"{n}", "tea", n) for n in range(2)))
            return [parcel.tracking for parcel in parcels]

    with Family(Broken) as stage:
        stage.ended(1, {"tracking": "a"}, stream="Ship/0")
        assert stage.ended(2, {"tracking": "b"}, stream="Ship/1").stuck is not None
        mended = stage.fresh(kind_in(App(actors=[Mended, Ship]), Mended))
        mended.replay(stage.journal)
        stage.execution = mended
        stage.keep(mended.resume(stage.now))
        assert stage.types[-3:] == ["Stuck", "Resumed", "RunCompleted"]
        assert stage.result == ["a", "b"]


def test_an_outcome_that_comes_while_stuck_is_recorded() -> None:
    """And the code gets it when it goes on."""

    class Broken(Workflow, name="Parent"):
        async def run(self, plan: str) -> str:
            await self.execute(Stranger, "1")
            return ""

    with Family(plan="one") as stage:
        stage.execution.dispose()
        stage.execution = stage.fresh(kind_in(App(actors=[Broken, Ship]), Broken))
        with pytest.raises(Bug, match="Stranger"):
            stage.execution.replay(stage.journal)
        stage.keep(stage.execution.stick())
        stage.ended(1, {"tracking": "meanwhile"})
        stage.execution = stage.fresh()
        stage.execution.replay(stage.journal)
        stage.keep(stage.execution.resume(stage.now))
        assert stage.types[-4:] == ["Stuck", "ChildCompleted", "Resumed", "RunCompleted"]
        assert stage.result == "meanwhile"


@pytest.mark.parametrize(
    ("workflow", "id", "wanted"),
    [("Ship", "18", "ChildStarted(#1 Ship/18)"), ("Parent", "17", "ChildStarted(#1 Parent/17)")],
)
def test_another_child_than_the_recorded_one_is_a_difference(workflow: str, id: str, wanted: str) -> None:
    """By type and by id; arguments may change with the code, as for tasks."""

    class Changed(Workflow, name="Parent"):
        async def run(self, plan: str) -> Any:
            return await self.execute(workflow, id, plan)

    class Reworded(Workflow, name="Parent"):
        async def run(self, plan: str) -> Any:
            return await self.execute(Ship, "17", "coffee")

    with Family(plan="one") as stage:
        with pytest.raises(Nondeterminism) as found:
            stage.fresh(kind_in(App(actors=[Changed, Ship]), Changed)).replay(stage.journal)
        assert (found.value.version, found.value.recorded) == (2, "ChildStarted(#1 Ship/17)")
        assert found.value.wanted == f"asks for {wanted}"
        stage.fresh(kind_in(App(actors=[Reworded, Ship]), Reworded)).replay(stage.journal)
