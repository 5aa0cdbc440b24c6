"""The page about commands does what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.docs.conftest import Shell
from tests.acceptance.docs.pages import ROOT, blocks, python_file
from tests.acceptance.docs.test_readme import said_and_expected

pytestmark = pytest.mark.timeout(120)

PAGE = ROOT / "actors" / "commands.md"


async def test_its_commands_and_its_program(shell: Shell, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """Each line of the shell with the output that stands beside it, and what the program prints."""
    for name in ("desk.py", "visit.py", "remind.py"):
        (shell.folder / name).write_text(python_file(PAGE, name))
    shell.environment["PERDURE_DATABASE_URL"] = await fresh_database()
    shell.run("perdure migrate --app desk:app")
    shell.start("perdure node desk:app")
    for block in blocks(PAGE):
        for line in block.text.splitlines() if block.language == "sh" else ():
            command, expected = said_and_expected(line)
            assert expected in shell.run(command), command
    (printed,) = [block.text for block in blocks(PAGE) if not block.language]
    assert shell.run("python visit.py") == printed
    assert shell.run("python remind.py") == "2\n"
    assert shell.stop() == [0]
