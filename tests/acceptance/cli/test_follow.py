"""`perdure follow`: events as they are recorded, in a terminal or for a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cli.conftest import CommandLine, one_line
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


@contextmanager
def following(system: CommandLine, *arguments: str) -> Iterator[Path]:
    """Run it with its output in a file; it ends well when it is told to."""
    file = system.folder / f"follow-{len(list(system.folder.glob('follow-*')))}.txt"
    with file.open("wb") as output, system.running("follow", *arguments, stdout=output) as process:
        yield file
    assert process.returncode == 0, system.log("follow")


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_what_is_recorded_from_now_on(system: CommandLine) -> None:
    """One type, one instance, one sort of event; nothing of what was there before."""
    system("send", "Account/eve", "deposit", "--input", '{"amount": "1"}')
    with (
        following(system, "Account", "--json") as of_type,
        following(system, "Account/bob", "--event", "Withdrawn", "--json") as of_one,
    ):
        for id, command, amount in (("bob", "deposit", 5), ("eve", "deposit", 2), ("bob", "withdraw", 3)):
            assert system("send", f"Account/{id}", command, "--input", json.dumps({"amount": str(amount)})).status == 0
        await wait_until(lambda: len(lines(of_type)) == 3 and lines(of_one), seconds=20)
    assert sorted((e["id"], e["type"]) for e in lines(of_type)) == [
        ("Account/bob@1", "Deposited"),
        ("Account/bob@2", "Withdrawn"),
        ("Account/eve@2", "Deposited"),
    ]
    assert [e["data"] for e in lines(of_one)] == [{"amount": "3"}]


async def test_from_the_start_and_from_a_position(system: CommandLine) -> None:
    """Everything there is, for people; and what lies behind a position."""
    system("send", "Account/ann", "deposit", "--input", '{"amount": "7"}')
    [first] = system("events", "Account/ann", "--json").json_lines[:1]
    before = json.dumps({first["partition"]: first["offset"] - 1})
    with (
        following(system, "--from-start") as everything,
        following(system, "Account/ann", "--after", before, "--json") as behind,
    ):
        await wait_until(lambda: "Account/ann  1  Deposited" in everything.read_text(), seconds=20)
        await wait_until(lambda: lines(behind), seconds=20)
    assert lines(behind)[0]["id"] == "Account/ann@1"


def test_mistakes(system: CommandLine) -> None:
    """Each is one line that says what to do."""
    assert "is no position, which looks like" in one_line(system("follow", "--after", "now"))
    assert "is beyond the head" in one_line(system("follow", "--after", '{"0": 1000000}'))
    assert "there is no partition 99" in one_line(system("follow", "--after", '{"99": 1}'))
    assert "either types or instances" in one_line(system("follow", "Account", "Account/ann"))
    assert "either --from-start or --after" in one_line(system("follow", "--from-start", "--after", "{}"))


def test_a_reader_that_has_heard_enough(system: CommandLine) -> None:
    """`perdure follow | head -1` ends when the pipe does."""
    system("send", "Account/ann", "deposit", "--input", '{"amount": "7"}')
    command = f"{sys.executable} -m runtime.cli follow --from-start --json | head -1"
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=system.folder,
        env=system.environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as shell:
        try:
            assert shell.stdout is not None
            assert json.loads(shell.stdout.readline())["version"] == 1
        finally:
            os.killpg(shell.pid, signal.SIGTERM)
