"""The README does what it says: its files and its commands are run, and its outputs compared."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.docs.conftest import README, Shell
from tests.acceptance.docs.pages import ROOT, python_file, shell_block
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)

MESSAGES = ROOT / "MESSAGES.md"
FreshAddress = Callable[[], Awaitable[str]]


def said_and_expected(line: str) -> tuple[str, str]:
    """A line of the README: the command, and in the comment what its output holds."""
    command, _, expected = line.partition("  # ")
    return command.strip(), expected.strip()


async def test_dev(shell: Shell) -> None:
    """`perdure dev`, and then each command of the other terminal with the output that stands beside it."""
    (dev,) = shell_block(README, "perdure dev")
    log = shell.start(dev)
    await wait_until(lambda: "Ctrl-C ends it" in log.read_text(), seconds=60, what=f"{dev} is up")
    for line in shell_block(README, "perdure start"):
        command, expected = said_and_expected(line)
        assert expected in shell.run(command), command
    assert shell.stop() == [0]


async def test_own_servers(shell: Shell, fresh_database: FreshAddress, fresh_vhost: FreshAddress) -> None:
    """On Postgres and RabbitMQ by their addresses: a node, a worker, Python's client, a bare AMQP client, and who hears events."""
    shell.environment |= {"PERDURE_DATABASE_URL": await fresh_database(), "PERDURE_BROKER_URL": await fresh_vhost()}
    shell.environment["PERDURE_PUBLISH_EVENTS"] = "all"
    (shell.folder / "hear.py").write_text(python_file(MESSAGES, "hear.py"))
    lines = [said_and_expected(line)[0] for line in shell_block(README, "export")]
    migrate, node, worker, doctor = [line for line in lines if not line.startswith("export")]
    shell.run(migrate)
    shell.start(node)
    shell.start(worker)
    assert shell.run("python place.py").splitlines() == ["waiting for the warehouse", "10"]
    assert shell.run("python place.py").splitlines()[1] == "10"
    (hear,) = shell_block(MESSAGES, "python hear.py")
    heard = shell.start(hear)
    await wait_until(lambda: "bound to" in heard.read_text(), seconds=30)
    shell.run("python ship.py")
    assert json.loads(shell.run("perdure result Order/2 --timeout 30 --json"))["result"] == "charge Order/2#1"
    shell.run(doctor)
    await wait_until(lambda: "RunCompleted" in heard.read_text(), seconds=30)
    assert heard.read_text().splitlines()[0] == "bound to *.Stuck *.Resumed *.RunCompleted"
    assert re.fullmatch(r"Order/2@\d+ RunCompleted", heard.read_text().splitlines()[1])
    assert shell.stop() == [0, 0, -signal.SIGTERM]
