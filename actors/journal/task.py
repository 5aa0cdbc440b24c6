"""Tasks: what the code wants done in the outside world, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Raw

from actors.journal.correction import Correction
from actors.journal.event import ErrorInfo, Fact, JournalEvent


class TaskScheduled(JournalEvent):
    """The code wants a task done by a worker."""

    task: int
    name: str
    input: Raw

    def title(self) -> str:
        return f"TaskScheduled(#{self.task} {self.name})"


class TasksScheduled(JournalEvent):
    """The code wants a task done by a worker for each of many items: tasks `first`, `first` + 1 and so on."""

    first: int
    name: str
    inputs: list[Raw]

    def each(self) -> Iterator[TaskScheduled]:
        """Give what each of them would be by itself."""
        for number, input in enumerate(self.inputs, self.first):
            yield TaskScheduled(number, self.name, input)

    def title(self) -> str:
        return f"TasksScheduled(#{self.first} to #{self.first + len(self.inputs) - 1} {self.name})"


class TaskCompleted(Fact):
    """A task gave its result. `name` is kept for local tasks, which have no `TaskScheduled`."""

    task: int
    result: Raw
    name: str | None = None
    correction: Correction | None = None  # of one that somebody settled by hand

    def title(self) -> str:
        return f"TaskCompleted(#{self.task}{_of(self.name)})"


class TaskFailed(Fact):
    """A task failed for good."""

    task: int
    error: ErrorInfo
    attempts: int = 1
    name: str | None = None
    correction: Correction | None = None  # as above

    def title(self) -> str:
        return f"TaskFailed(#{self.task}{_of(self.name)}: {self.error.type})"


class TaskAttemptFailed(Fact):
    """One attempt of a task failed and another follows. The code does not see it."""

    task: int
    attempt: int
    error: ErrorInfo
    retry_at: float  # seconds since the epoch

    def title(self) -> str:
        return f"TaskAttemptFailed(#{self.task}, attempt {self.attempt}: {self.error.type})"


def _of(name: str | None) -> str:
    return f" {name}" if name else ""
