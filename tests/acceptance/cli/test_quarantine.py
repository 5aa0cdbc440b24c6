"""`quarantine`: what was put aside can be seen, sent again and thrown away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from tests.acceptance.cli.conftest import CommandLine, one_line

pytestmark = pytest.mark.timeout(180)
DEPOSIT = {
    "op": "command",
    "type": "Account",
    "id": "eve",
    "name": "deposit",
    "command_id": "d1",
    "input": {"amount": "7"},
}


def put_aside(system: CommandLine, **bodies: Any) -> None:
    """Put messages into the quarantine, oldest first."""

    async def insert() -> None:
        connection = await asyncpg.connect(system.environment["PERDURE_DATABASE_URL"])
        try:
            for id, body in bodies.items():
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                await connection.execute(
                    "INSERT INTO perdure.quarantine (at, partition, attempts, id, source, reason, body) "
                    "VALUES (clock_timestamp(), 0, 3, $1, 'commands:0', 'ValueError: unlucky', $2)",
                    id,
                    data,
                )
        finally:
            await connection.close()

    asyncio.run(insert())


def test_a_message_in_quarantine(system: CommandLine) -> None:
    """List, show, send again and throw away."""
    assert system("quarantine", "list").output == "nothing is in quarantine\n"
    put_aside(system, first=DEPOSIT, second=b"\xff\x00")
    assert [row["id"] for row in system("quarantine", "list", "--json").json_lines] == ["second", "first"]
    listed = system("quarantine", "list").output
    assert "Account/eve deposit" in listed
    assert "ValueError: unlucky" in listed
    assert system("quarantine", "show", "first", "--json").json["body"] == DEPOSIT
    assert "ValueError: unlucky" in system("quarantine", "show", "second").output

    assert system("quarantine", "redrive", "first").output == "first: sent again to Account/eve\n"
    assert system("send", "Account/eve", "deposit", "--input", '{"amount": "1"}').output.strip().strip('"') == "8"
    assert "can't be read" in one_line(system("quarantine", "redrive", "--all"))
    assert system("quarantine", "discard", "second").output == "second: discarded\n"
    assert system("quarantine", "redrive", "--all").output == "nothing is in quarantine\n"


def test_what_is_not_there(system: CommandLine) -> None:
    """Nothing is sent or thrown away by accident."""
    assert "no message nine is in quarantine" in one_line(system("quarantine", "redrive", "nine"))
    assert "no message nine is in quarantine" in one_line(system("quarantine", "show", "nine"))
    for command in ("redrive", "discard"):
        assert "which messages?" in one_line(system("quarantine", command))
        assert "which messages?" in one_line(system("quarantine", command, "nine", "--all"))
