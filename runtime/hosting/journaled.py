"""One instance that has a journal, in memory: what its turns write, and what becomes of the operations that it awaits.

A workflow is one, and so is what an actor's async command has under way. The journal is the inbox of both: a task whose
outcome it holds is done. Nothing here waits, and nothing leaves; both are the activation's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import assert_never

from msgspec import Raw

from actors.definition import WorkflowType
from actors.execution import Execution
from actors.journal import TaskScheduled
from actors.ledger import OpenTask
from actors.turn import LocalCall, Outcome, StoppedChild, TimerRow, Turn
from eventstore import Commit, NewEvent, OutboxMessage, Redelivery, TimerKey
from eventstore import Execution as ExecutionRow
from runtime.hosting.calls import command_message
from runtime.hosting.children import start_message
from runtime.hosting.ground import Ground
from runtime.hosting.item import LocalDone, Step, TimerDue
from runtime.hosting.replies import NULL, reply_for
from runtime.messages import ChildOutcome, CommandOutcome, TaskMessage, TaskOutcome, encode_message
from runtime.transport.port import Destination

Outcomes = TaskOutcome | ChildOutcome | CommandOutcome | TimerDue | LocalDone


class Journaled(ABC):
    """See the module's docstring. Who extends it says what else a commit holds, and how the instance is listed."""

    def __init__(self, ground: Ground, kind: WorkflowType, stream: str) -> None:
        self.ground, self.kind, self.stream = ground, kind, stream
        self.execution = Execution(kind, stream)
        self.correlation_id: str | None = None  # the business flow that the instance belongs to
        self.started_at: datetime | None = None
        self.row: tuple[str, bool] | None = None  # status and busy flag, as last handed to a commit

    @abstractmethod
    def listing(self, turn: Turn, now: datetime) -> ExecutionRow | None:
        """Give the listing's row when it changed; most turns don't touch it."""

    @property
    def version(self) -> int:
        """The stream's version, with all steps handed out so far."""
        return self.execution.version

    @property
    def exists(self) -> bool:
        """Whether there is such an instance."""
        return self.version > 0

    @property
    def broken(self) -> bool:
        """Whether a mistake in the code keeps the instance from going on."""
        return self.execution.broken is not None

    @property
    def parked(self) -> bool:
        """Whether that is for want of code: this node does not know its type, or its version of it."""
        return self.execution.parked

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self.execution.outcome is not None

    @property
    def busy(self) -> bool:
        """Whether local tasks run for it, which only this memory knows of."""
        return bool(self.execution.pending_local_calls())

    def open_tasks(self) -> list[str]:
        """Give the outbox ids of the tasks, children and commands that an outcome is owed for."""
        ledger = self.execution.ledger
        return [
            f"{self.stream}#{number}" for number in (*ledger.tasks, *ledger.children, *ledger.sent, *ledger.unheard)
        ]

    def local_calls(self) -> list[LocalCall]:
        """Give the local tasks that the instance waits for."""
        return self.execution.pending_local_calls()

    def dispose(self) -> None:
        """Drop the coroutines."""
        self.execution.dispose()

    # -- what became of an operation

    def hear(self, content: Outcomes) -> Step:
        """Take the outcome of an operation that the code has asked for."""
        match content:
            case TaskOutcome():
                return self._task_outcome(content)
            case ChildOutcome() | CommandOutcome():
                return self._other_outcome(content)
            case TimerDue():
                return self._timer(content.timer)
            case LocalDone():
                return self._local(content)
            case _:
                assert_never(content)

    def _task_outcome(self, message: TaskOutcome) -> Step:
        execution, now = self.execution, self.ground.clock.now()
        at, cause = now.timestamp(), f"{self.stream}#{message.task}.{message.attempt}"
        if message.error is None:
            turn = execution.task_completed(
                message.task, message.result if isinstance(message.result, Raw) else NULL, at
            )
            return self.step(turn, now, cause)
        open_task = execution.ledger.tasks.get(message.task)
        if open_task is None or open_task.attempt != message.attempt:
            return Step()  # an older attempt's failure, or a task that is done: nothing is news about it
        if self.parked and message.retryable:
            return Step()  # how often it is tried is for the code to say: until then, its row repeats this attempt
        delay = self._retry_delay(open_task, message) if open_task.awaited else None
        if delay is None:
            turn = execution.task_failed(message.task, message.error, message.attempt, at)
            return self.step(turn, now, cause)
        retry_at = now + timedelta(seconds=delay)
        turn = execution.task_attempt_failed(message.task, message.attempt, message.error, retry_at.timestamp(), at)
        step = self.step(turn, now, cause)
        self._schedule_retry(step, open_task.scheduled, message.attempt + 1, retry_at)
        return step

    def _retry_delay(self, open_task: OpenTask, message: TaskOutcome) -> float | None:
        task = self.kind.tasks.get(open_task.scheduled.name)
        if task is None or not message.retryable:
            return None
        return task.retry.delay_after(message.attempt - open_task.former, self.ground.jitter())

    def _schedule_retry(self, step: Step, scheduled: TaskScheduled, attempt: int, due: datetime) -> None:
        if step.commit is not None:
            retry = self.task_message(scheduled, attempt, due)
            step.commit.outbox_redeliver.append(Redelivery(retry.id, due, retry.body))
            step.later.append(retry)

    def _other_outcome(self, message: ChildOutcome | CommandOutcome) -> Step:
        """Take what became of a child, or of a command that another actor was given."""
        execution, now = self.execution, self.ground.clock.now()
        outcome = Outcome(message.result if isinstance(message.result, Raw) else None, message.error)
        cause = f"{self.stream}#{message.number}"
        if isinstance(message, ChildOutcome):
            outcome.ended = message.ended
            turn = execution.child_ended(message.number, message.child, outcome, now.timestamp())
            child = execution.ledger.children.get(message.number)
            asked_for = message.number <= execution.ledger.before if child is None else child.stream == message.child
        else:
            turn = execution.command_answered(message.number, message.actor, outcome, now.timestamp())
            ledger = execution.ledger
            sent = ledger.sent.get(message.number) or ledger.unheard.get(message.number)
            asked_for = message.number <= ledger.before if sent is None else sent.stream == message.actor
        step = self.step(turn, now, cause)
        if step.commit is None and (asked_for or not self.exists):
            # The run has ended before, or was deleted since, and perhaps another one has begun under its name: nothing is
            # news to it, and only the row is left to go.
            step.commit = self.no_events()
            step.commit.outbox_remove = [cause]
        return step

    def _timer(self, timer: TimerKey) -> Step:
        now = self.ground.clock.now()
        turn = self.execution.timer_fired(timer.number, now.timestamp())
        step = self.step(turn, now, f"{self.stream}#{timer.number}")
        if step.commit is None:
            # Nobody waits for it: only its row is left to go, and only if the state that says so is the log's. Memory
            # runs ahead of it, and what is refused must not have taken the timer along.
            step.commit = self.no_events()
        if timer not in step.commit.timers_clear:
            step.commit.timers_clear.append(timer)
        return step

    def _local(self, done: LocalDone) -> Step:
        now, call = self.ground.clock.now(), done.call
        if done.error is None:
            turn = self.execution.task_completed(call.task, done.result or NULL, now.timestamp(), local=call.name)
        else:
            turn = self.execution.task_failed(call.task, done.error, done.attempts, now.timestamp(), local=call.name)
        return self.step(turn, now, f"{self.stream}#{call.task}.{done.attempts}")

    # -- from a turn to a step

    def step(self, turn: Turn, now: datetime | None = None, causation_id: str | None = None) -> Step:
        """Say what is to be written, and what may leave then, because of a turn; `causation_id` names what led to it."""
        step = Step(
            logs=turn.logs,
            local_calls=turn.local_calls,
            local_given_up=turn.local_given_up,
            stuck=turn.stuck,
            resumed=turn.resumed,
        )
        if turn.events:
            now = now or self.ground.clock.now()
            step.commit = commit = self.commit(turn, now, causation_id)
            if turn.stopped is not None:
                self.stop_children(commit, step, turn.stopped, now)
        if turn.answers:
            step.resolved = [(answer.command_id, reply_for(answer.outcome)) for answer in turn.answers]
        if turn.finished is not None:
            step.resolved.append((None, reply_for(turn.finished)))
        return step

    def commit(self, turn: Turn, now: datetime, causation_id: str | None) -> Commit:
        """Make the commit of a turn. Most turns have two or three of its parts, and this is done for every one."""
        records, correlation_id = turn.events, self.correlation_id
        commit = Commit(
            self.ground.partition,
            self.ground.epoch,
            self.stream,
            self.execution.version - len(records),
            [
                NewEvent(record.type, record.data, now, record.schema, causation_id, correlation_id)
                for record in records
            ],
            execution=self.listing(turn, now),
        )
        if turn.tasks:
            commit.outbox = [self.task_message(task, 1) for task in turn.tasks]
        if turn.children is not None:
            commit.outbox += [
                start_message(self.stream, child, self.ground.partitions, correlation_id, now)
                for child in turn.children
            ]
        if turn.sent is not None:
            commit.outbox += [
                command_message(self.stream, sent, self.ground.partitions, correlation_id, now) for sent in turn.sent
            ]
        if turn.tasks_closed:
            commit.outbox_remove = [f"{self.stream}#{task}" for task in turn.tasks_closed]
        if turn.timers_set:
            commit.timers_set = [self._timer_key(timer) for timer in turn.timers_set]
        if turn.timers_cleared:
            commit.timers_clear = [self._timer_key(timer) for timer in turn.timers_cleared]
        return commit

    def no_events(self) -> Commit:
        """Make a commit that changes rows only, and only if the state in memory is the log's."""
        return Commit(self.ground.partition, self.ground.epoch, self.stream, self.version)

    def stop_children(self, commit: Commit, step: Step, stopped: list[StoppedChild], now: datetime) -> None:
        """Put other messages into the rows of children that are not wanted any more, and send them."""
        rows = {row.id: row for row in commit.outbox}
        last = {child.started.child: child for child in stopped}
        for child in last.values():
            message = start_message(
                self.stream, child.started, self.ground.partitions, self.correlation_id, now, child.stop
            )
            if (row := rows.get(message.id)) is not None:  # it is started in this very turn
                row.body = message.body
                continue
            message.due_at = now
            commit.outbox_redeliver.append(Redelivery(message.id, now, message.body))
            step.later.append(message)

    def task_message(self, scheduled: TaskScheduled, attempt: int, due_at: datetime | None = None) -> OutboxMessage:
        """Make the message that has a worker do a task."""
        message = TaskMessage(
            stream=self.stream,
            partition=self.ground.partition,
            task=scheduled.task,
            attempt=attempt,
            name=scheduled.name,
            input=scheduled.input,
            correlation_id=self.correlation_id,
        )
        return OutboxMessage(
            id=message.key,
            destination=Destination.TASKS,
            routing_key=self.kind.tasks[scheduled.name].queue,
            body=encode_message(message),
            correlation_id=self.correlation_id,
            due_at=due_at,
        )

    def _timer_key(self, row: TimerRow) -> TimerKey:
        return TimerKey(datetime.fromtimestamp(row.due, UTC), self.stream, row.number)
