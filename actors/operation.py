"""Operations: what a workflow's code has asked for and awaits, each under a number of its own.

A decision in the journal names the number, and so does the fact that settles it later. A kind of operation adds one
class here: how it reads in a message to people, and what its failure is to the code.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from msgspec import Raw

from actors.errors import Failure
from actors.failures import call_failure, child_failure, failure
from actors.journal import ChildStarted, CommandSent, ErrorInfo, OnClose
from actors.signature import Signature
from actors.task import Task


class Operation(ABC):
    """One operation that is under way. Its future takes the result as JSON, and only the first one counts."""

    __slots__ = ("future", "number")

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        self.future: asyncio.Future[Raw] = asyncio.Future(loop=loop)

    @abstractmethod
    def title(self) -> str:
        """Say what is awaited, for messages and listings."""

    @abstractmethod
    def failure(self, error: ErrorInfo) -> Failure:
        """Make the exception that the code sees when the operation failed."""

    def complete(self, result: Raw) -> None:
        """Hand the code a result, unless it has stopped waiting."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: ErrorInfo) -> None:
        """Hand the code a failure, unless it has stopped waiting."""
        if not self.future.done():
            self.future.set_exception(self.failure(error))


class TaskCall(Operation):
    """A task, for a worker or inside the node."""

    __slots__ = ("task",)

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop, task: Task[Any, Any]) -> None:
        self.number, self.task = number, task  # not by way of the base: every step of every workflow makes one
        self.future = asyncio.Future(loop=loop)

    def title(self) -> str:
        """Name the task."""
        kind = "local task" if self.task.local else "task"
        return f"{kind} #{self.number} {self.task.name}"

    def failure(self, error: ErrorInfo) -> Failure:
        """Give the class that the task declares, else a `TaskError`."""
        return failure(self.task.raises, self.task.name, error)


class ChildCall(Operation):
    """Another workflow's run. `on_close` is the policy of the journal, which the code may have changed since."""

    __slots__ = ("cancel_asked", "ended", "on_close", "signature", "started")

    def __init__(self, started: ChildStarted, signature: Signature, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(started.child, loop)
        self.started, self.signature = started, signature
        self.on_close: OnClose = started.on_close
        self.cancel_asked = False
        self.ended: str | None = None

    def title(self) -> str:
        """Name the child's stream."""
        return f"child #{self.number} {self.started.stream}"

    def failure(self, error: ErrorInfo) -> Failure:
        """Give a `ChildFailed`, or the subclass that names how else it ended."""
        return child_failure(self.started.stream, error, self.ended)


class CommandCall(Operation):
    """A command that another actor was given."""

    __slots__ = ("sent",)

    def __init__(self, sent: CommandSent, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(sent.command, loop)
        self.sent = sent

    def title(self) -> str:
        """Name the other actor's stream and the command."""
        return f"command #{self.number} {self.sent.stream} {self.sent.name}"

    def failure(self, error: ErrorInfo) -> Failure:
        """Give a `CallFailed`."""
        return call_failure(self.sent.stream, self.sent.name, error)
