"""How an actor with async commands handles what comes into its mailbox.

At rest it does what every actor does. An async command, and whatever comes while one is under way, is accepted: its
`CommandReceived` is recorded, with an inbox mark that says so, and the message is done; what follows is driven by the
outcomes of tasks, timers and other actors' answers, like a workflow. The commit that ends a command holds a second mark,
with the reply, under a key of its own (`done_key`): marks are never changed.

So a command id is taken once, because its first mark is unique; and its repetitions are answered: from memory while it
is under way, and from the second mark afterwards, which the log is asked for.
"""

from __future__ import annotations

from typing import Any, cast

from actors.codec import canonical, decode_any
from actors.definition import ActorType
from actors.entity import Entity
from actors.handling import Handling
from actors.journal import Caller, CommandBegan, CommandReceived
from actors.turn import LocalCall, Outcome, Turn
from eventstore import Commit, InboxMark, LoadedStream
from eventstore import Execution as ExecutionRow
from runtime.hosting.calls import answer_message, denial, mark_of, outcome_of, outcome_of_command, wanted_before
from runtime.hosting.entity import EntityBehaviour
from runtime.hosting.ground import Ground, answers, fingerprint, refusal, storable
from runtime.hosting.item import Item, LocalDone, Step, TimerDue
from runtime.hosting.journaled import Journaled
from runtime.hosting.replies import ACCEPTED, conflict, reply_for, stuck
from runtime.messages import (
    Ask,
    ChildOutcome,
    CommandOutcome,
    ReplyWhen,
    Send,
    TaskOutcome,
    decode_reply,
    encode_message,
)

_ACCEPTED = encode_message(ACCEPTED)


def done_key(command_id: str) -> str:
    """Give the key of the mark with a command's reply. No command id holds a tab."""
    return f"\t{command_id}"


def is_acceptance(mark: InboxMark) -> bool:
    """Say whether a mark tells no more than that a command was accepted."""
    return mark.reply == _ACCEPTED


class Flow(Journaled):
    """What is under way in an actor: turns become steps as a workflow's do."""

    def __init__(self, ground: Ground, kind: ActorType, stream: str, entity: Entity) -> None:
        super().__init__(ground, cast("Any", kind), stream)
        self.execution.dispose()
        self.execution = self.handling = entity.carried_out()
        self._entity = entity
        self.correlations: dict[str, str | None] = {}  # of the commands that are under way or wait
        self._accepting: str | None = None

    @property
    def waits_for_memory(self) -> bool:
        """Whether only its owner's memory knows what comes next: then a new owner must load it at once."""
        handling = self.handling
        return self.busy or (bool(handling.pending) and handling.current is None)

    def loaded(self, loaded: LoadedStream, *, was_stuck: bool) -> None:
        """Hear what the entity was made from. What is listed as stuck may not be so by its journal: then the row is written."""
        self.started_at = loaded.events[0].recorded_at if loaded.events else None
        is_listed = not was_stuck and self._entity.version > self._entity.gone_at
        self.row = (self._status(), self.waits_for_memory) if is_listed else None
        for event in loaded.events if self.handling.pending else ():
            if event.type == CommandReceived.__name__:
                self.correlations[decode_any(event.data)["id"]] = event.correlation_id

    def wake(self) -> Step:
        """Go on with what was loaded."""
        handling, now = self.handling, self.ground.clock.now()
        turn = handling.stick() if handling.broken is not None else handling.wake(now.timestamp())
        step = self.step(turn, now)
        step.local_calls = handling.pending_local_calls()
        return step

    def accept(self, message: Send) -> Step:
        """Record a command, and carry out what can be of it."""
        now, handling = self.ground.clock.now(), self.handling
        self._accepting = message.command_id
        self.correlations[message.command_id] = message.correlation_id or message.command_id
        turn = handling.command(
            message.command_id, message.name, message.input, now.timestamp(), message.caller, told=message.told
        )
        step = self.step(turn, now, message.command_id)
        self._accepting = None
        if step.commit is not None:
            step.commit.inbox.insert(0, mark_of(message, ACCEPTED))
            if message.caller is not None and message.told:
                step.commit.outbox.append(answer_message(message, message.caller, Outcome(), self.ground.partitions))
        return step

    def commit(self, turn: Turn, now: Any, causation_id: str | None) -> Commit:
        """Make the commit of a turn, with the marks of the commands that it ends, and with what tells their givers."""
        handling = self.handling
        first = self._accepting or (handling.answered[0][0].id if handling.answered else handling.current)
        self.correlation_id = flow = self.correlations.get(str(first), self.correlation_id)
        commit = super().commit(turn, now, causation_id)
        for event in commit.events if handling.answered else ():  # the turn may have gone on with other commands
            if event.type == CommandBegan.__name__:
                flow = self.correlations.get(decode_any(event.data)["id"], flow)
            event.correlation_id = flow
        answered, handling.answered = handling.answered, []
        for received, outcome in answered:
            reply = encode_message(reply_for(outcome))
            commit.inbox.append(InboxMark(done_key(received.id), fingerprint(received.name, received.input), reply))
            flow = self.correlations.pop(received.id, self.correlation_id)
            if received.caller is not None and not received.told:
                partitions = self.ground.partitions
                commit.outbox.append(outcome_of_command(self.stream, received.caller, outcome, partitions, flow))
        return commit

    def _status(self) -> str:
        return "stuck" if self.handling.ledger.stuck else "active"

    def listing(self, turn: Turn, now: Any) -> ExecutionRow | None:
        """Give the listing's row when it changed."""
        row = (self._status(), self.waits_for_memory)
        if row == self.row:
            return None
        self.row = row
        error = None if turn.stuck is None else storable(f"{turn.stuck.type}: {turn.stuck.message}")
        started_at = self.started_at or now
        return ExecutionRow(row[0], started_at, now, row[1], error=error, correlation_id=self.correlation_id)

    def was_listed(self) -> None:
        """Hear that the actor's row was written by others, as active."""
        self.row = ("active", False)


class HandlingBehaviour(EntityBehaviour):
    """See the module's docstring."""

    def __init__(self, ground: Ground, kind: ActorType, stream: str) -> None:
        super().__init__(ground, kind, stream)
        self._flow = None if self._made is None else Flow(ground, kind, stream, self._made)

    @property
    def _handling(self) -> Handling | None:
        return None if self._flow is None else self._flow.handling

    @property
    def broken(self) -> bool:
        """Whether the state can't be rebuilt, or a mistake in the code stops the command that is under way."""
        return super().broken or (self._handling is not None and self._handling.broken is not None)

    @property
    def at_rest(self) -> bool:  # type: ignore[override]  # for others it is a constant
        """Whether no command is under way."""
        return self._handling is None or self._handling.current is None

    @property
    def busy(self) -> bool:  # type: ignore[override]  # for others it is a constant
        """Whether local tasks run for it, which only this memory knows of."""
        return self._flow is not None and self._flow.busy

    def load(self, loaded: LoadedStream, *, was_stuck: bool) -> Step:
        """Rebuild the actor, and go on with what was under way; raises like `EntityBehaviour.load`."""
        self._fold(loaded, was_stuck=was_stuck)
        flow = self._flow
        if flow is None or self._trouble is not None:
            return self._relist(loaded, was_stuck=was_stuck)
        flow.loaded(loaded, was_stuck=was_stuck)
        if not flow.handling.pending:
            return self._relist(loaded, was_stuck=was_stuck)
        step = flow.wake()
        if was_stuck and flow.handling.broken is None and step.commit is None:
            step.commit = self._relisted(loaded, "active")
        step.resumed = step.resumed or (was_stuck and flow.handling.broken is None)
        return self._kept(step)

    def _fold(self, loaded: LoadedStream, *, was_stuck: bool) -> None:
        super()._fold(loaded, was_stuck=was_stuck)
        if self._trouble is not None and self._handling is not None and self._handling.broken is not None:
            self._trouble = None  # the state is good up to the command that can't go on

    def handle(self, item: Item) -> Step:
        """Handle one item; raises `actors.Bug` when user code raised something undeclared."""
        content, flow = item.content, self._flow
        if flow is None or self._trouble is not None:
            return super().handle(item)
        match content:
            case TaskOutcome() | ChildOutcome() | CommandOutcome() | TimerDue():
                return self._kept(self._late(content, flow.hear(content)))
            case LocalDone():
                is_wanted = flow.handling.broken is not None or content.call.task in flow.handling.program.local_calls
                return self._kept(flow.hear(content)) if is_wanted else Step()
            case Ask() if flow.handling.broken is not None:
                return Step(replies=answers(item, stuck(self.stream, flow.handling.broken, "the command under way")))
            case _:
                return super().handle(item)

    def _late(self, content: Any, step: Step) -> Step:
        """Close the row of a command to another actor when the command that gave it has ended before the answer."""
        flow = self._flow
        if step.commit is not None or flow is None or not isinstance(content, CommandOutcome):
            return step
        if content.number not in flow.handling.ledger.sent:
            row = Caller(self.stream, content.number).key
            ground = self._ground
            step.commit = Commit(ground.partition, ground.epoch, self.stream, self.version, outbox_remove=[row])
        return step

    def local_calls(self) -> list[LocalCall]:
        """Give the local tasks that the command under way waits for."""
        return [] if self._flow is None else self._flow.local_calls()

    def open_tasks(self) -> list[str]:
        """Give the outbox ids of what the command under way awaits."""
        return [] if self._flow is None else self._flow.open_tasks()

    def dispose(self) -> None:
        """Drop the coroutines."""
        if self._made is not None:
            self._made.dispose()

    def _command_now(self, item: Item, message: Send) -> Step:
        flow, id = self._flow, message.command_id
        if flow is None or self._trouble is not None:
            return super()._command_now(item, message)
        if (received := flow.handling.pending.get(id)) is not None:
            return self._under_way(item, message, received)
        if (done := self._inbox.get(done_key(id))) is not None:
            return self._repeat(item, message, done)
        mark = self._inbox.get(id)
        if mark is not None and is_acceptance(mark) and not item.looked:
            return Step(look=True)
        command = self._kind.commands.get(message.name)
        if mark is not None or not (flow.handling.pending or (command is not None and command.is_async)):
            return super()._command_now(item, message)
        return self._accept(item, message, flow)

    def _accept(self, item: Item, message: Send, flow: Flow) -> Step:
        # What has to wait is judged by its validator when its turn comes.
        waits = bool(flow.handling.pending)
        refused = self._misfit(message) or self._ground.too_old(message) if waits else self._refusal(message)
        if refused is not None:
            return refusal(item, refused)
        if (accepted := message.reply_when is ReplyWhen.ACCEPTED) is False:
            self._ground.waiters.add(self.stream, message.command_id, item.reply_to)
        step = flow.accept(message)
        if step.commit is not None:
            self._remember(step.commit.inbox[0])
        if accepted:
            step.replies += answers(item, ACCEPTED)
        elif (broken := flow.handling.broken) is not None:
            step.resolved.append((message.command_id, stuck(self.stream, broken)))
        return self._kept(step)

    def _under_way(self, item: Item, message: Send, received: CommandReceived) -> Step:
        if received.name != message.name or canonical(received.input) != canonical(message.input):
            return refusal(item, conflict(f"command id {message.command_id} was used for other input"))
        if message.reply_when is ReplyWhen.ACCEPTED:
            return Step(replies=answers(item, ACCEPTED))
        if self._handling is not None and (broken := self._handling.broken) is not None:
            return Step(replies=answers(item, stuck(self.stream, broken)))
        self._ground.waiters.add(self.stream, message.command_id, item.reply_to)
        return Step()

    def _call(self, item: Item, message: Send, caller: Caller) -> Step:
        flow, id = self._flow, message.command_id
        if flow is None or self._trouble is not None:
            return super()._call(item, message, caller)
        if id in flow.handling.pending:
            return self._told(message, caller, Outcome()) if message.told else Step()
        if (done := self._inbox.get(done_key(id))) is not None:
            return self._told(message, caller, outcome_of(decode_reply(done.reply)))
        mark = self._inbox.get(id)
        if mark is not None and is_acceptance(mark):
            return Step(look=not item.looked)
        command = self._kind.commands.get(message.name)
        if mark is not None or not (flow.handling.pending or (command is not None and command.is_async)):
            return super()._call(item, message, caller)
        before = wanted_before(message, self._ground)
        if before is not None and before not in self._inbox:
            return Step(look=not item.looked)
        step = self._accept(item, message, flow)
        if step.denied is not None:
            step = denial(message, caller, step.denied, self._ground, self.version)
            if step.commit is not None:
                self._remember(step.commit.inbox[0])
        return step

    def _told(self, message: Send, caller: Caller, outcome: Outcome) -> Step:
        """Tell an outcome, or send a receipt, again."""
        ground = self._ground
        commit = Commit(ground.partition, ground.epoch, self.stream, self.version)
        commit.outbox = [answer_message(message, caller, outcome, ground.partitions)]
        return Step(commit)

    def _commit(self, turn: Turn, mark: InboxMark, now: Any) -> Commit:
        commit = super()._commit(turn, mark, now)
        if commit.execution is not None and self._flow is not None:
            self._flow.was_listed()
        return commit

    def _kept(self, step: Step) -> Step:
        """Remember the marks that a step makes, and take a snapshot when one is due and nothing is under way."""
        commit = step.commit
        if commit is None:
            return step
        for mark in commit.inbox:
            self._remember(mark)
        if commit.events and self._made is not None:
            self._snapshots.count(commit.events)
            commit.snapshot = self._snapshots.take(self._made)
        return step
