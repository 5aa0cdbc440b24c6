"""Errors of the runtime, as a client, a node or the command line raises them.

    PerdureError
    ├── ConfigurationError       a setting is missing or can't be used
    ├── AnswerTimeout            no answer came in time: the command may or may not have been handled
    ├── ClientBroken             a mistake in the client itself; it can't be used any more
    └── CommandError             the answer to a command, query or start is an error; `reply` holds it
        ├── CommandFailed        a declared failure; `type` names it
        ├── CommandInvalid       unknown name, arguments that do not fit, a payload that can't be taken
        ├── NotFound             there is no such instance
        ├── Conflict             the id was used before with other input
        ├── AlreadyFinished      the instance has ended and takes no commands
        ├── CommandTooOld        older than what the inbox remembers, so it can't be told from a repetition
        ├── CommandQuarantined   its handler kept crashing; the message is kept with its reason
        ├── InstanceStuck        a mistake in the code stops the instance; it goes on when that is fixed
        └── InstanceTerminated   the instance was terminated before it had handled the command

A workflow that failed raises `actors.RunFailed` from `result`.
"""

from __future__ import annotations

from typing import Any

from actors.journal import ErrorInfo


class PerdureError(Exception):
    """Base of the runtime's errors."""


class ConfigurationError(PerdureError):
    """A setting is missing or can't be used; the message says which and what to set."""


class AnswerTimeout(PerdureError):
    """No answer came in time. Unknown, not no: ask again with the same command id."""


class ClientBroken(PerdureError):
    """What publishes or receives for a client ended by a mistake of ours: make another client, and please report it.

    Unknown, not no: what was under way may have been handled.
    """


class CommandError(PerdureError):
    """The answer is an error.

    Attributes:
        type: the error's name, for example `Rejected` or `InvalidArguments`.
        details: what a declared failure carries for programs, else None.
    """

    def __init__(self, message: str, type: str = "", details: Any = None) -> None:
        super().__init__(message)
        self.type, self.details = type, details


class CommandFailed(CommandError):
    """The handler raised a declared failure."""


class CommandInvalid(CommandError):
    """The command can't be taken; nothing was stored."""


class NotFound(CommandError):
    """There is no such instance."""


class Conflict(CommandError):
    """The id was used before with other input."""


class AlreadyFinished(CommandError):
    """The instance has ended and takes no more commands."""


class CommandTooOld(CommandError):
    """The command is older than what the inbox remembers."""


class CommandQuarantined(CommandError):
    """The command's handler kept crashing; it is kept with its reason."""


class InstanceStuck(CommandError):
    """A mistake in the code stops the instance. What it was sent is kept, and it goes on when the mistake is fixed."""


class InstanceTerminated(CommandError):
    """The instance was terminated before it had handled the command."""


_BY_STATUS: dict[str, type[CommandError]] = {
    "failed": CommandFailed,
    "invalid": CommandInvalid,
    "not_found": NotFound,
    "conflict": Conflict,
    "finished": AlreadyFinished,
    "too_old": CommandTooOld,
    "quarantined": CommandQuarantined,
    "stuck": InstanceStuck,
    "terminated": InstanceTerminated,
}


def command_error(status: str, info: ErrorInfo) -> CommandError:
    """Make the exception for a reply's status."""
    return _BY_STATUS.get(status, CommandError)(info.message, info.type, info.details_value())
