"""What a test with the kit can fail with.

AssertionError
└── StoryFailed           the story can't go on as the test tells it
    ├── InstanceStuck     workflow or actor code has a mistake; `__cause__` is what it raised
    ├── NothingHappens    somebody waits for what will never come
    ├── NoEnd             it goes on and on
    ├── NotPreserved      a value does not come back from JSON as it is
    ├── EndsOtherwise     with a fault, the story does not end as without
    ├── ReplayDiffers     the code does not do what a history says it did
    └── TaskNotExpected   a task that the test says nothing of, or that must not run
CommandFailed             a handler, a validator or a query raised a declared failure
CommandRefused            a command that can't be taken: no such instance, ended, the id used otherwise
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class StoryFailed(AssertionError):
    """The story can't go on as the test tells it."""


_OURS = Path(__file__).resolve().parents[1]


def in_users_code(error: BaseException) -> BaseException:
    """Give an exception with a traceback that begins in the user's code, and not in the model that called it."""
    trace = error.__traceback__
    while trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(_OURS):
        trace = trace.tb_next
    return error if trace is None else error.with_traceback(trace)


class InstanceStuck(StoryFailed):
    """A mistake in workflow or actor code: on a node the instance would be stuck until it is mended."""


class NothingHappens(StoryFailed):
    """Somebody waits for something that will never come."""


class NoEnd(StoryFailed):
    """More happens than a story has: something goes round and round."""


class TaskNotExpected(StoryFailed):
    """A task was called that the test says nothing of, or that must not run."""


class NotPreserved(StoryFailed):
    """A message, an event or a state does not come back from JSON as it is."""


class EndsOtherwise(StoryFailed):
    """With a fault that nobody should notice, the story does not end as it does without."""


class ReplayDiffers(StoryFailed):
    """The code does not do what a history says it did: an instance like it would be stuck."""


class CommandFailed(Exception):
    """A handler raised a declared failure; `type` names it, `message` and `details` are its own."""

    def __init__(self, what: str, type: str, message: str, details: Any = None) -> None:
        super().__init__(f"{what} failed: {type}: {message}")
        self.type, self.message, self.details = type, message, details


class CommandRefused(Exception):
    """A command or start can't be taken; `type` says why: NotFound, AlreadyFinished, Conflict."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type
