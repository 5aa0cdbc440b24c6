"""`perdure replay`: the state and the stack at any version, and the difference between two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.debugging.conftest import Perdure

HERE = ("--app", "shop:app")


def test_the_state_at_a_version_with_the_stack_of_every_coroutine(perdure: Perdure, order: str) -> None:
    """File, line, function and local variables, and what each waits for."""
    (at,) = perdure("replay", order, *HERE, "--at", "4", "--json").json_lines
    assert (at["version"], at["state"], at["waiting_for"]) == (
        4,
        {"tracking": None, "paid": {}},
        ["task #2 charge", "task #3 write_to"],
    )
    run, pay = at["stack"]
    assert (run["name"], run["waits_for"]) == ("run", "all of coroutine Order.pay, task #3 write_to")
    assert run["frames"][0]["function"] == "Order.run"
    assert run["frames"][0]["variables"] == {"customer": "ada", "cents": 4200, "factor": 1.5}
    assert pay["waits_for"] == "task #2 charge"
    assert Path(pay["frames"][0]["file"]).name == "shop.py"
    assert pay["frames"][0]["variables"] == {"customer": "ada", "total": 6300}


def test_the_stack_in_words(perdure: Perdure, order: str) -> None:
    """With the line of code, for a condition under a timeout."""
    said = perdure("replay", order, *HERE, "--at", "8").output
    assert "Order/1 (order.jsonl) at version 8 of 13, after TimerSet(#4)" in said
    assert "or timer #4, due 2026-03-31 12:00:14 UTC" in said
    assert "> await self.until(lambda: self.tracking, timeout=30 * 86_400)" in said
    assert 'payment = "receipt 8"' in said


def test_the_difference_between_two_versions(perdure: Perdure, order: str) -> None:
    """Place by place, in both directions, and what is waited for."""
    (diff,) = perdure("replay", order, *HERE, "--diff", "5", "9", "--json").json_lines
    assert diff["state"] == [
        {"path": "tracking", "before": None, "after": "T-7"},
        {"path": "paid.by", "after": "ada"},
        {"path": "paid.cents", "after": 6300},
    ]
    assert diff["waiting_for"]["after"] == ["task #5 write_to"]
    said = perdure("replay", order, *HERE, "--diff", "9", "5").output
    assert '~ tracking: "T-7" → null' in said
    assert "- paid.cents = 6300" in said
    assert "the state is the same" in perdure("replay", order, *HERE, "--diff", "2", "3").output


def test_actors_have_no_stack(perdure: Perdure, stock: str) -> None:
    """But a state and differences."""
    (at,) = perdure("replay", stock, *HERE, "--at", "2", "--json").json_lines
    assert (at["state"], at["stack"]) == ({"units": 7}, [])
    assert "~ units: 7 → 12" in perdure("replay", stock, *HERE, "--diff", "2", "3").output


def test_beyond_the_first_difference_there_is_no_state(perdure: Perdure, folder: Path, order: str) -> None:
    """But all there was before."""
    changed = (folder / "shop.py").read_text().replace("await write_to(customer, text)", "await charge(text, 1)")
    (folder / "other.py").write_text(changed)
    there = ("--app", "other:app")
    assert perdure("replay", order, *there, "--at", "10").status == 0
    refused = perdure("replay", order, *there, "--at", "11")
    assert refused.status == 1
    assert "at version 11 the journal has TaskScheduled(#5 write_to), but the code now asks for" in refused.errors
    replayed = perdure("replay", order, *there)
    assert "CommandCompleted(ship)" in replayed.output
    assert "TaskScheduled(#5" not in replayed.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name one instance, TYPE/ID, or one file"),
        (["order.jsonl", "order.jsonl"], "--check takes many"),
        (["order.jsonl"], "which application? Name it with --app"),
        (["order.jsonl", *HERE, "--at", "14"], "has 13 events; there is no version 14"),
        (["order.jsonl", *HERE, "--diff", "0", "14"], "there is no version 14"),
        (["order.jsonl", *HERE, "--at", "1", "--step"], "one of --at, --diff, --step, --pdb and --check at a time"),
        (["order.jsonl", *HERE, "--status", "failed"], "--status chooses histories for --check"),
        (["order.jsonl", *HERE, "--step", "--json"], "--json goes with the others"),
        (["order.jsonl", "--app", "shop:none"], "the module has no 'none'; it has app"),
    ],
)
def test_refusals(perdure: Perdure, order: str, arguments: list[str], says: str) -> None:
    """Each says what to do."""
    said = perdure("replay", *arguments)
    assert said.status == 2
    assert says in said.errors


def test_a_command_of_an_actor_that_was_under_way(perdure: Perdure, folder: Path) -> None:
    """Its stack and variables at that version, as with a workflow's."""
    (folder / "desk.py").write_text(
        "from msgspec import Struct\n"
        "from actors import Actor, App, command, event, task\n"
        "class Put(Struct):\n    units: int\n"
        "class Shelf(Struct):\n    units: int = 0\n"
        "@task\nasync def count(item: str) -> int: return 1\n"
        "class Desk(Actor):\n"
        "    state: Shelf\n"
        "    @command\n"
        "    async def take_in(self, item: str) -> int:\n"
        "        units = await count(item)\n"
        "        self.emit(Put(units))\n"
        "        return self.state.units\n"
        "    @event\n"
        "    def put(self, put: Put) -> None:\n        self.state.units += put.units\n"
        "app = App(actors=[Desk], tasks=[count])\n"
    )
    events = [
        ("CommandReceived", {"id": "c", "name": "take_in", "input": {"item": "tea"}}),
        ("TaskScheduled", {"task": 2, "name": "count", "input": {"item": "tea"}}),
        ("TaskCompleted", {"task": 2, "result": 7}),
        ("Put", {"units": 7}),
        ("CommandCompleted", {"id": "c", "result": 7}),
    ]
    header = {"format": "perdure-history", "format_version": 1, "stream": "Desk/1", "type": "Desk", "events": 5}
    lines = [
        {"version": n, "type": type, "data": data, "recorded_at": "2026-03-01T12:00:00Z"}
        for n, (type, data) in enumerate(events, 1)
    ]
    (folder / "desk.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [header, *lines]))
    (at,) = perdure("replay", "desk.jsonl", "--app", "desk:app", "--at", "2", "--json").json_lines
    assert (at["state"], at["waiting_for"]) == ({"units": 0}, ["task #2 count"])
    assert at["stack"][0]["frames"][0]["variables"] == {"item": "tea"}
    (end,) = perdure("replay", "desk.jsonl", "--app", "desk:app", "--at", "5", "--json").json_lines
    assert (end["state"], end["waiting_for"], end["stack"]) == ({"units": 7}, [], [])
    assert perdure("replay", "--check", "desk:app", "desk.jsonl").status == 0
