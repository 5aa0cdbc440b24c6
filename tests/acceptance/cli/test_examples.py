"""The examples run; the ones for `dev` are what the other tests here talk to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.acceptance.cli.conftest import ROOT, CommandLine

pytestmark = pytest.mark.timeout(180)

FreshAddress = Callable[[], Awaitable[str]]


async def test_publishing_with_a_bare_amqp_client(
    perdure: CommandLine, fresh_database: FreshAddress, fresh_vhost: FreshAddress
) -> None:
    """`examples/publish.py` knows AMQP and JSON only, and gets its answers: a result, and a declared failure."""
    urls = {"PERDURE_DATABASE_URL": await fresh_database(), "PERDURE_BROKER_URL": await fresh_vhost()}
    perdure.environment |= urls
    assert perdure("migrate").status == 0
    with perdure.running("node", "examples.account:app"):
        assert _publish(perdure, "deposit", '{"amount": "5.00"}') == (0, {"status": "ok", "result": "5.00"})
        status, answer = _publish(perdure, "withdraw", '{"amount": "9.00"}')
        assert (status, answer["status"], answer["error"]["type"]) == (1, "failed", "Rejected")
    assert [event["type"] for event in perdure("events", "Account/ada", "--json").json_lines] == ["Deposited"]


def _publish(perdure: CommandLine, name: str, arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "publish.py"), "Account/ada", name, arguments],
        check=False,
        env=perdure.environment,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)
