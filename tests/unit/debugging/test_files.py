"""`events`, `show` and `replay` on a file of `perdure export`, with no server; and what is wrong with a file is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.debugging.files import file_of, files_in, read_file, write_file
from tests.unit.debugging.conftest import Perdure


def test_every_command_reads_a_file(perdure: Perdure, order: str, stock: str) -> None:
    """As it reads a store."""
    events = perdure("events", order, "--json").json_lines
    assert [event["version"] for event in events] == list(range(1, 14))
    assert events[0]["data"] == {"input": {"customer": "ada", "cents": 4200}, "command_id": "start-1"}
    assert 'result: "receipt 8"' in perdure("show", order).output
    assert perdure("show", order, "--json").json_lines[0]["status"] == "completed"
    states = [step["state"]["units"] for step in perdure("replay", stock, "--app", "shop:app", "--json").json_lines]
    assert states == [10, 7, 12]


def test_a_file_written_again_is_the_same(folder: Path, order: str) -> None:
    """Byte for byte."""
    instance = read_file(folder / order)
    write_file(folder / "again.jsonl", instance)
    assert (folder / "again.jsonl").read_bytes() == (folder / order).read_bytes()
    assert [path.name for path in files_in([folder])] == ["again.jsonl", "order.jsonl"]


def test_streams_have_files_of_their_own(folder: Path) -> None:
    """Also those whose names would look the same with a dash."""
    assert file_of(folder, "A-b/c") != file_of(folder, "A/b-c")


@pytest.mark.parametrize("command", ["events", "show", "replay"])
def test_a_history_file_that_is_cut_off(perdure: Perdure, folder: Path, order: str, command: str) -> None:
    """Is named, and nothing of it is shown."""
    whole = (folder / order).read_bytes()
    (folder / order).write_bytes(whole[: len(whole) // 2])
    said = perdure(command, order)
    assert said.status == 1
    assert said.output == ""
    assert "order.jsonl, line 7" in said.errors
    assert "cut off" in said.errors


def test_what_is_no_history(perdure: Perdure, folder: Path) -> None:
    """Each says what to do."""
    assert "nothing.jsonl can't be read: No such file" in perdure("show", "nothing.jsonl").errors
    assert ". is a folder; name one of the files in it" in perdure("events", ".").errors
    assert (
        "no file of `perdure export`" in perdure("events", "./shop.py").errors
        or "no JSON" in perdure("events", "./shop.py").errors
    )
    assert "expected type/id" in perdure("events", "nothing").errors


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "export what? Name an instance"),
        (["Order/1", "--sample", "3"], "not both"),
        (["order.jsonl"], "is a file; name an instance"),
        (["-o", "f", "--since", "yesterday"], "'yesterday' is no time: expected 2026-03-01"),
        (["-o", "f", "--status", "dead"], "--status is one of running"),
        (["-o", "shop.py"], "shop.py is a file; name a folder"),
    ],
)
def test_refusals_of_export(perdure: Perdure, folder: Path, arguments: list[str], says: str) -> None:
    """Before any server is asked."""
    assert says in perdure("export", *arguments).errors
