"""`perdure dev`: a whole system in one process, and its data is there the next time."""

from __future__ import annotations

import signal

import pytest

from runtime.servers.process import descendants, is_alive
from tests.acceptance.cli.conftest import CommandLine, one_line
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(240)

DEPOSIT = ("send", "Account/ada", "deposit", "--input", '{"amount": "10"}')


async def test_dev_keeps_its_data(perdure: CommandLine) -> None:
    """Other terminals find it by its folder; between runs the history can be read; the next run goes on with it."""
    with perdure.running("dev", "examples.account:app") as first:
        servers = descendants(first.pid)
        assert perdure(*DEPOSIT).output == '"10"\n'
        assert perdure("doctor").status == 0
        assert "Ctrl-C ends it" in perdure.log("dev")
    assert first.returncode == 0
    await wait_until(lambda: not any(map(is_alive, servers)), what="its server has ended")
    assert "nothing runs on the data in .perdure" in one_line(perdure(*DEPOSIT))
    assert 'balance = "10"' in perdure("replay", "Account/ada").output  # the app is remembered, too
    with perdure.running("dev", "examples.account:app", number=signal.SIGINT) as second:
        assert perdure(*DEPOSIT).output == '"20"\n'
        assert "belongs to a server that another process runs" in one_line(perdure("dev", "examples.account:app"))
    assert second.returncode == 0
