"""A node, its workers and its store in one object, with a clock that jumps: no server, no waiting, no chance.

Messages stand in a queue by the time at which they come; handling one is a turn of the model, whose effects are more
messages. A turn with events is a *durable step*: before it and after it a node can die, and nobody may notice.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from msgspec import UNSET, Raw

from actors.app import App
from actors.codec import encode
from actors.definition import WorkflowType
from actors.journal import ErrorInfo, TaskScheduled, decode_event
from actors.names import split_stream
from actors.task import TaskContext
from actors.testing.effects import MOST_ATTEMPTS, spread
from actors.testing.errors import CommandFailed, CommandRefused, NoEnd
from actors.testing.faults import Faults
from actors.testing.hosted import Hosted
from actors.testing.hosted_actor import HostedActor
from actors.testing.hosted_workflow import HostedWorkflow
from actors.testing.json_check import JsonCheck
from actors.testing.mail import (
    VOLATILE,
    CancelRun,
    ChildEnded,
    Command,
    CommandEnded,
    LocalEnded,
    Mail,
    RunLocal,
    RunTask,
    SettlePromise,
    StartRun,
    TaskEnded,
    TerminateRun,
    key_of,
)
from actors.testing.mocks import Mocks
from actors.turn import LogLine, Outcome, Turn

MOST_MESSAGES = 100_000  # handled without the test doing anything


class _Letter:
    """A message on its way, unless it is withdrawn."""

    __slots__ = ("copy", "mail", "stream", "withdrawn")

    def __init__(self, stream: str, mail: Mail, *, copy: bool) -> None:
        self.stream, self.mail, self.copy = stream, mail, copy
        self.withdrawn = False


class World:
    """See the module's docstring."""

    def __init__(self, app: App, mocks: Mocks, at: datetime, faults: Faults, check: JsonCheck | None = None) -> None:
        self.app, self.mocks, self.faults, self._check = app, mocks, faults, check
        self.now = at.timestamp()
        self.instances: dict[str, Hosted] = {}
        self.answers: dict[tuple[str, str], Outcome | CommandRefused | CommandFailed] = {}  # by stream and command id
        self.scheduled: dict[tuple[str, int], TaskScheduled] = {}
        self.logs: list[tuple[str, LogLine]] = []
        self.put_aside: list[str] = []  # told and delayed commands that could not be taken, in words
        self.steps: list[str] = []  # the durable steps so far, in words
        self.attempts: list[str] = []  # of tasks, in words
        self._queue: list[tuple[float, int, _Letter]] = []  # by time, and then in the order of posting
        self._by_key: dict[tuple[str, tuple[str, int]], list[_Letter]] = {}
        self._posted = 0

    # -- for the test -------------------------------------------------------------------------------------

    def hosted(self, stream: str) -> Hosted:
        """Give an instance, an empty one if nothing happened to it yet; raises `UnknownName` for its type."""
        if (known := self.instances.get(stream)) is not None:
            return known
        kind = self.app.type(split_stream(stream)[0])
        made: Hosted
        if isinstance(kind, WorkflowType):
            made = HostedWorkflow(kind, stream)
        else:
            made = HostedActor(kind, stream, snapshots=self.faults.snapshots, check=self._check)
        self.instances[stream] = made
        return made

    def post(self, stream: str, mail: Mail, at: float | None = None, *, copy: bool = False) -> None:
        """Let a message come at a time, by default now."""
        self._posted += 1
        letter = _Letter(stream, mail, copy=copy)
        heapq.heappush(self._queue, (self.now if at is None else max(at, self.now), self._posted, letter))
        if (key := key_of(mail)) is not None:
            self._by_key.setdefault((stream, key), []).append(letter)

    def withdraw(self, stream: str, key: tuple[str, int]) -> None:
        """Take back the messages that have not come yet and that `key_of` names so."""
        for letter in self._by_key.pop((stream, key), ()):
            letter.withdrawn = True

    def watching(self) -> AbstractContextManager[None]:
        """Look at what goes through JSON in the block, if the test wants that."""
        return nullcontext() if self._check is None else self._check.watching()

    def run_until(self, done: Callable[[], bool]) -> bool:
        """Let happen what happens, and time pass with it, until something holds; False when nothing is left to happen."""
        __tracebackhide__ = True
        handled = 0
        while not done():
            if self._next_at() is None:
                return False
            self._next()
            handled = self._bounded(handled)
        self.run_to(self.now)
        return True

    def run_to(self, moment: float) -> None:
        """Let happen what happens up to and at a time, and make that the time."""
        __tracebackhide__ = True
        handled = 0
        while (at := self._next_at()) is not None and at <= moment:
            self._next()
            handled = self._bounded(handled)
        self.now = max(self.now, moment)

    # -- one message --------------------------------------------------------------------------------------

    def _bounded(self, handled: int) -> int:
        if handled >= MOST_MESSAGES:
            raise NoEnd(
                f"{MOST_MESSAGES} messages were handled and it goes on, at {datetime.fromtimestamp(self.now, UTC)}; the "
                f"newest is {self.steps[-1] if self.steps else 'none'}. A workflow that never ends: use advance(…) instead"
            )
        return handled + 1

    def _next_at(self) -> float | None:
        """Say when the next message comes."""
        while self._queue and self._queue[0][2].withdrawn:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def _next(self) -> None:
        __tracebackhide__ = True
        at, _, letter = heapq.heappop(self._queue)
        self.now = max(self.now, at)
        with self.watching():
            self._deliver(letter)

    def _deliver(self, letter: _Letter) -> None:
        __tracebackhide__ = True
        stream, mail = letter.stream, letter.mail
        if isinstance(mail, RunTask):
            self._run_task(stream, mail)
        elif isinstance(mail, RunLocal):
            self._run_local(stream, mail)
        else:
            self._handle(stream, mail, copy=letter.copy)

    def _handle(self, stream: str, mail: Mail, *, copy: bool) -> None:
        __tracebackhide__ = True
        hosted = self.hosted(stream)
        try:
            turn = hosted.take(mail, self.now)
        except (CommandRefused, CommandFailed) as refused:
            self._refuse(stream, mail, refused)
            return
        if turn.events or turn.answers:
            turn = self._step(hosted, mail, turn)
        if self.faults.twice and not copy and not isinstance(mail, VOLATILE):
            self.post(stream, mail, copy=True)
        if self.faults.passivate and not hosted.busy:
            self._drop(hosted)

    def _step(self, hosted: Hosted, mail: Mail, turn: Turn) -> Turn:
        """Make a turn durable and let its effects come about; here nodes die."""
        __tracebackhide__ = True
        self.steps.append(f"{hosted.stream}: {_title(mail, turn)}")
        if self.faults.crash_before == len(self.steps):
            self._drop(hosted)
            if isinstance(mail, VOLATILE):
                return Turn()  # it is gone, too; what gave it is done again
            turn = hosted.take(mail, self.now)
        hosted.commit(mail, turn, self.now)
        spread(self, hosted, turn)
        if hosted.dirty:
            self._drop(hosted)
        if self.faults.crash_after == len(self.steps):
            self._drop(hosted)
            if not isinstance(mail, VOLATILE) and (again := hosted.take(mail, self.now)).events:
                hosted.commit(mail, again, self.now)
                spread(self, hosted, again)
        return turn

    def _drop(self, hosted: Hosted) -> None:
        """Lose an activation, and load it again: its local tasks run again."""
        __tracebackhide__ = True
        hosted.drop()
        self.withdraw(hosted.stream, ("local", 0))
        if (turn := hosted.reloaded(self.now)).events:
            hosted.commit(None, turn, self.now)
        spread(self, hosted, turn)

    def _refuse(self, stream: str, mail: Mail, refused: CommandRefused | CommandFailed) -> None:
        caller = mail.caller if isinstance(mail, StartRun | Command) else None
        outcome = Outcome(error=_error(refused))
        match mail:
            case StartRun() if caller is not None:
                self.post(caller.stream, ChildEnded(caller.number, stream, outcome))
            case Command(told=True):
                self.put_aside.append(f"{mail.name} to {stream}, told by {mail.id}: {refused}")
            case Command(scheduled=True):
                self.put_aside.append(f"{mail.name} to {stream}, sent for later: {refused}")
                self.answers.setdefault((stream, mail.id), refused)
            case Command() if caller is not None:
                self.post(caller.stream, CommandEnded(caller.number, stream, outcome))
            case (
                StartRun(command_id=str(id))
                | Command(id=id)
                | CancelRun(id=id)
                | TerminateRun(id=id)
                | SettlePromise(id=id)
            ):
                self.answers.setdefault((stream, id), refused)
            case _:
                raise refused

    # -- workers ------------------------------------------------------------------------------------------

    def _run_task(self, stream: str, mail: RunTask) -> None:
        __tracebackhide__ = True
        scheduled = mail.scheduled
        task = self.app.task(scheduled.name)
        context = self._context(stream, scheduled.task, mail.attempt, task.timeout)
        self.attempts.append(f"{context.key}: {task.name}, attempt {mail.attempt}")
        again = self.faults.twice or self.faults.rerun == len(self.attempts)
        for _ in range(2 if again else 1):
            ended = self.mocks.run(task, scheduled.input, context, self.moment)
            outcome = TaskEnded(scheduled.task, mail.attempt, ended.result, ended.error, ended.retryable)
            self.post(stream, outcome, self.now + ended.took)

    def _run_local(self, stream: str, mail: RunLocal) -> None:
        __tracebackhide__ = True
        call = mail.call
        task = self.app.task(call.name)
        context = self._context(stream, call.task, mail.attempt, task.timeout)
        ended = self.mocks.run(task, call.input, context, self.moment)
        at = self.now + ended.took
        retries = ended.error is not None and ended.retryable
        delay = task.retry.delay_after(mail.attempt, 0.0) if retries else None
        if delay is None:
            self.post(stream, LocalEnded(call, mail.attempt, ended.result, ended.error), at)
        elif mail.attempt < MOST_ATTEMPTS:
            self.post(stream, RunLocal(call, mail.attempt + 1), at + delay)
        else:
            raise NoEnd(f"local task {task.name} of {stream} has failed {mail.attempt} times: its retries have no end")

    @property
    def moment(self) -> datetime:
        """The virtual time."""
        return datetime.fromtimestamp(self.now, UTC)

    def _context(self, stream: str, number: int, attempt: int, timeout: float) -> TaskContext:
        deadline = datetime.fromtimestamp(self.now + timeout, UTC)
        return TaskContext(f"{stream}#{number}", stream, number, attempt, deadline)


def _error(refused: CommandRefused | CommandFailed) -> ErrorInfo:
    details = getattr(refused, "details", None)
    message = refused.message if isinstance(refused, CommandFailed) else str(refused)
    return ErrorInfo(refused.type, message, UNSET if details is None else Raw(encode(details)))


def _title(mail: Mail, turn: Turn) -> str:
    if isinstance(mail, Command):
        return f"command {mail.name}"
    event = decode_event(turn.events[0].type, turn.events[0].data) if turn.events else None
    return type(mail).__name__ if event is None else event.title()
