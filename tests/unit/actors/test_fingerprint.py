"""The fingerprint of an actor's fold: it changes with whatever changes the fold, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from actors import App
from actors.definition import ActorType
from actors.entity import Entity
from actors.fingerprint import fingerprint
from tests.unit.actors.stage import raw

SOURCE = '''
import math
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import partial
from msgspec import Struct
from actors import Actor, Snapshots, command, event, query

FACTOR = 3
NAMES = {"b", "a", "c"}
TABLE = {"x": (1, 2.5)}

class Colour(Enum):
    RED = "red"

class Sold(Struct):
    units: int
    colour: Colour = Colour.RED

@dataclass
class Line:
    units: int = 0
    price: Decimal = Decimal("1.50")

    def add(self, units):
        self.units += units

class Shelf(Struct):
    units: int = 0
    lines: dict[str, Line] = {}
    seen: set[str] = set()

def weigh(units):
    return math.floor(units * FACTOR) + sum(1 for n in TABLE["x"] if n > 1)

def twice(n, by=2):
    return n * by

def made(amount):
    def inner(units):
        return units + amount
    return inner

plus = made(5)
four = partial(twice, by=4)

class Stock(Actor):
    state: Shelf
    STEP = 10

    def __init__(self):
        self.limit = 7

    @command
    def sell(self, units: int) -> int:
        self.emit(Sold(units))
        return self.state.units

    @event
    def sold(self, e: Sold) -> None:
        """Count."""
        if e.units in (1, 2) or "a" in {"a", "z"}:
            self.state.units += weigh(e.units)
        self.state.units += self.step(e.units) + plus(1) + four(1)
        self.state.lines.setdefault(e.colour.value, Line()).add(e.units)
        self.state.seen |= NAMES

    def step(self, units):
        return units * self.STEP

    @query
    def left(self) -> int:
        return self.state.units
'''

CHANGES = {
    "the handler": ("+ plus(1)", "- plus(1)"),
    "a constant of the handler": ("in (1, 2)", "in (1, 3)"),
    "a set in the handler": ('{"a", "z"}', '{"a", "y"}'),
    "a method that it calls": ("units * self.STEP", "units + self.STEP"),
    "a constant of the class": ("STEP = 10", "STEP = 11"),
    "a function that it calls": ("math.floor", "math.ceil"),
    "a constant of that function": ("FACTOR = 3", "FACTOR = 4"),
    "a set of the module": ('"a", "c"}', '"a", "d"}'),
    "a table of the module": ("2.5", "2.25"),
    "a variable of an enclosing function": ("made(5)", "made(6)"),
    "the code inside of it": ("units + amount", "units - amount"),
    "a default": ("by=2", "by=3"),
    "a partial's argument": ("by=4", "by=5"),
    "__init__": ("self.limit = 7", "self.limit = 8"),
    "a method of a class in the state": ("self.units += units", "self.units -= units"),
    "a default inside the state": ('Decimal("1.50")', 'Decimal("1.5")'),
    "a field's type": ("units: int = 0\n    lines", "units: float = 0\n    lines"),
    "a field's name": ("seen", "known"),
    "a field more": ("    seen: set[str] = set()", "    seen: set[str] = set()\n    more: int = 0"),
    "a default of the event": ("colour: Colour = Colour.RED", "colour: Colour | None = None"),
    "an enum's value": ('RED = "red"', 'RED = "rot"'),
}  # fmt: skip
HARMLESS = {
    "a comment": ("FACTOR = 3", "# so many\n\nFACTOR = 3"),
    "a command": ("self.emit(Sold(units))", "self.emit(Sold(units + 0))"),
    "a query": (
        "def left(self) -> int:\n        return self.state.units",
        "def left(self) -> int:\n        return 1",
    ),
    "the policy": ("    state: Shelf\n", "    state: Shelf\n    snapshots = Snapshots(every_events=3)\n"),
}


def kind_of(source: str) -> ActorType:
    """Register the actor of a module's text."""
    sys.modules["fingerprinted"] = module = ModuleType("fingerprinted")  # where its annotations are looked up
    exec(source, vars(module))
    kind = App(actors=[module.Stock]).type("Stock")
    assert isinstance(kind, ActorType)
    return kind


def fingerprint_of(source: str) -> str:
    """The fingerprint of the actor of a module's text."""
    return kind_of(source).snapshot_format.code


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_fold_has_another(change: str) -> None:
    """Wherever it is: in the handler, in what that calls, or in the types."""
    before, after = CHANGES[change]
    assert before in SOURCE
    assert fingerprint_of(SOURCE.replace(before, after)) != fingerprint_of(SOURCE)


@pytest.mark.parametrize("change", HARMLESS)
def test_what_does_not_fold_does_not_count(change: str) -> None:
    """Comments, commands, queries, the policy itself."""
    assert fingerprint_of(SOURCE.replace(*HARMLESS[change])) == fingerprint_of(SOURCE)


def test_it_is_the_same_after_the_code_has_run_hot() -> None:
    """The interpreter rewrites bytecode that runs often; what is read is the original."""
    kind = kind_of(SOURCE)
    entity = Entity(kind, "Stock/1")
    for number in range(200):
        entity.command(f"{number}", "sell", raw({"units": 1}))
    folds = [kind.events["Sold"].function, kind.cls.__init__]
    again = fingerprint(kind.cls, folds, [kind.state_type, kind.events["Sold"].event_type])  # type: ignore[arg-type]  # they are plain functions
    assert again == kind.snapshot_format.code


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever seed the process hashes with, wherever the file lies, and as __main__, too."""
    found = set()
    for seed, folder in (("1", "one"), ("2", "two")):
        file = tmp_path / folder / "shop.py"
        file.parent.mkdir()
        file.write_text(
            SOURCE + "\nfrom actors import App\nprint(App(actors=[Stock]).type('Stock').snapshot_format.code)\n"
        )
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])}
        run = subprocess.run([sys.executable, file], env=environment, check=True, capture_output=True, text=True)
        found.add(run.stdout.strip())
    assert found == {fingerprint_of(SOURCE)}


def test_it_names_the_python_that_made_it() -> None:
    """Bytecode of another minor version has another meaning."""
    assert fingerprint_of(SOURCE).startswith(f"{sys.implementation.cache_tag}-")
