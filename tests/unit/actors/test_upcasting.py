"""Upcasters: old forms are read as today's, the log stays as it is, and what can't be read is said in exact words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from actors import (
    Actor,
    App,
    Bug,
    DefinitionError,
    Nondeterminism,
    Renamed,
    Retired,
    SnapshotRefused,
    Snapshots,
    Upcast,
    UpcastInput,
    UpcastPromise,
    UpcastResult,
    UpcastState,
    Workflow,
    command,
    event,
    task,
)
from actors.definition import ActorType
from actors.entity import Entity
from actors.journal import ErrorInfo, PromiseResolved
from actors.turn import Outcome
from tests.unit.actors.stage import Recorded, Stage, raw

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Added(Struct):
    """Schema 1 had kilograms, `kg`; schema 2 `grams`; schema 3 has them in `of`, with a unit."""

    of: int
    unit: str


class State(Struct):
    grams: int = 0
    seen: list[str] = []


def in_grams(old: Any) -> Any:
    return {"grams": old["kg"] * 1000}


def with_unit(old: Any) -> Any:
    return {"of": old["grams"], "unit": "g"}


class Stock(Actor):
    state: State
    upcasters: ClassVar[Any] = (
        Upcast(Added, 2, with_unit),
        Upcast("Added", 1, in_grams),
        Renamed("Put", Added),
        Retired("Counted"),
    )

    @command
    def add(self, grams: int) -> int:
        self.emit(Added(grams, "g"))
        return self.state.grams

    @event
    def added(self, e: Added) -> None:
        self.state.grams += e.of
        self.state.seen.append(e.unit)


def kind_of(cls: type[Actor]) -> ActorType:
    kind = App(actors=[cls]).type(cls.type_name)
    assert isinstance(kind, ActorType)
    return kind


def recorded(*events: tuple[str, int, Any]) -> list[Recorded]:
    return [
        Recorded(n, type, json.dumps(data).encode(), AT, schema) for n, (type, schema, data) in enumerate(events, 1)
    ]


def folded(cls: type[Actor], history: Iterable[Recorded]) -> Entity:
    entity = Entity(kind_of(cls), "Stock/tea")
    entity.replay(history)
    return entity


def test_every_schema_is_read_as_the_newest() -> None:
    """Changes are chained, whatever the order in which they are declared."""
    stock = folded(
        Stock,
        recorded(("Added", 1, {"kg": 2}), ("Added", 2, {"grams": 30}), ("Added", 3, {"of": 4, "unit": "g"})),
    )
    assert (stock.state(), stock.version) == ({"grams": 2034, "seen": ["g"] * 3}, 3)


def test_a_renamed_type_is_read_under_its_new_name() -> None:
    """Of any schema."""
    assert folded(Stock, recorded(("Put", 1, {"kg": 2}), ("Put", 2, {"grams": 3}))).state()["grams"] == 2003


def test_a_retired_type_is_passed_over() -> None:
    """It keeps its version in the stream; whoever looks at each event sees nothing there."""
    entity = Entity(kind_of(Stock), "Stock/tea")
    history = recorded(("Added", 1, {"kg": 1}), ("Counted", 1, {"x": 1}), ("Added", 1, {"kg": 1}))
    steps = list(entity.steps(history))
    assert (entity.state()["grams"], entity.version, len(steps), steps[1]) == (2000, 3, 3, None)


def test_new_events_are_written_with_the_newest_schema() -> None:
    """And a class without upcasters writes schema 1."""
    stock = folded(Stock, [])
    (record,) = stock.command("c", "add", raw({"grams": 5})).events
    assert (record.type, record.schema) == ("Added", 3)


def test_an_event_type_nobody_knows_is_named() -> None:
    """Never skipped."""
    with pytest.raises(
        Nondeterminism,
        match=r"at version 2 the journal has an event of type Lost, .* no @event method .*\(it has: Added\)",
    ):
        folded(Stock, recorded(("Added", 1, {"kg": 1}), ("Lost", 1, {})))


def test_a_schema_newer_than_the_code_is_named() -> None:
    """As after going back to an old release; the newer code reads it."""
    with pytest.raises(Nondeterminism, match="has Added of schema 4, but the code now knows it up to schema 3"):
        folded(Stock, recorded(("Added", 4, {})))


def test_an_upcaster_that_raises_is_named() -> None:
    """With its step, the event and what it raised; nothing later is folded."""
    entity = Entity(kind_of(Stock), "Stock/tea")
    with pytest.raises(
        Bug,
        match=r"event Added at version 2: the upcaster of Added from schema 1 to 2 raised KeyError: 'kg'",
    ):
        entity.replay(recorded(("Added", 1, {"kg": 1}), ("Added", 1, {"lb": 1}), ("Added", 1, {"kg": 1})))
    assert (entity.version, entity.state()["grams"]) == (1, 1000)


def test_an_upcaster_that_gives_the_wrong_form_is_found() -> None:
    """What it gives is checked as everything is that is read."""

    class Wrong(Stock, name="Stock"):
        upcasters: ClassVar[Any] = (Upcast(Added, 1, lambda _: {"of": "much"}),)

    with pytest.raises(Bug, match=r"event Added at version 1 does not fit its class: Expected `int`"):
        folded(Wrong, recorded(("Added", 1, {})))


def test_the_log_is_not_changed_by_reading() -> None:
    """An upcaster may change what it is given."""

    def in_place(old: Any) -> Any:
        old["of"], old["unit"] = old.pop("kg"), "kg"
        return old

    class Changing(Stock, name="Stock"):
        upcasters: ClassVar[Any] = (Upcast(Added, 1, in_place),)

    history = recorded(("Added", 1, {"kg": 2}))
    assert folded(Changing, history).state() == folded(Changing, history).state()
    assert json.loads(history[0].data) == {"kg": 2}


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        ([Upcast(Added, 2, in_grams)], "go from schema 2; expected 1, 2 … without a gap"),
        ([Upcast(Added, 1, in_grams), Upcast(Added, 1, in_grams)], "there are two"),
        ([Upcast("Put", 1, in_grams)], "Put has no @event method"),
        ([Renamed("Put", "Set")], "Set has no @event method"),
        ([Retired("Added")], "Added still has an @event method"),
        ([Renamed("Added", Added)], "Added still has an @event method"),
        ([Upcast(Added, 1, 5)], "5 is no function"),  # type: ignore[arg-type]  # the mistake under test
        ([in_grams], "is none of Upcast, Renamed, Retired, UpcastState"),
        ([UpcastState(1, in_grams)], r"must lead up to 1, which is its Snapshots\(schema="),
    ],
)
def test_a_declaration_that_cant_work_is_refused(declared: list[Any], complaint: str) -> None:
    """When the app is made."""

    class Wrong(Stock, name="Stock"):
        upcasters = declared

    with pytest.raises(DefinitionError, match=complaint):
        App(actors=[Wrong])


# -- snapshots ------------------------------------------------------------------------------------------------


def to_grams(old: Any) -> Any:
    return {"grams": old["kg"] * 1000, "seen": []}


class Keeping(Stock, name="Stock"):
    snapshots: ClassVar[Snapshots | None] = Snapshots(schema=3)
    upcasters: ClassVar[Any] = (*Stock.upcasters, UpcastState(2, to_grams))


def test_a_snapshot_of_an_old_schema_is_read_as_todays() -> None:
    """Whatever code made it: who wrote the upcaster vouches for it."""
    form = kind_of(Keeping).snapshot_format
    assert form.decode(form.in_todays_form(2, "other code", b'{"kg":3}')) == State(3000, [])


@pytest.mark.parametrize(("schema", "code"), [(1, "x"), (3, "other code"), (4, "x")])
def test_a_snapshot_without_an_upcaster_is_ignored(schema: int, code: str) -> None:
    """The events have it all."""
    with pytest.raises(SnapshotRefused, match=f"schema {schema} of code {code} made it; this is schema 3"):
        kind_of(Keeping).snapshot_format.in_todays_form(schema, code, b"{}")


def test_a_snapshot_whose_upcaster_raises_is_ignored() -> None:
    """With the reason."""
    with pytest.raises(SnapshotRefused, match="an upcaster of the state raised KeyError: 'kg'"):
        kind_of(Keeping).snapshot_format.in_todays_form(2, "x", b"{}")


@pytest.mark.parametrize(
    "changed",
    [
        (Upcast(Added, 1, lambda old: {"grams": old["kg"] * 999}), *Stock.upcasters[:1], *Stock.upcasters[2:]),
        Stock.upcasters[:3],
        (),
    ],
    ids=["code", "retired", "none"],
)
def test_fingerprints_take_upcasters_into_account(changed: Any) -> None:
    """Another upcaster may fold to another state, so that snapshots of before do not count."""

    class Changed(Stock, name="Stock"):
        upcasters = changed

    class Same(Stock, name="Stock"):
        upcasters = tuple(Stock.upcasters)

    code = kind_of(Stock).snapshot_format.code
    assert kind_of(Same).snapshot_format.code == code
    assert kind_of(Changed).snapshot_format.code != code


# -- workflows ------------------------------------------------------------------------------------------------


class Price(Struct):
    cents: int
    currency: str


@task
async def quote(sku: str) -> Price:
    raise AssertionError("a task really ran")


@task(name="quote")
async def quote_v1(sku: str) -> int:
    raise AssertionError("a task really ran")


class Before(Workflow, name="Order"):
    """Took a name and whole euros."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def run(self, sku: str) -> int:
        price = await quote_v1(sku)
        await self.until(lambda: self.notes)
        return price

    @command
    def note(self, text: str) -> None:
        self.notes.append(text)


class After(Workflow, name="Order"):
    upcasters: ClassVar[Any] = (
        UpcastInput("run", 1, lambda old: {"item": {"sku": old["sku"]}}),
        UpcastInput("note", 1, lambda old: {"texts": [old["text"]]}),
        UpcastResult("quote", 1, lambda euros: {"cents": euros * 100}),
        UpcastResult("quote", 2, lambda old: old | {"currency": "EUR"}),
    )

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def run(self, item: dict[str, str]) -> str:
        price = await quote(item["sku"])
        await self.until(lambda: len(self.notes) > 1)
        return f"{price.cents} {price.currency} {self.notes}"

    @command
    def note(self, texts: list[str]) -> None:
        self.notes += texts


def old_journal() -> Stage:
    stage = Stage(Before, [quote_v1])
    stage.start(sku="tea")
    stage.command("note", text="first")
    return stage


def test_inputs_and_results_of_before_are_read_as_todays() -> None:
    """Of `run`, of commands, of tasks; what comes from now on has the newest schema."""
    stage = Stage(Before, [quote_v1])
    stage.start(sku="tea")
    stage.done(1, 4)
    stage.reload(After, [quote])
    stage.command("note", texts=["one", "two"])
    assert stage.result == "400 EUR ['one', 'two']"
    assert [event.schema for event in stage.journal if event.type == "CommandReceived"] == [2]
    assert stage.replayed(After, [quote]).outcome == stage.execution.outcome


class Asking(Workflow, name="Asking"):
    """Of before: promises and answers were numbers of euros."""

    def __init__(self) -> None:
        self.go = False

    async def run(self, rounds: int = 1) -> str:
        offered = await self.promise("price", Any)
        asked = await self.actor("Shop", "1").quote(sku="tea")
        await self.until(lambda: self.go)
        if rounds:
            return self.continue_as_new(rounds - 1)
        return f"{offered} {asked}"

    @command
    def end(self) -> None:
        self.go = True


class AskingNow(Asking, name="Asking"):
    upcasters: ClassVar[Any] = (
        UpcastPromise("price", 1, lambda euros: {"cents": euros * 100}),
        UpcastResult("Shop.quote", 1, lambda euros: {"cents": euros * 100}),
        UpcastResult("Shop.quote", 2, lambda old: old | {"currency": "EUR"}),
    )


def answered(stage: Stage, number: int, result: Any) -> None:
    stage.keep(stage.execution.command_answered(number, "Shop/1", Outcome(raw(result)), stage.now))


def test_promises_and_answers_of_before_are_read_as_todays() -> None:
    """Also by the run after the one that heard them; what comes from now on has the newest schema."""
    stage = Stage(Asking)
    stage.start()
    stage.keep(stage.execution.settle_promise(PromiseResolved("price", raw(4), "r"), stage.now))
    answered(stage, 1, 5)
    stage.reload(AskingNow)
    stage.command("end")
    answered(stage, 2, {"cents": 600, "currency": "CHF"})
    stage.reload(AskingNow)
    stage.command("end")
    assert stage.result == "{'cents': 400} {'cents': 600, 'currency': 'CHF'}"
    schemas = [event.schema for event in stage.journal if event.type in {"PromiseResolved", "CommandAnswered"}]
    assert schemas == [1, 1, 3]
    assert stage.replayed(AskingNow).outcome == stage.execution.outcome


def test_answers_of_before_to_the_run_that_asked() -> None:
    """The same run goes on with both in today's form; a failure has no form."""
    for failed in (False, True):
        stage = Stage(Asking)
        stage.start(rounds=0)
        stage.keep(stage.execution.settle_promise(PromiseResolved("price", raw(4), "r"), stage.now))
        if failed:
            error = Outcome(error=ErrorInfo("Rejected", "no tea"))
            stage.keep(stage.execution.command_answered(1, "Shop/1", error, stage.now))
        else:
            answered(stage, 1, 5)
            stage.reload(AskingNow)
            stage.command("end")
            assert stage.result == "{'cents': 400} {'cents': 500, 'currency': 'EUR'}"
        assert stage.replayed(AskingNow).outcome == stage.execution.outcome


def test_a_task_that_was_scheduled_before_may_answer_in_the_new_form() -> None:
    """Its result is recorded with the schema of the code that records it."""
    stage = old_journal()
    stage.reload(After, [quote])
    stage.done(1, {"cents": 5, "currency": "SEK"})
    stage.reload(After, [quote])
    stage.command("note", texts=["second"])
    assert stage.result == "5 SEK ['first', 'second']"
    assert [event.schema for event in stage.journal if event.type == "TaskCompleted"] == [3]


def test_an_upcaster_of_a_history_that_raises_leaves_the_instance_stuck_until_mended() -> None:
    """With its name; facts go on being recorded."""

    class Wrong(After, name="Order"):
        upcasters: ClassVar[Any] = (
            UpcastInput("run", 1, lambda old: {"item": old["kind"]}),
            UpcastInput("note", 1, lambda old: old),
        )

    stage = old_journal()
    broken = stage.fresh(App(actors=[Wrong], tasks=[quote]).type("Order"))  # type: ignore[arg-type]  # a workflow's type
    with pytest.raises(Bug, match="the upcaster of the input of run from schema 1 to 2 raised KeyError: 'kind'"):
        broken.replay(stage.journal)
    stage.execution = broken
    turn = stage.keep(broken.stick())
    assert turn.stuck is not None
    assert turn.stuck.type == "UpcastFailed"
    stage.reload(After, [quote])
    stage.keep(stage.execution.resume(stage.now))
    stage.done(1, {"cents": 5, "currency": "SEK"})
    stage.command("note", texts=["second"])
    assert stage.result == "5 SEK ['first', 'second']"


def test_a_history_newer_than_the_code_is_named() -> None:
    """Going back to the old release stops there, and forward again goes on."""
    stage = Stage(After, [quote])
    stage.start(item={"sku": "tea"})
    with pytest.raises(Nondeterminism, match="has RunStarted of schema 2, but the code now knows it up to schema 1"):
        stage.replayed(Before, [quote_v1])


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        ([UpcastInput("notes", 1, in_grams)], "has no command 'notes'"),
        ([UpcastResult("quote", 2, in_grams)], "those of the result of quote go from schema 2"),
        ([Upcast(Added, 1, in_grams)], "is none of UpcastInput, UpcastResult, UpcastPromise"),
    ],
)
def test_a_workflows_declaration_that_cant_work_is_refused(declared: list[Any], complaint: str) -> None:
    """When the app is made."""

    class Wrong(After, name="Order"):
        upcasters = declared

    with pytest.raises(DefinitionError, match=complaint):
        App(actors=[Wrong], tasks=[quote])
