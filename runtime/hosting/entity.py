"""How an actor handles what comes into its mailbox: messages in, steps out.

A handled command leaves an inbox mark with its reply, in the same commit as its events. Marks of recent commands are
kept in memory; for older ones the inbox's unique key has the last word, and the commit comes back refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec import Raw

from actors import Bug, Failure, InvalidInput, Nondeterminism, SnapshotRefused
from actors.definition import ActorType
from actors.entity import Entity
from actors.failures import error_info
from actors.journal import Caller, ErrorInfo, InstanceDeleted
from actors.turn import LocalCall, Turn
from eventstore import Commit, InboxMark, LoadedStream, NewEvent
from eventstore import Execution as ExecutionRow
from runtime.hosting.calls import answer_message, command_message, denial, outcome_of, wanted_before
from runtime.hosting.cancelled_commands import CANCELLED, answered, cancelled_mark, unknown
from runtime.hosting.delayed import is_early, keep, row_id, settle
from runtime.hosting.ground import Ground, answers, fingerprint, refusal, storable
from runtime.hosting.item import CancelDelayed, Expire, Item, LocalDone, Step, TimerDue, Wake
from runtime.hosting.replies import is_cancelled_command, no_run, repeated, reply_for
from runtime.hosting.snapshots import ActorSnapshots
from runtime.messages import (
    Ask,
    AwaitResult,
    Cancel,
    ChildOutcome,
    CommandOutcome,
    Correct,
    Delete,
    Reply,
    Resolve,
    Send,
    Start,
    Status,
    TaskOutcome,
    Terminate,
    decode_reply,
    encode_message,
    error_reply,
)

REMEMBERED = 256  # inbox marks kept in memory by one activation


class EntityBehaviour:
    """One actor in memory; made empty, and filled by `load`."""

    finished = False
    at_rest = True  # no command is under way
    busy = False
    parked = False
    paused = False

    def __init__(self, ground: Ground, kind: ActorType, stream: str) -> None:
        self._ground, self._kind, self.stream = ground, kind, stream
        self._inbox: dict[str, InboxMark] = {}
        self._trouble: ErrorInfo | None = None
        self._snapshots = ActorSnapshots(kind)
        self._made: Entity | None = None
        try:
            self._made = Entity(kind, stream)
        except Exception as error:  # noqa: BLE001 - the user's __init__: its mistake is this actor's, not the node's
            self._trouble = error_info(error)
        self.correlation_id: str | None = None

    @property
    def version(self) -> int:
        """The stream's version, with all steps handed out so far."""
        return 0 if self._made is None else self._made.version

    @property
    def _entity(self) -> Entity:
        if self._made is None:
            raise Bug(f"{self.stream} can't be made")
        return self._made

    @property
    def exists(self) -> bool:
        """Whether it has any events, since it was deleted last."""
        return self._made is not None and self._made.version > self._made.gone_at

    def deleted(self) -> InstanceDeleted:
        """Give what is left of it when it is deleted."""
        return self._entity.deleted()

    def last_marks(self) -> list[InboxMark]:
        """Give none: its commands have theirs."""
        return []

    @property
    def broken(self) -> bool:
        """Whether the state can't be rebuilt from its events."""
        return self._trouble is not None

    @property
    def dirty(self) -> bool:
        """Whether a refused command has touched the state, which must be rebuilt then."""
        return self._made is not None and self._made.dirty

    def load(self, loaded: LoadedStream, *, was_stuck: bool) -> Step:
        """Fold the events. An actor that can't be folded is listed as stuck, and changes nothing until the code can.

        Raises:
            SnapshotRefused: not from this snapshot; `self` is of no use any more. Whether an actor is stuck is judged
                by its events alone.
        """
        self._fold(loaded, was_stuck=was_stuck)
        if self._trouble is None and self._made is not None and self._made.handling is not None:
            self._trouble = _out_of_place(self._made)
        return self._relist(loaded, was_stuck=was_stuck)

    def _fold(self, loaded: LoadedStream, *, was_stuck: bool) -> None:
        if loaded.snapshot is not None and (was_stuck or self._made is None):
            raise SnapshotRefused("the actor is stuck")
        self._inbox = dict(loaded.inbox)
        if loaded.events:
            self.correlation_id = loaded.events[0].correlation_id
        try:
            if self._made is not None:
                self._snapshots.begin(self._made, loaded)
                self._made.replay(loaded.events)
                self._snapshots.count(loaded.events)
        except (Nondeterminism, Bug) as error:
            if loaded.snapshot is not None:
                raise SnapshotRefused(f"the events after it can't be folded: {error}") from error
            self._trouble = error_info(error)

    def _relist(self, loaded: LoadedStream, *, was_stuck: bool) -> Step:
        """List the actor as stuck, or as active again, when that has changed."""
        if was_stuck == (self._trouble is not None):
            return self._rebuilt()
        status = "active" if was_stuck else "stuck"
        # One without events is not listed: it does not exist yet.
        commit = self._relisted(loaded, status) if loaded.events else None
        return Step(commit, stuck=self._trouble, resumed=was_stuck)

    def _rebuilt(self) -> Step:
        """Take the snapshot that would have spared this: the next activation may come before the next command."""
        if self._made is None or self._trouble is not None:
            return Step()
        if (snapshot := self._snapshots.take(self._made)) is None:
            return Step()
        ground = self._ground
        return Step(Commit(ground.partition, ground.epoch, self.stream, self.version, snapshot=snapshot))

    def handle(self, item: Item) -> Step:
        """Handle one item; raises `actors.Bug` when user code raised something undeclared."""
        content = item.content
        match content:
            case Send():
                caller = content.caller
                return self._command(item, content) if caller is None else self._call(item, content, caller)
            case Ask():
                return self._ask(item, content)
            case CancelDelayed():
                return self._cancel(item, content)
            case Start() | AwaitResult() | Cancel() | Terminate() | Resolve():
                note = ErrorInfo(
                    "InvalidInput",
                    f"{self._kind.name} is an actor: it is not started and has no result; send it a command",
                )
                return refusal(item, Reply(Status.INVALID, error=note))
            case Correct():
                return refusal(item, no_run(self._kind.name))
            case (
                TaskOutcome()
                | ChildOutcome()
                | CommandOutcome()
                | TimerDue()
                | LocalDone()
                | Delete()
                | Expire()
                | Wake()
            ):
                return Step()
            case _:
                assert_never(content)

    def _cancel(self, item: Item, request: CancelDelayed) -> Step:
        """Cancel a delayed command, or say what has become of it."""
        if (mark := self._inbox.get(request.command_id)) is not None:
            return answered(item, cancelled=is_cancelled_command(mark.reply))
        if (command := request.command) is None:
            return unknown(item, request)
        if self._trouble is not None:
            return refusal(item, Reply(Status.STUCK, error=self._trouble))
        mark, row = cancelled_mark(command), row_id(self.stream, command.command_id)
        self._remember(mark)
        ground = self._ground
        commit = Commit(ground.partition, ground.epoch, self.stream, self.version, inbox=[mark], outbox_remove=[row])
        return Step(commit, answers(item, CANCELLED))

    def local_calls(self) -> list[LocalCall]:
        """Actors run none."""
        return []

    def open_tasks(self) -> list[str]:
        """Actors have none."""
        return []

    def dispose(self) -> None:
        """Nothing to release."""

    def quarantined(self, message: Send, reply: Reply) -> list[InboxMark]:
        """Make the inbox mark of a command that is given up: its repetitions get the same answer.

        None for an actor that can't be rebuilt: the command was not at fault, and may come again.
        """
        if self._trouble is not None:
            return []
        return [InboxMark(message.command_id, fingerprint(message.name, message.input), encode_message(reply))]

    def _call(self, item: Item, message: Send, caller: Caller) -> Step:
        """Take a command that another actor gives: whatever becomes of it is recorded, and told."""
        ground = self._ground
        if (mark := self._inbox.get(message.command_id)) is not None:
            reply = decode_reply(mark.reply)
            if mark.digest != fingerprint(message.name, message.input):
                reply = _conflict(message)
            commit = Commit(ground.partition, ground.epoch, self.stream, self.version)
            commit.outbox = [answer_message(message, caller, outcome_of(reply), ground.partitions)]
            return Step(commit)
        if self._trouble is not None:
            return Step()  # it comes again, ever more rarely
        before = wanted_before(message, ground)
        if before is not None and before not in self._inbox:
            return Step(look=not item.looked)
        step = self._command(item, message)
        if step.denied is not None:
            step = denial(message, caller, step.denied, ground, self.version)
            if step.commit is not None:
                self._remember(step.commit.inbox[0])
        elif step.commit is not None:
            reply = decode_reply(step.commit.inbox[0].reply)
            step.commit.outbox.append(answer_message(message, caller, outcome_of(reply), ground.partitions))
        return step

    def _command(self, item: Item, message: Send) -> Step:
        if message.due_at is None or message.caller is not None:
            return self._command_now(item, message)
        if message.scheduled and self._trouble is not None:
            return Step()  # its row says it again
        if is_early(message, self._ground) and message.command_id not in self._inbox and self._trouble is None:
            refused = self._misfit(message) or self._ground.too_old(message)
            return refusal(item, refused) if refused else keep(item, message, self._inbox, self._ground, self.version)
        step = self._command_now(item, message)
        return settle(message, step, self._ground, self.version, broken=False) if message.scheduled else step

    def _command_now(self, item: Item, message: Send) -> Step:
        if (mark := self._inbox.get(message.command_id)) is not None:
            return self._repeat(item, message, mark)
        if self._trouble is not None:
            if item.reply_to is None:  # accepted with nobody to tell: it must not be lost
                raise Bug(f"{self.stream} can't be rebuilt: {self._trouble.type}: {self._trouble.message}")
            return Step(replies=answers(item, Reply(Status.STUCK, error=self._trouble)))
        if (refused := self._refusal(message)) is not None:
            return refusal(item, refused)
        now = self._ground.clock.now()
        turn = self._entity.command(message.command_id, message.name, message.input, now.timestamp())
        reply = encode_message(reply_for(turn.answers[0].outcome))
        mark = InboxMark(message.command_id, fingerprint(message.name, message.input), reply)
        self._remember(mark)
        self.correlation_id = message.correlation_id or message.command_id
        return Step(commit=self._commit(turn, mark, now), replies=answers(item, repeated(message, reply)))

    def _repeat(self, item: Item, message: Send, mark: InboxMark) -> Step:
        if mark.digest == fingerprint(message.name, message.input):
            return Step(replies=answers(item, repeated(message, mark.reply)))
        return refusal(item, _conflict(message))

    def _refusal(self, message: Send) -> Reply | None:
        if (refused := self._misfit(message) or self._ground.too_old(message)) is not None:
            return refused
        if self._kind.command(message.name).validator is None:
            return None
        try:
            self._entity.validate(message.name, message.input)
        except Failure as error:
            return Reply(Status.FAILED, error=error_info(error))
        return None

    def _misfit(self, message: Send) -> Reply | None:
        """Say why this actor can never take a command."""
        if isinstance(message.start, Raw):
            note = f"{self._kind.name} is an actor: it is there without a start; leave `start` out"
            return Reply(Status.INVALID, error=ErrorInfo("InvalidInput", note))
        try:
            self._kind.command(message.name).signature.decode(message.input)
        except InvalidInput as error:
            return error_reply(Status.INVALID, error)
        return None

    def _ask(self, item: Item, message: Ask) -> Step:
        if self._trouble is not None:
            return Step(replies=answers(item, Reply(Status.STUCK, error=self._trouble)))
        try:
            reply = Reply(Status.OK, Raw(self._entity.query(message.name, message.input)))
        except InvalidInput as error:
            reply = error_reply(Status.INVALID, error)
        except Failure as error:
            reply = error_reply(Status.FAILED, error_info(error))
        except Bug as error:
            reply = error_reply(Status.FAILED, error)
        return Step(replies=answers(item, reply))

    def _remember(self, mark: InboxMark) -> None:
        self._inbox[mark.command_id] = mark
        if len(self._inbox) > REMEMBERED:
            del self._inbox[next(iter(self._inbox))]

    def _commit(self, turn: Turn, mark: InboxMark, now: datetime) -> Commit:
        ground = self._ground
        expected = self._entity.version - len(turn.events)
        self._snapshots.count(turn.events)
        sent = turn.sent or ()
        return Commit(
            partition=ground.partition,
            epoch=ground.epoch,
            stream=self.stream,
            expected_version=expected,
            events=[
                NewEvent(
                    record.type,
                    record.data,
                    now,
                    record.schema,
                    causation_id=mark.command_id,
                    correlation_id=self.correlation_id,
                )
                for record in turn.events
            ],
            inbox=[mark],
            outbox=[command_message(self.stream, each, ground.partitions, self.correlation_id, now) for each in sent],
            snapshot=self._snapshots.take(self._entity) if turn.events else None,
            execution=self._listing(now) if expected == self._entity.gone_at and turn.events else None,
        )

    def _listing(self, now: datetime) -> ExecutionRow:
        return ExecutionRow(status="active", started_at=now, updated_at=now, correlation_id=self.correlation_id)

    def _relisted(self, loaded: LoadedStream, status: str) -> Commit:
        """Change the listing's row alone: what keeps an actor from being folded is not an event of its own."""
        ground, now = self._ground, self._ground.clock.now()
        error = None if self._trouble is None else storable(f"{self._trouble.type}: {self._trouble.message}")
        started_at = loaded.events[0].recorded_at if loaded.events else now
        row = ExecutionRow(status, started_at, now, error=error, correlation_id=self.correlation_id)
        version = loaded.events[-1].version if loaded.events else 0
        return Commit(ground.partition, ground.epoch, self.stream, version, execution=row)


def _out_of_place(entity: Entity) -> ErrorInfo | None:
    """Say that a command is under way which this code can't carry out: its class had async commands, and has none."""
    handling = entity.handling
    if handling is None or not handling.pending:
        return None
    names = ", ".join(sorted({received.name for received in handling.pending.values()}))
    note = (
        f"commands are under way ({names}), but {entity.kind.name} has no async command any more; deploy one that has"
    )
    return ErrorInfo("Nondeterminism", note)


def _conflict(message: Send) -> Reply:
    note = ErrorInfo("Conflict", f"command id {message.command_id} was used for other input; use another id")
    return Reply(Status.CONFLICT, error=note)
