"""A workflow instance on a stage: driven by facts, with the journal that a store would keep and a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from msgspec import Raw, Struct

from actors import App, Task, Workflow
from actors.definition import WorkflowType
from actors.execution import Execution
from actors.journal import ErrorInfo
from actors.turn import Turn

NOON = 1_700_000_000.0


class Recorded(Struct):
    """An event as a store gives it back."""

    version: int
    type: str
    data: bytes
    recorded_at: datetime
    schema: int = 1


def raw(value: Any) -> Raw:
    """Give a value as JSON."""
    return Raw(json.dumps(value).encode())


def kind_of(cls: type[Workflow], tasks: Iterable[Task[..., Any]] = ()) -> WorkflowType:
    """Register one workflow class."""
    kind = App(actors=[cls], tasks=tasks).type(cls.type_name)
    assert isinstance(kind, WorkflowType)
    return kind


class Stage:
    """One live instance. Every turn's events go to `journal`; `reload` puts a replayed instance in its place."""

    def __init__(
        self, cls: type[Workflow], tasks: Sequence[Task[..., Any]] = (), journal: Sequence[Recorded] = ()
    ) -> None:
        self.kind = kind_of(cls, tasks)
        self.stream = f"{self.kind.name}/1"
        self.now = journal[-1].recorded_at.timestamp() if journal else NOON
        self.journal: list[Recorded] = list(journal)
        self.turns: list[Turn] = []
        self._made: list[Execution] = []
        self.execution = self.fresh()

    def fresh(self, kind: WorkflowType | None = None) -> Execution:
        """Make an empty instance of this stream, disposed of with the stage."""
        execution = Execution(kind or self.kind, self.stream)
        self._made.append(execution)
        return execution

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for execution in self._made:
            execution.dispose()

    # -- facts ----------------------------------------------------------------------------------------------

    def start(self, **input: Any) -> Turn:
        return self.keep(self.execution.start(raw(input), "start", self.now))

    def command(self, name: str, id: str | None = None, **input: Any) -> Turn:
        return self.keep(self.execution.command(id or f"c{len(self.turns)}", name, raw(input), self.now))

    def done(self, task: int, result: Any = None, local: str | None = None) -> Turn:
        return self.keep(self.execution.task_completed(task, raw(result), self.now, local=local))

    def fail(self, task: int, type: str = "ValueError", message: str = "no", local: str | None = None) -> Turn:
        return self.keep(self.execution.task_failed(task, ErrorInfo(type, message), 1, self.now, local=local))

    def fire(self, timer: int) -> Turn:
        self.now = max(self.now, self.execution.ledger.timers.get(timer, self.now))
        return self.keep(self.execution.timer_fired(timer, self.now))

    def keep(self, turn: Turn) -> Turn:
        self.turns.append(turn)
        for record in turn.events:
            at = datetime.fromtimestamp(self.now, UTC)
            self.journal.append(Recorded(len(self.journal) + 1, record.type, record.data, at, record.schema))
        return turn

    # -- what came of it ------------------------------------------------------------------------------------

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.journal]

    @property
    def result(self) -> Any:
        outcome = self.execution.outcome
        assert outcome is not None, f"not finished: waits for {self.execution.waiting_for()}"
        assert outcome.result is not None, f"failed: {outcome.error}"
        return json.loads(bytes(outcome.result))

    @property
    def error(self) -> ErrorInfo:
        outcome = self.execution.outcome
        assert outcome is not None, f"not finished: waits for {self.execution.waiting_for()}"
        assert outcome.error is not None
        return outcome.error

    def query(self, name: str, **input: Any) -> Any:
        return json.loads(self.execution.query(name, raw(input)))

    # -- replay ---------------------------------------------------------------------------------------------

    def replayed(self, cls: type[Workflow] | None = None, tasks: Sequence[Task[..., Any]] = ()) -> Execution:
        """Replay the journal, with this class or another version of it; raises what replay raises."""
        execution = self.fresh(None if cls is None else kind_of(cls, tasks))
        execution.replay(self.journal)
        return execution

    def reload(self, cls: type[Workflow] | None = None, tasks: Sequence[Task[..., Any]] = ()) -> None:
        """Go on with a replayed instance, as after a restart or a deployment."""
        self.execution.dispose()
        self.execution = self.replayed(cls, tasks)

    def reload_same(self) -> None:
        """Go on with a replayed instance of the same code."""
        self.execution.dispose()
        self.execution = self.fresh()
        self.execution.replay(self.journal)
