"""One instance in a test: its durable part, and the activation that comes and goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Raw

from actors.errors import Bug, Failure, InvalidInput
from actors.failures import error_info
from actors.journal import Caller
from actors.testing.errors import CommandFailed, CommandRefused, StoryFailed, in_users_code
from actors.testing.mail import Command, Mail
from actors.testing.watched import Journal
from actors.turn import Turn


class Hosted(ABC):
    """An instance: `journal` is durable, the activation is dropped and made again from it."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.journal = Journal()

    @abstractmethod
    def take(self, mail: Mail, at: float) -> Turn:
        """Handle a message in memory; a repeated one gives an empty turn. Raises `CommandRefused`, `CommandFailed` (by a validator), `InstanceStuck`."""

    @abstractmethod
    def caller_of(self, command_id: str) -> Caller | None:
        """Say which instance awaits the answer to a command that was accepted; None for none, and for the test."""

    @abstractmethod
    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query; raises as the model's activations do."""

    @abstractmethod
    def state(self) -> Any:
        """Give the state for a person: of a workflow its attributes, of an actor its state."""

    @abstractmethod
    def waiting_for(self) -> list[str]:
        """Say in words what it waits for now."""

    @abstractmethod
    def drop(self) -> None:
        """Lose the activation and all that was not committed."""

    def commit(self, mail: Mail | None, turn: Turn, at: float) -> None:  # noqa: ARG002 - actors remember commands
        """Make a turn durable, of a message or of a reload."""
        self.journal.append_all(turn.events, at)

    @property
    def busy(self) -> bool:
        """Whether local tasks run for it, which only its memory knows of."""
        return False

    @property
    def dirty(self) -> bool:
        """Whether what is in memory is not what is durable, so that it has to be dropped."""
        return False

    @abstractmethod
    def reloaded(self, at: float) -> Turn:
        """Make the activation again if it was dropped; gives what that leads to, such as local tasks that run again."""


@contextmanager
def judging(stream: str, mail: Command) -> Iterator[None]:
    """Turn what speaks against a command into its answer."""
    __tracebackhide__ = True
    try:
        yield
    except InvalidInput as error:
        raise CommandRefused(type(error).__name__, str(error)) from None
    except Failure as refused:
        info = error_info(refused)
        raise CommandFailed(f"{mail.name} of {stream}", info.type, info.message, info.details_value()) from refused
    except Bug as bug:
        raise StoryFailed(str(bug)) from in_users_code(bug.__cause__ or bug)
