"""Commands: those that an instance takes, and those that it gives to others."""

from __future__ import annotations

from msgspec import Raw

from actors.journal.caller import Caller
from actors.journal.correction import Correction
from actors.journal.event import ErrorInfo, Fact, JournalEvent


class CommandReceived(Fact):
    """A command was accepted; unchecked, if there was no code to say what it should be.

    From `caller`, if another instance gave it, which awaits no answer when it `told` it. `cancelled`: it was accepted for later,
    and cancelled before it was due. It is recorded so that it counts as handled; its handler never runs.
    """

    id: str
    name: str
    input: Raw
    unchecked: bool = False
    caller: Caller | None = None
    told: bool = False
    cancelled: bool = False

    def title(self) -> str:
        return f"CommandReceived({self.name}{', cancelled' * self.cancelled})"


class CommandBegan(Fact):
    """An actor goes on with a command that had to wait until those before it were done."""

    id: str

    def title(self) -> str:
        return f"CommandBegan({self.id})"


class CommandCompleted(JournalEvent):
    """A command's handler returned."""

    id: str
    result: Raw
    asked: int = 0  # in an actor's stream: the highest number that its commands have used

    def title(self) -> str:
        return f"CommandCompleted({self.id})"


class CommandFailed(JournalEvent):
    """A command's handler raised a declared failure."""

    id: str
    error: ErrorInfo
    asked: int = 0  # as in `CommandCompleted`

    def title(self) -> str:
        return f"CommandFailed({self.id}: {self.error.type})"


class CommandSent(JournalEvent):
    """The code gave another actor, `type/id`, a command; `told`: it awaits no answer.

    `after` is the number of the last one to the same actor: that has to be there first.
    """

    command: int
    type: str
    id: str
    name: str
    input: Raw
    told: bool = False
    after: int | None = None
    copied: bool = False  # by a fork: it was the other instance's to give, and no later one of this stream waits for it

    @property
    def stream(self) -> str:
        """The other actor's stream."""
        return f"{self.type}/{self.id}"

    def title(self) -> str:
        return f"CommandSent(#{self.command} {self.stream} {self.name})"


class CommandAnswered(Fact):
    """Another actor has handled a command that this one awaits: it gave a result, or an error."""

    command: int
    result: Raw = Raw(b"null")
    error: ErrorInfo | None = None
    correction: Correction | None = None  # of one that somebody settled by hand; the command is on its way all the same

    def title(self) -> str:
        return f"CommandAnswered(#{self.command}{'' if self.error is None else f': {self.error.type}'})"


class Emitted(JournalEvent):
    """An actor's own event, as a decision of the command that emits it; in the log it is just that event."""

    type: str
    data: Raw
    schema: int = 1

    def title(self) -> str:
        return self.type
