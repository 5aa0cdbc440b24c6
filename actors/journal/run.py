"""How runs begin and end, by themselves or from outside."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

from actors.attributes import Attribute
from actors.journal.caller import Caller, Said
from actors.journal.child import ChildCompleted, ChildFailed, Stop
from actors.journal.correction import Correction
from actors.journal.event import ErrorInfo, Fact, JournalEvent


class Origin(Struct, gc=False, omit_defaults=True, frozen=True):
    """What an instance was forked from: the other one's stream, its events up to `version`, and what of them was changed.

    `changes` holds, by version, the fields of an event's data that were given other values. `sent` is the
    number of the last command in the copied events that was given to another actor, `seed` what random numbers come from.
    """

    stream: str
    version: int
    changes: dict[int, Raw] = {}
    sent: int = 0
    seed: str = ""


class RunStarted(Fact):
    """The instance was created with these arguments; by `caller`, if another workflow did; by a fork, if there is an `origin`.

    With `stop` it was not wanted any more when it came to be, and none of its code ever runs. `again`: the instance had ended,
    and its runs had numbered `asked` operations.
    `attributes` are its first search attributes, `memo` is what its starter noted for people. `correction`: somebody restarted it by
    hand. `timeout`, in seconds, is the one that its starter gave, if it was not left to the class.
    """

    input: Raw
    command_id: str | None = None
    caller: Caller | None = None
    type_version: int = 1  # of the workflow's code, which the instance keeps to
    stop: Stop | None = None
    attributes: dict[str, Attribute] | None = None
    memo: Raw | UnsetType = UNSET
    origin: Origin | None = None  # of an instance that was not started, but forked
    deadline: float | None = None  # in seconds since the epoch: the instance must have ended by then
    asked: int = 0
    again: bool = False
    said: dict[str, Said] = {}  # with `again`: as in `RunContinued`
    correction: Correction | None = None
    timeout: float | None = None


class InstanceDeleted(Fact):
    """All that the stream held is gone, and there is no instance until somebody starts one, or gives it a command.

    `asked` operations were numbered by then, in `run` runs: what comes under this name counts on from there, for these
    numbers are idempotency keys.
    """

    asked: int = 0
    run: int = 1


class CancelRequested(Fact):
    """Somebody asked for the run's cancellation: a client with this command id, or the parent with its call's key."""

    id: str
    reason: str = ""
    by: str = ""


class RunTerminated(Fact):
    """The run was ended from outside, at once and without its code: the instance is finished.

    With `tree` its children, and theirs, were to be terminated as well.
    """

    id: str
    reason: str = ""
    tree: bool = False
    by: str = ""


class RunTimedOut(Fact):
    """The instance had not ended by its deadline, in seconds since the epoch: it was ended at once and without its code."""

    deadline: float


class RunContinued(JournalEvent):
    """The run asked to start over with these arguments: it has ended, and a new one has begun in the same stream.

    `asked` operations were numbered by then. The new run counts on from there, as numbers are idempotency keys.
    `cancelled`: the cancellation that was asked for is the new run's, because the old one had asked for its own end before.
    `said` are the last commands that it gave others, by their streams: those of the new run come after them.
    `completed` and `failed` are ends of children that came in the same turn, after it had asked for its end: the new run hears of them.
    """

    input: Raw
    asked: int = 0
    cancelled: bool = False
    type_version: int = 1  # of the new run's code: the newest that takes the arguments
    said: dict[str, Said] = {}
    completed: list[ChildCompleted] = []
    failed: list[ChildFailed] = []


class RunCompleted(JournalEvent):
    """The run returned: the instance is finished."""

    result: Raw


class RunFailed(JournalEvent):
    """The run raised a declared failure: the instance is finished."""

    error: ErrorInfo

    def title(self) -> str:
        return f"RunFailed({self.error.type})"


class RunCancelled(JournalEvent):
    """The run let out the cancellation that was asked for: the instance is finished."""

    reason: str = ""
