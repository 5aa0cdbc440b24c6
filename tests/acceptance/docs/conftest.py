"""A folder with the files that the README shows, and the command line in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.docs.pages import ROOT, python_file

README = ROOT / "README.md"
_STOP_SECONDS = 40
PERDURE = f"{sys.executable} -m runtime.cli"


class Shell:
    """Runs shell lines in a folder; what runs in the background ends with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")},
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "160",
        }
        self._background: list[subprocess.Popen[bytes]] = []

    def run(self, line: str) -> str:
        """Run a line to its end; its output, when it succeeded."""
        done = subprocess.run(
            ["/bin/sh", "-c", _ours(line)],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, line: str) -> Path:
        """Start a line in the background; gives the file that its output goes to."""
        log = self.folder / f"{len(self._background)}.log"
        with log.open("wb") as output:
            self._background.append(
                subprocess.Popen(
                    ["/bin/sh", "-c", f"exec {_ours(line)}"],
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        return log

    def stop(self) -> list[int]:
        """End what runs in the background with SIGTERM; gives the exit statuses."""
        background, self._background = self._background, []
        for process in background:
            process.send_signal(signal.SIGTERM)
        try:
            return [process.wait(_STOP_SECONDS) for process in background]
        finally:
            for process in background:
                process.kill()


def _ours(line: str) -> str:
    """The line with `perdure` and `python` as those of this checkout."""
    name, _, rest = line.partition(" ")
    return f"{ {'perdure': PERDURE, 'python': sys.executable}.get(name, name) } {rest}"


@pytest.fixture
def shell(server_folder: Path) -> Iterator[Shell]:
    """A shell in a fresh folder with the README's Python files."""
    server_folder.mkdir(mode=0o755)
    for name in ("shop.py", "place.py", "ship.py"):
        (server_folder / name).write_text(python_file(README, name))
    made = Shell(server_folder)
    yield made
    made.stop()
