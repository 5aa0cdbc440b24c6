"""The page about debugging does what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.docs.conftest import Shell
from tests.acceptance.docs.pages import ROOT, blocks, python_file, shell_block
from tests.acceptance.docs.test_readme import said_and_expected

pytestmark = pytest.mark.timeout(180)

PAGE = ROOT / "runtime" / "debugging" / "README.md"


async def test_its_commands(shell: Shell, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """Each line with the output that stands beside it."""
    (shell.folder / "till.py").write_text(python_file(PAGE, "till.py"))
    shell.environment["PERDURE_DATABASE_URL"] = await fresh_database()
    shell.run("perdure migrate --app till:app")
    shell.start("perdure node till:app")
    shell.start("perdure worker till:app")
    for line in shell_block(PAGE, "perdure start"):
        command, expected = said_and_expected(line)
        assert expected in shell.run(command), command
    assert shell.stop() == [0, 0]
    make, check = shell_block(PAGE, "sed ")
    shell.run(make.partition("    #")[0])
    command, expected = said_and_expected(check)
    said = shell.run(command)
    assert expected in said
    (differs,) = [block.text for block in blocks(PAGE) if block.text.startswith("differs")]
    assert differs in said
