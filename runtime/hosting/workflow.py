"""How a workflow instance handles what comes into its mailbox: messages in, steps out.

The journal is the inbox of a workflow: a command id that it holds was accepted, a task whose outcome it holds is done.
Nothing here waits, and nothing leaves; both are the activation's business.
"""

from __future__ import annotations

from typing import assert_never

from msgspec import Raw

from actors import Bug, Failure, InvalidInput, Nondeterminism
from actors.failures import error_info
from actors.journal import encode_event
from actors.turn import Turn
from eventstore import Commit, LoadedStream, NewEvent, RecordedEvent
from runtime.hosting.cancelled_commands import cancel_in_workflow
from runtime.hosting.commanding import command
from runtime.hosting.correcting import correct
from runtime.hosting.endings import request_end
from runtime.hosting.ground import answers, refusal
from runtime.hosting.instance import WorkflowInstance
from runtime.hosting.item import CancelDelayed, Expire, Item, LocalDone, Step, TimerDue, Wake
from runtime.hosting.promises import settle
from runtime.hosting.replies import REQUESTED, RESOLVED, TERMINATED
from runtime.hosting.requests import heard_before, lost
from runtime.hosting.restarting import restart
from runtime.hosting.starting import start
from runtime.messages import (
    Ask,
    AwaitResult,
    Cancel,
    ChildOutcome,
    CommandOutcome,
    Correct,
    Correction,
    Delete,
    Reply,
    Resolve,
    Restart,
    Send,
    Start,
    Status,
    TaskOutcome,
    Terminate,
    error_reply,
)
from runtime.transport.port import Destination


class WorkflowBehaviour(WorkflowInstance):
    """One workflow instance in memory; made empty, and filled by `load` or by its start."""

    def load(self, loaded: LoadedStream, *, was_stuck: bool) -> Step:  # noqa: ARG002 - its journal says so itself
        """Rebuild the instance; the step says what that leads to: being stuck, going on, running local tasks again.

        Raises:
            SnapshotRefused: not from this snapshot; `self` is of no use any more.
        """
        execution = self.execution
        self.called.load(loaded)
        self.marks = dict(loaded.inbox)
        run, self.started_at, self.correlation_id = self.former_runs.begin(loaded)
        if run is None and not loaded.events:
            return Step()
        try:
            execution.replay(loaded.events, run)
        except (Nondeterminism, Bug):
            self.row = self.listed() if execution.ledger.stuck else ("running", False)
            step = self.step(execution.stick())
            return step if step.commit is not None else self._stopped_otherwise()
        if not self.exists:  # what is left of a deleted one does not go on, though an old release called it stuck
            self.begins_at = self.version
            return Step()
        self.row = None if execution.ledger.stuck else self.listed()
        now = self.ground.clock.now()
        turn = execution.resume(now.timestamp())
        step = self.step(turn, now)
        if step.commit is not None and turn.tasks:
            self._number_attempts(step.commit, turn)
        step.local_calls = execution.pending_local_calls()
        return step

    def _stopped_otherwise(self) -> Step:
        """Correct the listing's reason when what stops the instance now is not what its journal says."""
        execution = self.execution
        if self.finished or execution.broken is None or execution.ledger.stuck_by == execution.broken.type:
            return Step()
        self.row, commit = None, self.no_events()
        commit.execution = self.listing(Turn(stuck=execution.broken), self.ground.clock.now())
        return Step(commit)

    def adopt(self, events: list[RecordedEvent]) -> Commit:
        """Make the commit that begins this stream with events that were copied from another one; see `forks`.

        Raises:
            Nondeterminism, Bug: the code can't live on from them.
        """
        execution, now = self.execution, self.ground.clock.now()
        self.correlation_id, self.started_at = events[0].correlation_id, events[0].recorded_at
        try:
            turn, renamed = execution.adopt(events, now.timestamp())
            commit = self.commit(turn, now, None)
            rows = {row.id for row in commit.outbox}
            stopped = [child for child in turn.stopped or () if f"{self.stream}#{child.started.child}" in rows]
            self.stop_children(commit, Step(), stopped, now)
        finally:
            execution.dispose()
        for version, event in renamed.items():
            events[version - 1].data = encode_event(event)
        commit.expected_version, commit.events = 0, copies(events) + commit.events
        self._number_attempts(commit, turn)
        return commit

    def _number_attempts(self, commit: Commit, turn: Turn) -> None:
        """Have tasks that are opened again go on counting their attempts."""
        tasks = self.execution.ledger.tasks
        commit.outbox = [self.task_message(task, tasks[task.task].attempt) for task in turn.tasks] + [
            message for message in commit.outbox if message.destination != Destination.TASKS
        ]

    def handle(self, item: Item) -> Step:
        """Handle one item."""
        content = item.content
        match content:
            case TaskOutcome() | ChildOutcome() | CommandOutcome() | TimerDue() | LocalDone():
                return self.hear(content)
            case Delete() | Expire() | Wake():  # the activation's own business
                return Step()
            case CancelDelayed():
                return cancel_in_workflow(self, item, content)
            case _:
                return self._asked(item, content)

    def _asked(
        self, item: Item, content: Start | Send | Ask | AwaitResult | Cancel | Terminate | Resolve | Correction
    ) -> Step:
        match content:
            case Start():
                return start(self, item, content)
            case Send():
                return command(self, item, content) if content.caller is None else self._call(item, content)
            case Ask():
                return self._ask(item, content)
            case AwaitResult():
                return self._await(item)
            case Cancel() | Terminate():
                return self._end(item, content)
            case Resolve():
                return self._resolve(item, content)
            case Restart():
                return restart(self, item, content)
            case Correct():
                return correct(self, item, content)
            case _:
                assert_never(content)

    def _call(self, item: Item, message: Send) -> Step:
        """Take a command from another actor."""
        return self.called.take(item, message, self.execution, lambda item, message: command(self, item, message))

    def _ask(self, item: Item, message: Ask) -> Step:
        if self.execution.ledger.start is None:
            return self.not_found(item)
        try:
            reply = Reply(Status.OK, Raw(self.execution.query(message.name, message.input)))
        except InvalidInput as error:
            reply = error_reply(Status.INVALID, error)
        except Failure as error:
            reply = error_reply(Status.FAILED, error_info(error))
        except Bug as error:
            reply = error_reply(Status.STUCK if self.broken else Status.FAILED, error)
        return Step(replies=answers(item, reply))

    def _await(self, item: Item) -> Step:
        step = Step()
        if self.execution.ledger.start is None:
            return self.not_found(item)
        self.answer_result(item, step)
        return step

    def _end(self, item: Item, message: Cancel | Terminate) -> Step:
        if (before := heard_before(self, item, message)) is not None:
            return before
        if self.execution.ledger.start is None:
            return self.not_found(item)
        now = self.ground.clock.now()
        turn, reply = request_end(self.stream, self.execution, message, now.timestamp())
        if not turn.events and reply not in (REQUESTED, TERMINATED):
            return lost(self, item, message, reply)
        step = self.step(turn, now, message.command_id)
        step.replies += answers(item, reply)
        return step

    def _resolve(self, item: Item, message: Resolve) -> Step:
        if (before := heard_before(self, item, message)) is not None:
            return before
        if self.execution.ledger.start is None:
            return self.not_found(item)
        now = self.ground.clock.now()
        turn, reply = settle(self.stream, self.execution, message, now.timestamp())
        if not turn.events and reply.error is not None and item.reply_to is None:
            return refusal(item, reply)
        if not turn.events and reply != RESOLVED:
            return lost(self, item, message, reply)
        step = self.step(turn, now, message.command_id)
        step.replies += answers(item, reply)
        return step


def copies(events: list[RecordedEvent]) -> list[NewEvent]:
    """Give recorded events as new ones of another stream; their times, causes and flows are as they were."""
    return [
        NewEvent(e.type, e.data, e.recorded_at, e.schema, e.causation_id, e.correlation_id, e.trace) for e in events
    ]
