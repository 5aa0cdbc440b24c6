"""The pages about commands and about finding instances do what they say, on one node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.docs.conftest import Shell
from tests.acceptance.docs.pages import ROOT, blocks, python_file, shell_block
from tests.acceptance.docs.test_readme import said_and_expected

pytestmark = pytest.mark.timeout(120)

PAGE = ROOT / "actors" / "commands.md"
SEARCHING = ROOT / "actors" / "searching.md"
BOTH = """
import desk, parcels
from actors import App
app = App(actors=[desk.Repair, desk.Offer, parcels.Parcel])
"""


async def test_its_commands_and_its_program(shell: Shell, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """Each line of the shell with the output that stands beside it, and what the program prints."""
    for name in ("desk.py", "visit.py", "remind.py", "claim.py"):
        (shell.folder / name).write_text(python_file(PAGE, name))
    (shell.folder / "parcels.py").write_text(python_file(SEARCHING, "parcels.py"))
    (shell.folder / "both.py").write_text(BOTH)
    shell.environment["PERDURE_DATABASE_URL"] = await fresh_database()
    shell.run("perdure migrate --app both:app")
    shell.start("perdure node both:app")
    for block in blocks(PAGE):
        for line in block.text.splitlines() if block.language == "sh" else ():
            command, expected = said_and_expected(line)
            assert expected in shell.run(command), command
    for line in shell_block(SEARCHING, "perdure start"):
        command, expected = said_and_expected(line)
        assert expected in shell.run(command), command
    (printed,) = [block.text for block in blocks(PAGE) if not block.language]
    assert shell.run("python visit.py") == printed
    assert shell.run("python remind.py") == "2\n"
    assert shell.stop() == [0]
