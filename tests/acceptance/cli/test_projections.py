"""`perdure projection`: mistakes on the command line, and the list."""

from __future__ import annotations

import pytest

from tests.acceptance.cli.conftest import CommandLine, one_line

pytestmark = pytest.mark.timeout(120)

_COUNTED = """
from runtime import Projection, Projections
from both import app

class Counted(Projection):
    async def create(self, db):
        await db.execute("CREATE TABLE IF NOT EXISTS counted (stream text)")

    async def apply(self, db, events):
        await db.executemany("INSERT INTO counted VALUES ($1)", [(e.id,) for e in events])

projections = Projections(app, [Counted()])
"""


def test_a_list_of_what_runs(system: CommandLine) -> None:
    """Nothing at first; then how far each is, and who runs it."""
    (system.folder / "counted.py").write_text(_COUNTED)
    assert "no projection has run yet" in system("projection", "list").output
    system("send", "Account/ada", "deposit", "--input", '{"amount": "10"}')
    with system.running("projection", "run", "counted:projections"):
        states = [system("projection", "list", "--json").json_lines for _ in range(1)]
        assert [state["name"] for state in states[-1]] in ([], ["Counted"])
    [state] = system("projection", "list", "--json").json_lines
    assert (state["done"] + state["lag"] >= 1, state["owners"], state["trouble"]) == (True, [], None)
    assert "Counted" in system("projection", "list").output


def test_mistakes(system: CommandLine) -> None:
    """Each is one line that says what to do."""
    (system.folder / "counted.py").write_text(_COUNTED)
    assert "expected module:projections" in one_line(system("projection", "run", "counted"))
    assert "is a App, not a runtime.Projections" in one_line(system("projection", "run", "both:app"))
    unknown = one_line(system("projection", "run", "counted:projections", "--name", "Other"))
    assert unknown == "no projection is named 'Other'; known: Counted"
    assert "no projection is named 'x'" in one_line(system("projection", "rebuild", "counted:projections", "x"))
