"""The pytest plugin: every history file in the folders that the configuration names is a test, replayed against an app.

    [tool.pytest.ini_options]
    perdure_histories = ["tests/histories shop:app"]

A module of its own beside the packages, because pytest imports it at every start wherever Perdure is installed: without
such a line it does nothing, and imports nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_OPTION = "perdure_histories"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the configuration's line."""
    parser.addini(
        _OPTION,
        type="linelist",
        default=[],
        help="folders with histories, each with the app that they must replay on: tests/histories shop:app",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    """Take a history file that lies in one of the folders."""
    if file_path.suffix != ".jsonl":
        return None
    for line in parent.config.getini(_OPTION):
        folder, _, app = line.strip().rpartition(" ")
        if not folder or ":" not in app:
            raise pytest.UsageError(
                f"{_OPTION}: expected `FOLDER MODULE:APP`, such as tests/histories shop:app; it has {line!r}"
            )
        if file_path.is_relative_to((parent.config.rootpath / folder.strip()).resolve()):
            found: pytest.File = HistoryFile.from_parent(parent, path=file_path, app=app)
            return found
    return None


class HistoryFile(pytest.File):
    """A history file."""

    def __init__(self, *, app: str, **options: Any) -> None:
        super().__init__(**options)
        self.app = app

    def collect(self) -> Iterator[pytest.Item]:
        """Give the one test in it."""
        yield HistoryItem.from_parent(self, name="replays")


class HistoryItem(pytest.Item):
    """The test that a history replays."""

    parent: HistoryFile

    def runtest(self) -> None:
        """Replay it."""
        from actors.testing import assert_replays
        from runtime.schedules import include_schedules

        assert_replays(include_schedules(_load(self.parent.app)), self.path)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the first difference; of a mistake in the code the traceback, too."""
        from actors.errors import ActorsError
        from actors.testing import ReplayDiffers

        error = excinfo.value
        if isinstance(error, ReplayDiffers) and (error.__cause__ is None or isinstance(error.__cause__, ActorsError)):
            return str(error)
        if isinstance(error, ActorsError | ImportError | AttributeError | OSError):
            return f"{type(error).__name__}: {error}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name it in reports."""
        return self.path, None, f"{self.path.name} replays on {self.parent.app}"


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
