"""How a workflow instance handles what comes into its mailbox: messages in, steps out.

The journal is the inbox of a workflow: a command id that it holds was accepted, a task whose outcome it holds is done.
Nothing here waits, and nothing leaves; both are the activation's business.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import assert_never

from msgspec import Raw

from actors import Bug, Failure, InvalidInput, Nondeterminism
from actors.codec import canonical
from actors.definition import WorkflowType
from actors.execution import Execution
from actors.failures import error_info
from actors.journal import Caller, ErrorInfo, RunStarted, Stop, TaskScheduled, encode_event
from actors.ledger import TakenCommand
from actors.turn import LocalCall, Outcome, StoppedChild, TimerRow, Turn
from eventstore import Commit, InboxMark, LoadedStream, NewEvent, OutboxMessage, RecordedEvent, Redelivery, TimerKey
from eventstore import Execution as ExecutionRow
from runtime.hosting.called import Called
from runtime.hosting.calls import command_message
from runtime.hosting.children import outcome_message, start_message
from runtime.hosting.delayed import is_early, keep, settle
from runtime.hosting.endings import request_end
from runtime.hosting.former_runs import FormerRuns, start_id, start_marks
from runtime.hosting.ground import Ground, answers, fingerprint, refusal, storable
from runtime.hosting.item import Expire, Item, LocalDone, Step, TimerDue, Wake
from runtime.hosting.parked import PARKED
from runtime.hosting.promises import settle as settle_promise
from runtime.hosting.replies import (
    ACCEPTED,
    NULL,
    conflict,
    ended,
    ended_at_once,
    missing,
    not_judged,
    repeated,
    reply_for,
    stuck,
)
from runtime.messages import (
    Ask,
    AwaitResult,
    Cancel,
    ChildOutcome,
    CommandOutcome,
    Delete,
    Reply,
    ReplyWhen,
    Resolve,
    Reuse,
    Send,
    Start,
    Status,
    TaskMessage,
    TaskOutcome,
    Terminate,
    encode_message,
    error_reply,
)
from runtime.transport.port import Destination


class WorkflowBehaviour:
    """One workflow instance in memory; made empty, and filled by `load` or by its start."""

    dirty = False  # a start that was not to be: what is in memory is not what the log has

    def __init__(self, ground: Ground, kind: WorkflowType, stream: str) -> None:
        self._ground, self._kind, self.stream = ground, kind, stream
        self._execution = Execution(kind, stream)
        self._former_runs = FormerRuns()
        self._correlation_id: str | None = None
        self._started_at: datetime | None = None
        self._called = Called(ground, stream)
        self._marks: dict[str, InboxMark] = {}  # of delayed commands, as far as the log was asked for
        self._row: tuple[str, bool] | None = None  # status and busy flag, as last handed to a commit

    # -- what the activation asks ---------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The stream's version, with all steps handed out so far."""
        return self._execution.version

    @property
    def correlation_id(self) -> str | None:
        """The business flow that the instance belongs to."""
        return self._correlation_id

    @property
    def broken(self) -> bool:
        """Whether a mistake in the code keeps the instance from going on."""
        return self._execution.broken is not None

    @property
    def parked(self) -> bool:
        """Whether that is for want of code: this node does not know its type, or its version of it."""
        return self._execution.parked

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self._execution.outcome is not None

    @property
    def at_rest(self) -> bool:
        """Whether no code of it will run any more."""
        return self.finished

    @property
    def busy(self) -> bool:
        """Whether local tasks run for it, which only this memory knows of."""
        return bool(self._execution.pending_local_calls())

    def load(self, loaded: LoadedStream, *, was_stuck: bool) -> Step:  # noqa: ARG002 - its journal says so itself
        """Rebuild the instance; the step says what that leads to: being stuck, going on, running local tasks again.

        Raises:
            SnapshotRefused: not from this snapshot; `self` is of no use any more.
        """
        execution = self._execution
        self._called.load(loaded)
        self._marks = dict(loaded.inbox)
        run, self._started_at, self._correlation_id = self._former_runs.begin(loaded)
        if run is None and not loaded.events:
            return Step()
        try:
            execution.replay(loaded.events, run)
        except (Nondeterminism, Bug):
            self._row = self._listed() if execution.ledger.stuck else ("running", False)
            step = self._step(execution.stick())
            return step if step.commit is not None else self._stopped_otherwise()
        self._row = None if execution.ledger.stuck else self._listed()
        now = self._ground.clock.now()
        step = self._step(execution.resume(now.timestamp()), now)
        step.local_calls = execution.pending_local_calls()
        return step

    def adopt(self, events: list[RecordedEvent]) -> Commit:
        """Make the commit that begins this stream with events that were copied from another one; see `forks`.

        Raises:
            Nondeterminism, Bug: the code can't live on from them.
        """
        execution, now = self._execution, self._ground.clock.now()
        self._correlation_id, self._started_at = events[0].correlation_id, events[0].recorded_at
        try:
            turn, renamed = execution.adopt(events, now.timestamp())
            commit = self._commit(turn, now, None)
            rows = {row.id for row in commit.outbox}
            stopped = [child for child in turn.stopped or () if f"{self.stream}#{child.started.child}" in rows]
            self._stop_children(commit, Step(), stopped, now)
        finally:
            execution.dispose()
        for version, event in renamed.items():
            events[version - 1].data = encode_event(event)
        commit.expected_version, commit.events = 0, copies(events) + commit.events
        tasks = execution.ledger.tasks
        commit.outbox = [self._task_message(task, tasks[task.task].attempt) for task in turn.tasks] + [
            message for message in commit.outbox if message.destination != Destination.TASKS
        ]
        return commit

    def _stopped_otherwise(self) -> Step:
        """Correct the listing's reason when what stops the instance now is not what its journal says."""
        execution = self._execution
        if self.finished or execution.broken is None or execution.ledger.stuck_by == execution.broken.type:
            return Step()
        self._row, commit = None, self._no_events()
        commit.execution = self._listing(Turn(stuck=execution.broken), self._ground.clock.now())
        return Step(commit)

    def handle(self, item: Item) -> Step:
        """Handle one item."""
        content = item.content
        match content:
            case TaskOutcome():
                return self._outcome(content)
            case ChildOutcome() | CommandOutcome():
                return self._other_outcome(content)
            case TimerDue():
                return self._timer(content.timer)
            case LocalDone():
                return self._local(content)
            case Delete() | Expire() | Wake():  # the activation's own business
                return Step()
            case _:
                return self._asked(item, content)

    def _asked(self, item: Item, content: Start | Send | Ask | AwaitResult | Cancel | Terminate | Resolve) -> Step:
        match content:
            case Start():
                return self._start(item, content)
            case Send():
                return self._command(item, content) if content.caller is None else self._call(item, content)
            case Ask():
                return self._ask(item, content)
            case AwaitResult():
                return self._await(item)
            case Cancel() | Terminate():
                return self._end(item, content)
            case Resolve():
                return self._resolve(item, content)
            case _:
                assert_never(content)

    def open_tasks(self) -> list[str]:
        """Give the outbox ids of the tasks, children and commands that an outcome is owed for."""
        ledger = self._execution.ledger
        return [f"{self.stream}#{number}" for number in (*ledger.tasks, *ledger.children, *ledger.sent)]

    def dispose(self) -> None:
        """Drop the coroutines."""
        self._execution.dispose()

    # -- one method a message ---------------------------------------------------------------------------------

    def _start(self, item: Item, message: Start) -> Step:
        if (started := self._execution.ledger.start) is None:
            return self._create(item, message)
        if message.caller is not None:
            return self._called_again(message, message.caller, started)
        is_first = message.command_id is not None and message.command_id == started.command_id
        if message.reuse is not Reuse.ATTACH and self.finished and not is_first:
            return self._reuse(item, message, started)
        if canonical(started.input) != canonical(message.input):
            return refusal(item, conflict(f"{self.stream} was started with other input"))
        return self._started(item, message, Step(), created=is_first)

    def _create(self, item: Item, message: Start) -> Step:
        try:
            self._kind.run_signature.decode(message.input)
        except InvalidInput as error:
            if message.caller is None:  # another workflow is not to blame for code that differs here: stuck it will be
                return refusal(item, error_reply(Status.INVALID, error))
        now = self._ground.clock.now()
        self._correlation_id = message.correlation_id or message.command_id or self.stream
        self._started_at, self._row = now, None
        turn = self._execution.start(
            message.input,
            message.command_id,
            now.timestamp(),
            message.caller,
            message.stop,
            attributes=message.attributes,
            memo=message.memo,
            timeout=message.timeout,
        )
        return self._started(item, message, self._step(turn, now, message.command_id), created=True)

    def _started(self, item: Item, message: Start, step: Step, *, created: bool) -> Step:
        """Answer a start, now or when the run has ended."""
        if message.reply_when is ReplyWhen.COMPLETED:
            self._answer_result(item, step)
        else:
            reply = Reply(Status.OK, Raw(b'{"created":true}' if created else b'{"created":false}'))
            step.replies += answers(item, reply)
        return step

    def _reuse(self, item: Item, message: Start, started: RunStarted) -> Step:
        """Start an instance again that has ended, or refuse to. A start that was heard before does neither."""
        if message.command_id is None:
            note = "a start with `reuse` needs a command_id, for else its repetition would be another start"
            return refusal(item, Reply(Status.INVALID, error=ErrorInfo("InvalidInput", note)))
        if (mark := self._marks.get(start_id(message.command_id))) is not None:
            if mark.digest != fingerprint("", message.input):
                return refusal(item, conflict(f"command id {message.command_id} was used to start {self.stream}"))
            return self._started(item, message, Step(), created=True)
        if not item.looked:
            return Step(look=True)
        outcome = self._execution.outcome
        if message.reuse is Reuse.REFUSE and outcome is not None:
            return refusal(item, ended(self.stream, outcome, "and is not started again"))
        if started.caller is not None:
            return refusal(
                item, conflict(f"{self.stream} is the child of {started.caller.stream}, for which it has ended")
            )
        step = self._create(item, message)
        if step.commit is not None:
            step.commit.inbox += start_marks(started, message.command_id, message.input)
        return step

    def _called_again(self, message: Start, caller: Caller, started: RunStarted) -> Step:
        """Answer a workflow that asks for this instance as its child, and finds it there."""
        outcome = self._execution.outcome
        if caller != started.caller or canonical(started.input) != canonical(message.input):
            note = f"{self.stream} was started by somebody else; a child's id is its own: take another one"
            outcome = Outcome(error=ErrorInfo("Conflict", note))
        if outcome is None:  # the journal knows whom to tell
            return Step() if message.stop is None else self._stop(message.stop, caller)
        commit = self._no_events()
        commit.outbox = [self._told(caller, outcome, message.correlation_id)]
        return Step(commit)

    def _stop(self, stop: Stop, caller: Caller) -> Step:
        now = self._ground.clock.now()
        return self._step(self._execution.stop(stop, caller.key, now.timestamp()), now, caller.key)

    def _other_outcome(self, message: ChildOutcome | CommandOutcome) -> Step:
        """Take what became of a child, or of a command that another actor was given."""
        execution, now = self._execution, self._ground.clock.now()
        outcome = Outcome(message.result if isinstance(message.result, Raw) else None, message.error)
        cause = f"{self.stream}#{message.number}"
        if isinstance(message, ChildOutcome):
            outcome.ended = message.ended
            turn = execution.child_ended(message.number, message.child, outcome, now.timestamp())
            child = execution.ledger.children.get(message.number)
            asked_for = child is not None and child.stream == message.child
        else:
            turn = execution.command_answered(message.number, message.actor, outcome, now.timestamp())
            sent = execution.ledger.sent.get(message.number)
            asked_for = sent is not None and sent.stream == message.actor
        step = self._step(turn, now, cause)
        if step.commit is None and (asked_for or self.version == 0):
            # The run has ended before, or was deleted since: nothing is news to it, and only the row is left to go.
            step.commit = self._no_events()
            step.commit.outbox_remove = [cause]
        return step

    def _call(self, item: Item, message: Send) -> Step:
        return self._called.take(item, message, self._execution, self._command)

    def _no_events(self) -> Commit:
        """Make a commit that changes rows only, and only if the state in memory is the log's."""
        return Commit(self._ground.partition, self._ground.epoch, self.stream, self.version)

    def _command(self, item: Item, message: Send) -> Step:
        if message.due_at is None or message.caller is not None:
            return self._command_now(item, message)
        if is_early(message, self._ground) and message.command_id not in self._execution.ledger.commands:
            if (refused := self._refusal_for_later(message)) is not None:
                return refusal(item, refused)
            return keep(item, message, self._marks, self._ground, self.version)
        step = self._command_now(item, message)
        if not message.scheduled:
            return step
        return settle(message, step, self._ground, 0 if self.dirty else self.version, broken=self.broken)

    def _refusal_for_later(self, message: Send) -> Reply | None:
        """Say why a delayed command can't be accepted: what is known today. A validator is asked when it is due."""
        try:
            command = self._kind.command(message.name)
            command.signature.decode(message.input)
            if self._execution.ledger.start is None:
                if not isinstance(message.start, Raw):
                    return missing(self.stream)
                self._kind.run_signature.decode(message.start)
        except InvalidInput as error:
            return error_reply(Status.INVALID, error)
        if (outcome := self._execution.outcome) is not None:
            return ended(self.stream, outcome, "and takes no more commands")
        return self._ground.too_old(message)

    def _command_now(self, item: Item, message: Send) -> Step:
        ledger = self._execution.ledger
        if ledger.start is None:
            start = message.start
            return self._start_with(item, message, start) if isinstance(start, Raw) else self._not_found(item)
        if (taken := ledger.commands.get(message.command_id)) is not None:
            return self._repeated(item, message, taken)
        if (mark := self._former_runs.inbox.get(message.command_id)) is not None:
            return self._handled_before(item, message, mark)
        if (refused := self._refusal(message)) is not None:
            if ledger.run > 1 and not item.looked:
                return Step(look=True)  # a former run may have taken it
            return refusal(item, refused)
        return self._take_command(item, message, self._ground.clock.now())

    def _repeated(self, item: Item, message: Send, taken: TakenCommand) -> Step:
        """Answer a command that the journal has."""
        received = taken.received
        if received.name != message.name or canonical(received.input) != canonical(message.input):
            return refusal(item, conflict(f"command id {message.command_id} was used for other input"))
        if message.reply_when is ReplyWhen.ACCEPTED:
            return Step(replies=answers(item, ACCEPTED))
        if taken.outcome is not None:
            return Step(replies=answers(item, reply_for(taken.outcome)))
        if (outcome := self._execution.outcome) is not None:  # terminated, or its handlers would have ended
            return Step(replies=answers(item, reply_for(outcome)))
        if (broken := self._execution.broken) is not None:
            return Step(replies=answers(item, stuck(self.stream, broken)))
        self._ground.waiters.add(self.stream, message.command_id, item.reply_to)
        return Step()

    def _take_command(self, item: Item, message: Send, now: datetime, before: Turn | None = None) -> Step:
        """Give the code a command that nothing speaks against; `before`, what becomes durable together with it."""
        accepted = message.reply_when is ReplyWhen.ACCEPTED
        if not accepted:
            self._ground.waiters.add(self.stream, message.command_id, item.reply_to)
        turn = self._execution.command(
            message.command_id, message.name, message.input, now.timestamp(), message.caller, told=message.told
        )
        step = self._step(turn if before is None else before.followed_by(turn), now, message.command_id, message)
        if accepted:
            step.replies += answers(item, ACCEPTED)
        elif (broken := self._execution.broken) is not None:
            step.resolved.append((message.command_id, stuck(self.stream, broken)))
        return step

    def _start_with(self, item: Item, message: Send, start: Raw) -> Step:
        """Start the instance and give it the command, in one commit: first the run, until it waits, then the command.

        Both or nothing: when the command can't be taken, the instance in memory is dropped as if it had never begun.
        """
        execution, now = self._execution, self._ground.clock.now()
        try:
            self._kind.run_signature.decode(start)
            self._kind.command(message.name).signature.decode(message.input)
        except InvalidInput as error:
            return refusal(item, error_reply(Status.INVALID, error))
        self._correlation_id, self._started_at = message.correlation_id or message.command_id, now
        begun = execution.start(start, message.command_id, now.timestamp())
        if (refused := self._refusal(message)) is not None:
            self.dirty = True
            return refusal(item, ended_at_once(self.stream) if self.finished else refused)
        return self._take_command(item, message, now, begun)

    def _handled_before(self, item: Item, message: Send, mark: InboxMark) -> Step:
        """Answer a command that a former run has handled."""
        if mark.digest != fingerprint(message.name, message.input):
            return refusal(item, conflict(f"command id {message.command_id} was used for other input"))
        reply = self._former_runs.reply(mark)
        return Step() if reply is None else Step(replies=answers(item, repeated(message, reply)))

    def _refusal(self, message: Send) -> Reply | None:
        """Say why a command can't be taken at all: then it leaves no trace."""
        if (outcome := self._execution.outcome) is not None:
            return ended(self.stream, outcome, "and takes no more commands")
        if self.parked:
            return self._ground.too_old(message)  # nobody here can judge it: that is done when the code is back
        try:
            command = self._execution.kind.command(message.name)
            command.signature.decode(message.input)
        except InvalidInput as error:
            return error_reply(Status.INVALID, error)
        if (too_old := self._ground.too_old(message)) is not None or command.validator is None:
            return too_old
        if (broken := self._execution.broken) is not None:
            return not_judged(self.stream, broken)
        try:
            self._execution.validate(message.name, message.input, self._ground.clock.now().timestamp())
        except Failure as refused:
            return Reply(Status.FAILED, error=error_info(refused))
        return None

    def _ask(self, item: Item, message: Ask) -> Step:
        if self._execution.ledger.start is None:
            return self._not_found(item)
        try:
            reply = Reply(Status.OK, Raw(self._execution.query(message.name, message.input)))
        except InvalidInput as error:
            reply = error_reply(Status.INVALID, error)
        except Failure as error:
            reply = error_reply(Status.FAILED, error_info(error))
        except Bug as error:
            reply = error_reply(Status.STUCK if self.broken else Status.FAILED, error)
        return Step(replies=answers(item, reply))

    def _await(self, item: Item) -> Step:
        step = Step()
        if self._execution.ledger.start is None:
            return self._not_found(item)
        self._answer_result(item, step)
        return step

    def _answer_result(self, item: Item, step: Step) -> None:
        outcome = self._execution.outcome
        if outcome is None or step.resolved:  # the step that ends the run answers everybody who waits
            self._ground.waiters.add(self.stream, None, item.reply_to)
        else:
            step.replies += answers(item, reply_for(outcome))

    def _end(self, item: Item, message: Cancel | Terminate) -> Step:
        if self._execution.ledger.start is None:
            return self._not_found(item)
        now = self._ground.clock.now()
        turn, reply = request_end(self.stream, self._execution, message, now.timestamp())
        step = self._step(turn, now, message.command_id)
        step.replies += answers(item, reply)
        return step

    def _resolve(self, item: Item, message: Resolve) -> Step:
        if self._execution.ledger.start is None:
            return self._not_found(item)
        now = self._ground.clock.now()
        turn, reply = settle_promise(self.stream, self._execution, message, now.timestamp())
        if not turn.events and reply.error is not None:
            return refusal(item, reply)
        step = self._step(turn, now, message.command_id)
        step.replies += answers(item, reply)
        return step

    def _outcome(self, message: TaskOutcome) -> Step:
        execution, now = self._execution, self._ground.clock.now()
        at, cause = now.timestamp(), f"{self.stream}#{message.task}.{message.attempt}"
        if message.error is None:
            turn = execution.task_completed(
                message.task, message.result if isinstance(message.result, Raw) else NULL, at
            )
            return self._step(turn, now, cause)
        open_task = execution.ledger.tasks.get(message.task)
        if open_task is None or open_task.attempt != message.attempt:
            return Step()  # an older attempt's failure, or a task that is done: nothing is news about it
        if self.parked and message.retryable:
            return (
                Step()
            )  # how often it is tried again is for the code to say: until then, its row repeats this attempt
        delay = self._retry_delay(open_task.scheduled.name, message) if open_task.awaited else None
        if delay is None:
            turn = execution.task_failed(message.task, message.error, message.attempt, at)
            return self._step(turn, now, cause)
        retry_at = now + timedelta(seconds=delay)
        turn = execution.task_attempt_failed(message.task, message.attempt, message.error, retry_at.timestamp(), at)
        step = self._step(turn, now, cause)
        self._schedule_retry(step, open_task.scheduled, message.attempt + 1, retry_at)
        return step

    def _retry_delay(self, name: str, message: TaskOutcome) -> float | None:
        task = self._kind.tasks.get(name)
        if task is None or not message.retryable:
            return None
        return task.retry.delay_after(message.attempt, self._ground.jitter())

    def _schedule_retry(self, step: Step, scheduled: TaskScheduled, attempt: int, due: datetime) -> None:
        if step.commit is not None:
            retry = self._task_message(scheduled, attempt, due)
            step.commit.outbox_redeliver.append(Redelivery(retry.id, due, retry.body))
            step.later.append(retry)

    def _timer(self, timer: TimerKey) -> Step:
        now = self._ground.clock.now()
        turn = self._execution.timer_fired(timer.number, now.timestamp())
        step = self._step(turn, now, f"{self.stream}#{timer.number}")
        if step.commit is None:
            # Nobody waits for it: only its row is left to go, and only if the state that says so is the log's. Memory
            # runs ahead of it, and what is refused must not have taken the timer along.
            step.commit = self._no_events()
        if timer not in step.commit.timers_clear:
            step.commit.timers_clear.append(timer)
        return step

    def _local(self, done: LocalDone) -> Step:
        now, call = self._ground.clock.now(), done.call
        if done.error is None:
            turn = self._execution.task_completed(call.task, done.result or NULL, now.timestamp(), local=call.name)
        else:
            turn = self._execution.task_failed(call.task, done.error, done.attempts, now.timestamp(), local=call.name)
        return self._step(turn, now, f"{self.stream}#{call.task}.{done.attempts}")

    def _not_found(self, item: Item) -> Step:
        return refusal(item, missing(self.stream))

    # -- from a turn to a step ----------------------------------------------------------------------------------

    def _step(
        self, turn: Turn, now: datetime | None = None, causation_id: str | None = None, received: Send | None = None
    ) -> Step:
        step = Step(
            logs=turn.logs,
            local_calls=turn.local_calls,
            local_given_up=turn.local_given_up,
            stuck=turn.stuck,
            resumed=turn.resumed,
        )
        if turn.events:
            now = now or self._ground.clock.now()
            step.commit = commit = self._commit(turn, now, causation_id)
            if turn.stopped is not None:
                self._stop_children(commit, step, turn.stopped, now)
            if self._execution.ledger.run > 1:
                commit.inbox = self._former_runs.marks(turn, received)
            if turn.new_run is not None:
                step.new_run = True
                commit.snapshot = self._former_runs.snapshot(
                    turn.new_run, self._started_at or now, self._correlation_id
                )
        if turn.answers:
            step.resolved = [(answer.command_id, reply_for(answer.outcome)) for answer in turn.answers]
        if turn.finished is not None:
            step.resolved.append((None, reply_for(turn.finished)))
        return step

    def _commit(self, turn: Turn, now: datetime, causation_id: str | None) -> Commit:
        """Make the commit of a turn. Most turns have two or three of its parts, and this is done for every one."""
        records, correlation_id = turn.events, self._correlation_id
        commit = Commit(
            self._ground.partition,
            self._ground.epoch,
            self.stream,
            self._execution.version - len(records),
            [
                NewEvent(record.type, record.data, now, record.schema, causation_id, correlation_id)
                for record in records
            ],
            execution=self._listing(turn, now),
        )
        if turn.tasks:
            commit.outbox = [self._task_message(task, 1) for task in turn.tasks]
        if turn.children is not None:
            commit.outbox += [
                start_message(self.stream, child, self._ground.partitions, correlation_id, now)
                for child in turn.children
            ]
        if turn.sent is not None:
            commit.outbox += [
                command_message(self.stream, sent, self._ground.partitions, correlation_id, now) for sent in turn.sent
            ]
        if turn.answers or (turn.finished is not None and self._execution.ledger.commands):
            commit.outbox += self._called.answers(turn, self._execution.ledger, correlation_id)
        if turn.finished is not None and (caller := self._caller) is not None:
            commit.outbox += [self._told(caller, turn.finished, correlation_id)]
        if turn.tasks_closed:
            commit.outbox_remove = [f"{self.stream}#{task}" for task in turn.tasks_closed]
        if turn.timers_set:
            commit.timers_set = [self._timer_key(timer) for timer in turn.timers_set]
        if turn.timers_cleared:
            commit.timers_clear = [self._timer_key(timer) for timer in turn.timers_cleared]
        return commit

    def _stop_children(self, commit: Commit, step: Step, stopped: list[StoppedChild], now: datetime) -> None:
        """Put other messages into the rows of children that are not wanted any more, and send them."""
        rows = {row.id: row for row in commit.outbox}
        last = {child.started.child: child for child in stopped}
        for child in last.values():
            message = start_message(
                self.stream, child.started, self._ground.partitions, self._correlation_id, now, child.stop
            )
            if (row := rows.get(message.id)) is not None:  # it is started in this very turn
                row.body = message.body
                continue
            message.due_at = now
            commit.outbox_redeliver.append(Redelivery(message.id, now, message.body))
            step.later.append(message)

    def _listing(self, turn: Turn, now: datetime) -> ExecutionRow | None:
        """Give the listing's row when it changed; most turns don't touch it."""
        row = self._listed()
        if row == self._row and not turn.relisted:
            return None
        attributes = self._execution.ledger.attributes if turn.relisted or self._row is None else None
        if attributes is None and self._row is None and self._execution.ledger.run > 1:
            attributes = {}  # not those of the run before
        self._row = row
        status, busy = row
        outcome = self._execution.outcome
        error = turn.stuck or (outcome.error if outcome else None)
        return ExecutionRow(
            status=status,
            started_at=self._started_at or now,
            updated_at=now,
            busy=busy,
            closed_at=now if outcome is not None else None,
            error=None if error is None else storable(f"{error.type}: {error.message}"),
            correlation_id=self._correlation_id,
            attributes=attributes,
        )

    def _listed(self) -> tuple[str, bool]:
        """Give the listing's status, and whether a new owner has to look at the instance at once."""
        outcome = self._execution.outcome
        if outcome is not None:
            return outcome.status, self.busy
        if self.parked:
            return PARKED, True  # the new owner may have its code
        return "stuck" if self._execution.ledger.stuck else "running", self.busy

    def _task_message(self, scheduled: TaskScheduled, attempt: int, due_at: datetime | None = None) -> OutboxMessage:
        message = TaskMessage(
            stream=self.stream,
            partition=self._ground.partition,
            task=scheduled.task,
            attempt=attempt,
            name=scheduled.name,
            input=scheduled.input,
            correlation_id=self._correlation_id,
        )
        return OutboxMessage(
            id=message.key,
            destination=Destination.TASKS,
            routing_key=self._kind.tasks[scheduled.name].queue,
            body=encode_message(message),
            correlation_id=self._correlation_id,
            due_at=due_at,
        )

    @property
    def _caller(self) -> Caller | None:
        started = self._execution.ledger.start
        return None if started is None else started.caller

    def _told(self, caller: Caller, outcome: Outcome, correlation_id: str | None) -> OutboxMessage:
        return outcome_message(self.stream, caller, outcome, self._ground.partitions, correlation_id)

    def _timer_key(self, row: TimerRow) -> TimerKey:
        return TimerKey(datetime.fromtimestamp(row.due, UTC), self.stream, row.number)

    def local_calls(self) -> list[LocalCall]:
        """Give the local tasks that the instance waits for."""
        return self._execution.pending_local_calls()


def copies(events: list[RecordedEvent]) -> list[NewEvent]:
    """Give recorded events as new ones of another stream; their times, causes and flows are as they were."""
    return [
        NewEvent(e.type, e.data, e.recorded_at, e.schema, e.causation_id, e.correlation_id, e.trace) for e in events
    ]
