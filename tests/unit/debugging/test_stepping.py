"""`perdure replay --step`, and `--pdb`: at a prompt, also when that is no terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.debugging.conftest import Perdure, Said

At = Callable[..., Said]
HERE = ("--app", "shop:app")


@pytest.fixture
def at_prompt(perdure: Perdure, monkeypatch: pytest.MonkeyPatch) -> Iterator[At]:
    """Runs `perdure replay …` with these lines typed; whoever traces this process before, such as a coverage tool, does so after."""
    tracer = sys.gettrace()

    def call(*arguments: str, typed: str) -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return perdure("replay", *arguments)

    yield call
    sys.settrace(tracer)


def test_stepping_forwards_and_backwards(at_prompt: At, order: str) -> None:
    """Each line says the event and what it changed; an empty line repeats."""
    said = at_prompt(order, *HERE, "--step", typed="n 5\nn\n\nb 2\ng end\ng 0\ng 99\nq\nn\n").output.splitlines()
    assert [line.split()[0] for line in said[1:-1]] == ["1", "6", "7", "8", "6", "13", "before"]
    assert 'TaskCompleted(#2 charge)   paid = {"by":"ada","cents":6300}' in said[2]
    assert said[-1] == "there is no version 99; from 0 to 13"


def test_looking_around(at_prompt: At, order: str) -> None:
    """State, place, payload, difference, expressions with the names of where `run` stands."""
    said = at_prompt(
        order, *HERE, "--step", typed="g 8\ns paid\nw\ne\nd 1 8\np payment.upper(), self.id\nl\ns x\n"
    ).output
    for part in (
        '"cents": 6300', "run waits for a condition", '"timer": 4', "+ paid.by", "RECEIPT 8", '"1"',
        ">    8 ", "the state has no x; it has tracking, paid",
    ):  # fmt: skip
        assert part in said


def test_an_expression_changes_nothing_that_is_seen_later(at_prompt: At, stock: str) -> None:
    """It ran on this replay's objects, and they are made anew."""
    said = at_prompt(stock, *HERE, "--step", typed="p setattr(self.state, 'units', 99)\ns\nn\n").output
    assert '"units": 10' in said
    assert "units = 7" in said


def test_what_is_mistyped_is_explained(at_prompt: At, order: str) -> None:
    """And the prompt stays."""
    said = at_prompt(order, *HERE, "--step", typed="foo\nn x\nd 1\ng\np 1/0\nd 1 2 3\nd 0 99\nh\n").output
    for part in (
        "no command 'foo'",
        "'n x' is not understood",
        "ZeroDivisionError",
        "versions go from 0 to 13",
        "quit",
    ):
        assert part in said


def test_stepping_into_a_difference(at_prompt: At, folder: Path, order: str) -> None:
    """Says it, and stays before it."""
    (folder / "other.py").write_text(
        (folder / "shop.py").read_text().replace("write_to(customer, text)", "charge(text, 1)")
    )
    said = at_prompt(order, "--app", "other:app", "--step", typed="g 12\ns tracking\nb\n").output
    assert "the code gets no further: Order/1: at version 11" in said
    assert '"T-7"' in said


def test_pdb_breaks_in_user_code_with_the_state_of_that_moment(at_prompt: At, order: str) -> None:
    """At the first line that runs when the event is fed."""
    said = at_prompt(order, *HERE, "--pdb", "--at", "6", typed="p self.paid, customer, total\nq\n").output
    assert "── version 6 of 13: TaskCompleted(#2 charge)" in said
    assert 'shop.py(44)pay()\n-> self.paid = {"by": customer, "cents": total}' in said
    assert "({}, 'ada', 6300)" in said
    assert "replayed to its end" not in said


def test_next_goes_over_an_await_to_the_event_that_ends_it(at_prompt: At, order: str) -> None:
    """Be it a day later; the user's frames alone are seen."""
    said = at_prompt(order, *HERE, "--pdb", "--at", "2", typed="n\nn\nn\nw\nc\n").output
    assert "── version 7 of 13" in said
    assert "── version 9 of 13: CommandReceived(ship)" in said
    assert "shop.py(38)run()" in said
    assert "program.py" not in said
    assert "replayed to its end, version 13" in said


def test_a_breakpoint_is_met(at_prompt: At, order: str) -> None:
    """The commands of pdb are all there."""
    said = at_prompt(order, *HERE, "--pdb", "--at", "1", typed="b shop.py:39\nc\np text\nq\n").output
    assert "'shipped as T-7'" in said


def test_pdb_in_an_actor(at_prompt: At, stock: str) -> None:
    """In its event method."""
    said = at_prompt(stock, *HERE, "--pdb", "--at", "2", typed="n\np left, self.state.units\nq\n").output
    assert "(7, 10)" in said


def test_a_decision_stops_where_it_was_taken(at_prompt: At, order: str) -> None:
    """In the turn of the fact before it."""
    said = at_prompt(order, *HERE, "--pdb", "--at", "11", typed="p tracking\nq\n").output
    assert "version 11, TaskScheduled(#5 write_to), was decided when version 9 was fed" in said
    assert "'T-7'" in said


def test_pdb_without_a_version_stops_where_the_mistake_is(at_prompt: At, folder: Path, order: str) -> None:
    """With the exception's own frames."""
    (folder / "bad.py").write_text((folder / "shop.py").read_text().replace("= tracking\n", "= tracking + 1\n"))
    said = at_prompt(order, "--app", "bad:app", "--pdb", typed="p tracking\nq\n").output
    assert "TypeError: can only concatenate str" in said
    assert "bad.py(49)ship()" in said
    assert "'T-7'" in said


def test_pdb_without_a_version_stops_in_the_turn_that_differs(at_prompt: At, folder: Path, order: str) -> None:
    """The fact whose answer is another one now."""
    (folder / "other.py").write_text(
        (folder / "shop.py").read_text().replace("write_to(customer, text)", "charge(text, 1)")
    )
    said = at_prompt(order, "--app", "other:app", "--pdb", typed="c\n")
    assert "was decided when version 9 was fed" in said.output
    assert "but the code now asks for TaskScheduled(#5 charge)" in said.errors
