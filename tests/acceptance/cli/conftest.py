"""The command line in subprocesses, and a system of real processes for it to talk to: the examples on Postgres."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest
from msgspec import Struct

from runtime.servers import create_database, drop_database

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 60
STOP_SECONDS = 40
EXAMPLES = """
from actors import App
from examples import account, onboarding
app = App(actors=[account.Account, onboarding.Onboarding], tasks=onboarding.app.tasks.values())
"""


class Finished(Struct, frozen=True):
    """How a command ended."""

    status: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """Its output, read as one JSON document."""
        return json.loads(self.output)

    @property
    def json_lines(self) -> list[Any]:
        """Its output, read as a JSON document a line."""
        return [json.loads(line) for line in self.output.splitlines()]


class CommandLine:
    """Runs `perdure` in a folder, with an environment of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
        self.environment = {**inherited, "PYTHONPATH": str(ROOT), **environment}

    def __call__(self, *arguments: str, input: str = "", **environment: str) -> Finished:
        """Run a command to its end."""
        done = subprocess.run(
            self._command(arguments),
            check=False,
            cwd=self.folder,
            env={**self.environment, **environment},
            input=input,
            capture_output=True,
            text=True,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def running(
        self, *arguments: str, number: signal.Signals = signal.SIGTERM, stdout: IO[bytes] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a long-lived command: the block begins when it says that it is ready, and ends it with a signal."""
        with ExitStack() as stack:
            channel = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            address = f"@perdure-test-{secrets.token_hex(8)}"
            channel.bind("\0" + address[1:])
            channel.settimeout(0.1)
            log = stack.enter_context((self.folder / f"{arguments[0]}.log").open("wb"))
            process = stack.enter_context(
                subprocess.Popen(
                    self._command(arguments),
                    cwd=self.folder,
                    env={**self.environment, "NOTIFY_SOCKET": address},
                    stdin=subprocess.DEVNULL,
                    stdout=stdout or log,
                    stderr=log,
                )
            )
            try:
                self._wait_until_ready(channel, process, arguments[0])
                yield process
                process.send_signal(number)
                process.wait(STOP_SECONDS)
            finally:
                process.kill()

    def log(self, command: str) -> str:
        """What a long-lived command has said."""
        return (self.folder / f"{command}.log").read_text()

    def _wait_until_ready(self, channel: socket.socket, process: subprocess.Popen[bytes], command: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, self.log(command)
            with suppress(TimeoutError):
                assert channel.recv(256) == b"READY=1"
                return
        raise AssertionError(f"{command} was not ready within {READY_SECONDS} s:\n{self.log(command)}")

    @staticmethod
    def _command(arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "runtime.cli", *arguments]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the account can enter which Postgres runs under when we are root; pytest's own is closed."""
    with tempfile.TemporaryDirectory(prefix="perdure-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def perdure(folder: Path) -> CommandLine:
    """The command line in an empty folder, with nothing in its environment."""
    return CommandLine(folder)


@pytest.fixture(scope="module")
def system(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line against a database with a node and a worker that run the examples."""
    folder = tmp_path_factory.mktemp("system")
    (folder / "both.py").write_text(EXAMPLES)
    name = f"test_{secrets.token_hex(8)}"
    url = asyncio.run(create_database(postgres_url, name))
    command_line = CommandLine(folder, PERDURE_DATABASE_URL=url)
    migrated = command_line("migrate", "--app", "both:app")
    assert migrated.status == 0, migrated.errors
    try:
        with command_line.running("node", "both:app"), command_line.running("worker", "both:app"):
            yield command_line
    finally:
        asyncio.run(drop_database(postgres_url, name))


def one_line(finished: Finished) -> str:
    """The one line in which a command says why it failed."""
    assert finished.status != 0
    assert finished.output == ""
    assert finished.errors.startswith("perdure: "), finished.errors
    assert finished.errors.count("\n") == 1, finished.errors
    return finished.errors.removeprefix("perdure: ").strip()
