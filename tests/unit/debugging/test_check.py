"""`perdure replay --check`: recorded histories against the code that is here, with a status for CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.debugging.conftest import Perdure


@pytest.fixture
def histories(folder: Path, order: str, stock: str) -> str:
    """A folder of both."""
    (folder / "histories" / "Order").mkdir(parents=True)
    (folder / order).rename(folder / "histories" / "Order" / "1.jsonl")
    (folder / stock).rename(folder / "histories" / "stock.jsonl")
    return "histories"


def changed(folder: Path, old: str, new: str) -> str:
    """Another version of the shop."""
    (folder / "other.py").write_text((folder / "shop.py").read_text().replace(old, new))
    return "other:app"


def test_all_replay(perdure: Perdure, histories: str) -> None:
    """Status 0 and a summary; actors too."""
    said = perdure("replay", "--check", "shop:app", histories)
    assert (said.status, said.output) == (0, "2 of 2 replay with shop:app\n")


def test_the_first_difference_of_each_with_its_version(perdure: Perdure, folder: Path, histories: str) -> None:
    """Status 1: what was recorded, and what the code wants."""
    said = perdure(
        "replay", "--check", changed(folder, "write_to(customer, text)", "charge(text, 1)"), histories, "--json"
    )
    assert said.status == 1
    order, stock, summary = said.json_lines
    assert order == {
        "name": "Order/1 (histories/Order/1.jsonl)",
        "verdict": "differs",
        "events": 13,
        "version": 11,
        "recorded": "TaskScheduled(#5 write_to)",
        "wanted": "asks for TaskScheduled(#5 charge)",
    }
    assert stock["verdict"] == "replays"
    assert summary == {"summary": {"checked": 2, "replays": 1, "differs": 1, "raises": 0, "unknown": 0}}


def test_a_mistake_of_the_code_is_named_with_its_place(perdure: Perdure, folder: Path, histories: str) -> None:
    """Here in a workflow's command."""
    said = perdure("replay", "--check", changed(folder, "= tracking\n", "= tracking + 1\n"), histories)
    assert said.status == 1
    assert (
        "raises  Order/1 (histories/Order/1.jsonl): at version 9, CommandReceived(ship), the code raises TypeError"
        in said.output
    )
    assert 'other.py", line 49, in ship' in said.output


def test_a_mistake_in_a_fold_is_named(perdure: Perdure, folder: Path, histories: str) -> None:
    """With the event that it could not take."""
    said = perdure(
        "replay", "--check", changed(folder, "self.state.units = left", "self.state.units = left / 0"), histories
    )
    assert "at version 2, Taken, the code raises ZeroDivisionError" in said.output


def test_an_event_that_no_fold_knows(perdure: Perdure, folder: Path, histories: str) -> None:
    """Is a difference, at its version."""
    said = perdure("replay", "--check", changed(folder, "Taken", "Removed"), histories)
    assert said.status == 1
    assert "at version 2 the journal has an event of type Taken, but the code now has no @event method" in said.output


def test_what_could_not_be_checked(perdure: Perdure, folder: Path, histories: str) -> None:
    """Status 2, and the others are checked: a file that is cut off, a type that the app does not have."""
    file = folder / histories / "stock.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    said = perdure("replay", "--check", "shop:app", histories)
    assert said.status == 2
    assert "unknown  histories/stock.jsonl: histories/stock.jsonl, line 4: " in said.output
    assert "1 of 2 replay with shop:app; 1 unknown" in said.output
    (folder / "few.py").write_text((folder / "shop.py").read_text().replace("[Order, Stock]", "[Stock]"))
    said = perdure("replay", "--check", "few:app", f"{histories}/Order")
    assert said.status == 2
    assert "no actor type is named 'Order'; known: Stock" in said.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere:app", "histories"], "no module 'nowhere'"),
        (["shop:app", "./nothing"], "nothing: there is no such file or folder"),
        (["shop:app", "."], "holds no *.jsonl"),
        (["shop:app", "x.jsonl", "--sample", "3"], "not both"),
        (["shop:app", "noslash"], "is not a stream name"),
        (["shop:app", "--type", "Order"], "PERDURE_DATABASE_URL"),
    ],
)
def test_nothing_could_be_checked(perdure: Perdure, arguments: list[str], says: str) -> None:
    """Status 2, and why."""
    said = perdure("replay", "--check", *arguments)
    assert said.status == 2
    assert says in said.errors


def test_findings_are_lines_of_json(perdure: Perdure, histories: str) -> None:
    """For programs."""
    for line in perdure("replay", "--check", "shop:app", histories, "--json").output.splitlines():
        assert isinstance(json.loads(line), dict)
