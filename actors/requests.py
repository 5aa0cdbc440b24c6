"""What a run's code asks for: everything that it reaches of the runtime, by way of `self` and of its loop.

Each request that is awaited gets the next number, and its decision is noted; nothing else happens here. What becomes of the
decisions is the business of the `Execution` that owns the program, and what settles a request comes in by `Program.feed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, NoReturn

from msgspec import Raw

from actors.attributes import checked
from actors.callbacks import DurableTimer
from actors.child import ChildHandle, ChildOptions, call_child, start_child
from actors.codec import decode_any, decoder, encode
from actors.continuation import ContinueAsNew
from actors.definition import WorkflowType
from actors.errors import DefinitionError
from actors.handlers import Handler
from actors.journal import (
    AttributesSet,
    ChildStarted,
    CommandSent,
    JournalEvent,
    Origin,
    Patched,
    Said,
    TaskScheduled,
    ValueRecorded,
)
from actors.loop import DurableLoop
from actors.mapping import Mapping
from actors.operation import ChildCall, CommandCall, Operation, TaskCall
from actors.precedents import Precedents
from actors.promise import Promises
from actors.sending import LastCommands, letter
from actors.signature import value_type
from actors.task import Task
from actors.turn import LocalCall, LogLine
from actors.workflow import Workflow


class Requests:
    """See the module's docstring: the `actors.loop.Host` of a loop, and the `actors.workflow.Surroundings` of an instance.

    `open`, `timers` and `local_calls` say what the code waits for now. `new_local_calls`, `cleared`, `given_up` and `logs`
    collect what it did besides deciding, until they are emptied.
    """

    __slots__ = (
        "_bug", "_decisions", "_diverged", "_ordinal", "_patches", "_promises", "_random", "_reading", "_said", "_seed",
        "asked", "cleared", "given_up", "kind", "local_calls", "logs", "loop", "new_local_calls", "open", "precedents",
        "replaying", "stream", "timers",
    )  # fmt: skip

    def __init__(self, kind: WorkflowType, stream: str, run: int = 1, asked: int = 0) -> None:
        """Make it; `run` says which one of the stream's it is, `asked` how many operations the former ones have numbered."""
        self.kind, self.stream, self._ordinal = kind, stream, run
        self.loop = DurableLoop(self, stream)  # type: ignore[abstract]  # the refused methods are added by name
        self.asked = asked  # operations so far: timers share the numbering
        self.open: dict[int, Operation] = {}
        self.local_calls: dict[int, LocalCall] = {}
        self.timers: dict[int, DurableTimer] = {}
        self.new_local_calls: list[LocalCall] = []
        self.cleared: list[int] = []  # timers that are not waited for any more
        self.given_up: list[int] = []  # tasks, likewise
        self.logs: list[LogLine] = []
        self.replaying = False
        self.precedents: Precedents | None = None  # in a replay
        self._patches: dict[str, bool] = {}  # asked for so far, and whether they are taken
        self._reading = False  # a query or validator: it must leave no trace
        self._diverged = False  # the code has left the path of its journal: nothing that it does counts
        self._decisions: list[JournalEvent | DurableTimer] = []
        self._bug: BaseException | None = None
        self._seed = stream
        self._random: Random | None = None
        self._said: LastCommands | None = None
        self._promises: Promises | None = None  # made when one is settled or awaited

    @property
    def promises(self) -> Promises:
        """The instance's promises."""
        if self._promises is None:
            self._promises = Promises()
        return self._promises

    @property
    def random(self) -> Random:
        """Random numbers for the code, the same in every replay; made when asked for, as one costs 2.5 KB."""
        if self._random is None:
            seed = self._seed if self._ordinal == 1 else f"{self._seed} run {self._ordinal}"
            self._random = Random(seed)  # noqa: S311 - repeatable on purpose
        return self._random

    def forked(self, origin: Origin | None) -> None:
        """Hear what the instance was forked from, if it was: random numbers, and the order of commands, depend on it."""
        if origin is not None:
            self._seed, self._said = origin.seed or origin.stream, LastCommands(origin.sent)

    def said_of_late(self, now: float) -> dict[str, Said]:
        """Give the last commands to others, for the next run: its own come after them."""
        return {} if self._said is None else self._said.of_late(now)

    def tells_as(self, said: LastCommands) -> None:
        """Hear which commands were really given, where the code does not show it."""
        self._said = said

    async def call_task(self, task: Task[Any, Any], input: bytes) -> Any:
        """Schedule a task and await its result; see `actors.loop.Host`."""
        loop = self.loop
        if loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        if self.kind.tasks.get(task.name) is not task:
            raise DefinitionError(f"task {task.name} is not registered: name it in App(tasks=[…])")
        self.asked = number = self.asked + 1
        self.open[number] = operation = TaskCall(number, loop, task)
        if task.local:
            self.local_calls[number] = call = LocalCall(number, task.name, input)
            self.new_local_calls.append(call)
        else:
            self._decisions.append(TaskScheduled(number, task.name, Raw(input)))
        try:
            return task.signature.decode_result(await operation.future)
        except asyncio.CancelledError:
            if operation.future.cancelled():
                self.given_up.append(number)
            raise
        finally:
            del self.open[number]
            if task.local:
                del self.local_calls[number]

    async def map_task(self, task: Task[Any, Any], inputs: Sequence[bytes], at_most: int | None) -> list[Any]:
        """Schedule a task for each of many inputs, and await all results; see `actors.workflow.Surroundings`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        if self.kind.tasks.get(task.name) is not task:
            raise DefinitionError(f"task {task.name} is not registered: name it in App(tasks=[…])")
        return await Mapping(self, task, inputs, at_most).results()

    def call_child(
        self,
        workflow: type[Workflow] | str,
        id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: ChildOptions,
    ) -> Coroutine[Any, Any, Any]:
        """Start another workflow and await its result; see `actors.workflow.Surroundings`."""
        return call_child(self, workflow, id, args, kwargs, options)

    def start_child(
        self,
        workflow: type[Workflow] | str,
        id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: ChildOptions,
    ) -> ChildHandle[Any]:
        """Start another workflow; see `actors.workflow.Surroundings`."""
        return ChildHandle(self, start_child(self, workflow, id, args, kwargs, options))

    def child_recorded(self, recorded: ChildStarted) -> bool:
        """Take over a child's recorded policy; says whether, unlike the code's, it leaves the child alone."""
        operation = self.open.get(recorded.child)
        if isinstance(operation, ChildCall):
            operation.on_close = recorded.on_close
        return recorded.on_close == "abandon"

    def decide(self, decision: JournalEvent) -> None:
        """Take a decision of the code."""
        if self._reading:
            raise DefinitionError("that belongs into run or a command: queries and validators leave no trace")
        self._decisions.append(decision)

    def patched(self, name: str) -> bool:
        """Say whether this run takes a patch; see `actors.Workflow.patched`."""
        taken = self._patches.get(name)
        if taken is None:
            if self._reading or self.loop.is_closed():
                return False
            taken = None if self.precedents is None else self.precedents.patched(name)
            if taken is None:
                taken = True
                self._decisions.append(Patched(name))
            self._patches[name] = taken
        return taken

    def record(self, make: Callable[[], Any], type: Any) -> Any:
        """Give a value that is made once; see `actors.Workflow.record`."""
        if self._reading:
            raise DefinitionError("record() belongs into run or a command: queries and validators leave no trace")
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        self.asked = number = self.asked + 1
        value = None if self.precedents is None else self.precedents.value(number)
        if value is None:
            value = self._made(make)
        if isinstance(value, bool):
            # The replay finds that the journal has no such value. The code can't go on without one.
            self._diverged = True
            self._decisions.append(ValueRecorded(number, Raw(b"null")))
            raise GeneratorExit
        self._decisions.append(ValueRecorded(number, value))
        return decoder(value_type(make) if type is None else type)(value)

    async def call_actor(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Give another actor a command and await its answer; see `actors.reference`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        handler, sent = self._send(actor, id, command, args, kwargs, told=False)
        self.open[sent.command] = operation = CommandCall(sent, self.loop)
        try:
            answer = await operation.future
            return decode_any(answer) if handler is None else handler.signature.decode_result(answer)
        finally:
            del self.open[sent.command]

    def tell_actor(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Give another actor a command; see `actors.reference`."""
        if not self.loop.is_closed():
            self._send(actor, id, command, args, kwargs, told=True)

    def set_attributes(self, values: dict[str, Any]) -> None:
        """Set search attributes; see `actors.Workflow.set_search_attributes`."""
        if self._reading:
            raise DefinitionError(
                "search attributes are set in run or a command: queries and validators leave no trace"
            )
        if not self.loop.is_closed():
            self._decisions.append(AttributesSet(checked(values)))

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        """End the run for a new one; see `actors.workflow.Surroundings`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        raise ContinueAsNew(Raw(self.kind.run_signature.encode(args, kwargs)))

    async def promise(self, name: str, type: Any) -> Any:
        """Await a promise; see `actors.Workflow.promise`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        return await self.promises.wait(name, type)

    def timer_set(self, timer: DurableTimer) -> int:
        """Keep a timer; see `actors.loop.Host`. One that is cancelled within its turn never existed."""
        self._decisions.append(timer)
        self.asked += 1
        return self.asked

    def timer_cleared(self, timer: DurableTimer) -> None:
        """Drop a timer; see `actors.loop.Host`."""
        if self.timers.pop(timer.number, None) is not None:
            self.cleared.append(timer.number)

    def log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Take a line for the log; see `actors.workflow.Surroundings`."""
        if not self.replaying and not self.loop.is_closed():
            self.logs.append(LogLine(level, event, fields))

    def _send(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, told: bool
    ) -> tuple[Handler | None, CommandSent]:
        checked = letter(self.kind.siblings, actor, id, command, args, kwargs)
        self.asked = number = self.asked + 1
        if self._said is None:
            self._said = LastCommands()
        sent = self._said.next(checked, number, self.loop.time(), told=told)
        self._decisions.append(sent)
        return checked.handler, sent

    def _made(self, make: Callable[[], Any]) -> Raw:
        try:
            return Raw(encode(make()))
        except Exception as error:
            # Also a declared failure: the code must not go on from what no replay will see.
            self._bug = self._bug or error
            raise
