"""One workflow instance in memory: its journal, what outlives its former runs, its callers, and its listing."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from actors.definition import WorkflowType
from actors.journal import Caller, InstanceDeleted
from actors.turn import Outcome, Turn
from eventstore import Commit, InboxMark, OutboxMessage
from eventstore import Execution as ExecutionRow
from runtime.hosting.called import Called
from runtime.hosting.children import outcome_message
from runtime.hosting.former_runs import FormerRuns, last_marks
from runtime.hosting.ground import Ground, answers, refusal, storable
from runtime.hosting.item import Item, Step
from runtime.hosting.journaled import Journaled
from runtime.hosting.parked import PARKED
from runtime.hosting.replies import missing, reply_for
from runtime.messages import Send

PAUSED: Final = "paused"  # the listing's status of an instance that somebody holds


class WorkflowInstance(Journaled):
    """Made empty, and filled by being loaded or started."""

    dirty = False  # a start that was not to be: what is in memory is not what the log has

    def __init__(self, ground: Ground, kind: WorkflowType, stream: str) -> None:
        super().__init__(ground, kind, stream)
        self.former_runs = FormerRuns()
        self.called = Called(ground, stream)
        self.marks: dict[str, InboxMark] = {}  # as far as the log was asked for
        self.begins_at = 0  # the version at which it can be started
        self.ended_here = False  # the run has ended in this memory: whoever waited for it may not have been told yet

    @property
    def exists(self) -> bool:
        """Whether it was started, and not deleted since."""
        return self.execution.ledger.start is not None

    @property
    def has_past(self) -> bool:
        """Whether the inbox may know of requests that this run would hear: former runs', a deleted instance's, or what did
        nothing before somebody put the run right.
        """
        ledger = self.execution.ledger
        return ledger.run > 1 or bool(ledger.corrections) or (self.version > 0 and not self.exists)

    def deleted(self) -> InstanceDeleted:
        """Give what is left of it when it is deleted."""
        return self.execution.deleted()

    def last_marks(self) -> list[InboxMark]:
        """Give what the inbox has to remember of it then."""
        return last_marks(self.execution.ledger)

    @property
    def paused(self) -> bool:
        """Whether somebody holds it: its code does not run, and it is not tried again."""
        return self.execution.ledger.paused is not None

    @property
    def at_rest(self) -> bool:
        """Whether no code of it will run any more."""
        return self.finished

    def step(
        self, turn: Turn, now: datetime | None = None, causation_id: str | None = None, received: Send | None = None
    ) -> Step:
        """Make the step of a turn; `received` is the command that it began with, if it did."""
        step = super().step(turn, now, causation_id)
        if turn.finished is not None:
            self.ended_here = True
        if self.execution.ledger.run > 1 and (commit := step.commit) is not None:
            commit.inbox = self.former_runs.marks(turn, received)
            if (run := turn.new_run) is not None:
                step.new_run = True
                started_at = self.started_at or commit.events[0].recorded_at
                commit.snapshot = self.former_runs.snapshot(run, started_at, self.correlation_id)
        return step

    def commit(self, turn: Turn, now: datetime, causation_id: str | None) -> Commit:
        """Make the commit of a turn, which also tells those who have called this instance."""
        commit, finished = super().commit(turn, now, causation_id), turn.finished
        if turn.answers or (finished is not None and self.execution.ledger.commands):
            commit.outbox += self.called.answers(turn, self.execution.ledger, self.correlation_id)
        if finished is not None and (caller := self._caller) is not None:
            commit.outbox.append(self.told(caller, finished, self.correlation_id))
        return commit

    def listing(self, turn: Turn, now: datetime) -> ExecutionRow | None:
        """Give the listing's row when it changed; most turns don't touch it."""
        row = self.listed()
        if row == self.row and not turn.relisted:
            return None
        attributes = self.execution.ledger.attributes if turn.relisted or self.row is None else None
        if attributes is None and (turn.relisted or (self.row is None and self.execution.ledger.run > 1)):
            attributes = {}  # not those of the run before, or of a turn that was taken back
        self.row = row
        status, busy = row
        outcome = self.execution.outcome
        error = turn.stuck or (outcome.error if outcome else None)
        return ExecutionRow(
            status=status,
            started_at=self.started_at or now,
            updated_at=now,
            busy=busy,
            closed_at=now if outcome is not None else None,
            error=None if error is None else storable(f"{error.type}: {error.message}"),
            correlation_id=self.correlation_id,
            attributes=attributes,
        )

    def listed(self) -> tuple[str, bool]:
        """Give the listing's status, and whether a new owner has to look at the instance at once."""
        outcome = self.execution.outcome
        if outcome is not None:
            return outcome.status, self.busy
        if self.paused:
            return PAUSED, self.busy
        if self.parked:
            return PARKED, True  # the new owner may have its code
        if self.execution.ledger.retried and not self.execution.ledger.stuck:
            return "running", True  # whoever loads it next opens its work again
        return "stuck" if self.execution.ledger.stuck else "running", self.busy

    def answer_result(self, item: Item, step: Step) -> None:
        """Answer who waits for the result, now or with the step that ends the run."""
        outcome = self.execution.outcome
        if outcome is None or step.resolved:  # the step that ends the run answers everybody who waits
            self.ground.waiters.add(self.stream, None, item.reply_to)
        else:
            step.replies += answers(item, reply_for(outcome))

    def not_found(self, item: Item) -> Step:
        """Answer what is for an instance that was never started."""
        return refusal(item, missing(self.stream))

    @property
    def _caller(self) -> Caller | None:
        started = self.execution.ledger.start
        return None if started is None else started.caller

    def told(self, caller: Caller, outcome: Outcome, correlation_id: str | None) -> OutboxMessage:
        """Make the message that tells a caller of the end."""
        return outcome_message(self.stream, caller, outcome, self.ground.partitions, correlation_id)
