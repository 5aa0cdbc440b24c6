"""A partition as its owner hosts it: what comes in finds its actor, and what is durable goes out.

Everything here happens under one lease, named by its epoch. When the lease is gone the whole object is dropped: no
activation, timer or ack of it is believed again, and the broker hands its unacked messages to the next owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from actors import InvalidInput
from actors.definition import WorkflowType
from actors.journal import Caller, ErrorInfo
from actors.names import split_stream, stream_name
from eventstore import (
    Commit,
    OutboxMessage,
    Redelivery,
    StaleEpoch,
    TimerKey,
)
from runtime.clock import monotonic
from runtime.hosting.activation import Activation, TurnUnit
from runtime.hosting.calls import answer_message, outcome_of
from runtime.hosting.children import check_caller, comes_again
from runtime.hosting.forks import Forks
from runtime.hosting.ground import Ground, answers, fingerprint
from runtime.hosting.handling import done_key, is_acceptance
from runtime.hosting.item import Expire, Item, Step, TimerDue, Wake
from runtime.hosting.local_tasks import LocalTasks
from runtime.hosting.outbox import MARK_AFTER, Outbox
from runtime.hosting.own_commits import OwnCommits
from runtime.hosting.parked import PARKED
from runtime.hosting.quarantine import Quarantine
from runtime.hosting.replies import repeated
from runtime.hosting.schedule import Schedule
from runtime.hosting.services import Services
from runtime.hosting.stuck import StuckInstances
from runtime.hosting.timers import WINDOW, Timers
from runtime.hosting.wanted import WantedTasks
from runtime.messages import (
    Cancel,
    ChildOutcome,
    CommandOutcome,
    Correct,
    Delete,
    Fork,
    Inbound,
    Reply,
    ReplyWhen,
    Resolve,
    Send,
    Start,
    Status,
    TaskOutcome,
    TaskWanted,
    Terminate,
    decode_inbound,
    error_reply,
)
from runtime.routing import partition_of
from runtime.transport.port import Delivery, Subscription

LOOK_AGAIN = timedelta(seconds=1)
WAITER_LIFE = 600.0  # seconds for which a caller is remembered that does not ask again
MOST_EXPIRED = 200  # instances loaded at a time to be deleted
MAX_ID = 200  # characters of a command id or correlation id

log = structlog.get_logger("perdure.partition")


class PartitionHost:
    """See the module's docstring."""

    def __init__(self, services: Services, ground: Ground) -> None:
        self.ground = ground
        self.partition = ground.partition
        self._services = services
        self._active: dict[str, Activation] = {}
        self._local = LocalTasks(self.receive)
        self.schedule = schedule = Schedule(ground.clock)
        self.stuck = StuckInstances(ground.clock, schedule, self._wake)
        self.outbox = Outbox(self.partition, ground.clock, services.publisher, services.republish_after, schedule)
        self.timers = Timers(self.partition, ground.clock, schedule, self._fire)
        self.wanted = WantedTasks(self.partition)
        self._commits = OwnCommits(services.committer, ground.clock, schedule, self.fenced)
        self.quarantine = Quarantine(services, ground, self._commits, self.outbox.publish)
        self._forks = Forks(services, ground, self._commits, self.quarantine, self._forked)
        self._marking = False
        self.dropped = False
        self.sweep_soon = False  # before it is time: something is in doubt, or the last sweep did not see everything
        self.on_fenced: Callable[[], None] = lambda: None

    # -- coming in ----------------------------------------------------------------------------------------------

    def deliver(self, delivery: Delivery, subscription: Subscription, handled: asyncio.Event | None = None) -> None:
        """Take a message from the partition's queue."""
        content: Inbound | None = None
        try:
            content = decode_inbound(delivery.body)
            _check_ids(content)
            stream = f"{content.type}/{content.id}"
            if stream not in self._active and not self._is_ours(content):
                self._services.forward(content, delivery, subscription)
                if handled is not None:
                    handled.set()
                return
        except InvalidInput as error:
            self._refuse(content, delivery, subscription, error)
            if handled is not None:
                handled.set()
            return
        if isinstance(content, TaskWanted):
            self.wanted.ask(content, delivery)
            subscription.ack(delivery)
            if handled is not None:
                handled.set()
        elif isinstance(content, Fork):
            self._forks.take(content, delivery, subscription, handled)
        elif isinstance(content, CommandOutcome) and content.told:
            self._receipt(content, delivery, subscription, handled)
        else:
            self.receive(stream, Item(content, delivery, subscription, handled=handled))

    def _receipt(
        self, content: CommandOutcome, delivery: Delivery, subscription: Subscription, handled: asyncio.Event | None
    ) -> None:
        """Close the row of a command that was told: the other side has it, and the one that gave it need not know."""
        row = Caller(content.stream, content.number).key

        def durable() -> None:
            self.outbox.closed([row])
            subscription.ack(delivery)
            if handled is not None:
                handled.set()

        self._commits.submit(Commit(self.partition, self.ground.epoch, outbox_remove=[row]), durable)

    def receive(self, stream: str, item: Item) -> None:
        """Hand an item to its actor, which is loaded if need be."""
        if self.dropped:
            return
        activation = self._active.get(stream)
        if activation is None:
            kind = self._services.app.type_or_absent(item.content.type)
            self._active[stream] = activation = Activation(self, kind, stream)
            activation.last_used = monotonic()
            activation.begin(item)
        else:
            activation.last_used = monotonic()
            activation.receive(item)

    def _is_ours(self, content: Inbound) -> bool:
        """Say whether an actor lives here; raises `InvalidInput` when there can be none. An active one was asked before."""
        stream = stream_name(content.type, content.id)
        return partition_of(stream, self._services.partitions) == self.partition

    def put_aside(
        self,
        delivery: Delivery,
        subscription: Subscription,
        reason: str,
        attempts: int,
        lost: Callable[[], None] | None = None,
    ) -> None:
        """Quarantine a message that was never handed to an actor; `lost` as in `Quarantine.put`."""
        if lost is not None and self.dropped:
            lost()
            return
        reply = error_reply(Status.QUARANTINED, ErrorInfo("Quarantined", reason))
        item = Item(Wake(type="", id=""), delivery, subscription, attempts)
        self.quarantine.put(
            item, reason, outbox=self._tell_caller(delivery, reply), replies=answers(item, reply), lost=lost
        )

    def _tell_caller(self, delivery: Delivery, reply: Reply) -> list[OutboxMessage]:
        """Make the message that tells the actor that gave a command; none when no actor did."""
        try:
            content = decode_inbound(delivery.body)
        except InvalidInput:
            return []
        if not isinstance(content, Send) or content.caller is None:
            return []
        return [answer_message(content, content.caller, outcome_of(reply), self._services.partitions)]

    async def repeat_answer(self, delivery: Delivery, subscription: Subscription) -> bool:
        """Answer a command that an actor has handled before from its inbox, and run nothing; say whether that was so.

        Raises:
            StoreError: the inbox can't be read.
        """
        try:
            content = decode_inbound(delivery.body)
        except InvalidInput:
            return False
        if not isinstance(content, Send):
            return False
        key = (content.stream, content.command_id)
        done = (content.stream, done_key(content.command_id))
        marks = await self._services.store.replies([key, done])
        mark = marks.get(done) or marks.get(key)
        if mark is None or not mark.reply or mark.digest != fingerprint(content.name, content.input):
            return False
        if content.reply_when is ReplyWhen.ACCEPTED or done in marks or not is_acceptance(mark):
            self._services.reply(answers(Item(content, delivery, subscription), repeated(content, mark.reply)))
        # Else it is under way, and its sender asks again.
        subscription.ack(delivery)
        return True

    def _refuse(
        self, content: Inbound | None, delivery: Delivery, subscription: Subscription, error: InvalidInput
    ) -> None:
        log.warning("message refused", partition=self.partition, error=str(error))
        if isinstance(content, Send) and content.caller is not None:
            self._refuse_call(content, content.caller, delivery, subscription, error)
            return
        item = Item(Wake(type="", id=""), delivery, subscription)
        if (who := item.reply_to) is not None:
            self._services.reply([who.message(error_reply(Status.INVALID, error))])
            subscription.ack(delivery)
        elif _comes_again(delivery.body):
            subscription.ack(delivery)  # its task or child is still in the outbox, and is published again
        else:
            self.quarantine.put(item, f"{type(error).__name__}: {error}")

    def _refuse_call(
        self, content: Send, caller: Caller, delivery: Delivery, subscription: Subscription, error: InvalidInput
    ) -> None:
        """Tell another actor that there is no such type here. A forged caller hears nothing: it may be no stream at all."""
        try:
            check_caller(content, caller)
        except InvalidInput:
            subscription.ack(delivery)
            return
        told = answer_message(
            content, caller, outcome_of(error_reply(Status.INVALID, error)), self._services.partitions
        )

        def durable() -> None:
            self.outbox.publish(told)
            subscription.ack(delivery)

        self._commits.submit(Commit(self.partition, self.ground.epoch, outbox=[told]), durable)

    # -- what activations ask -------------------------------------------------------------------------------------

    def load(self, activation: Activation) -> None:
        """Read an activation's stream."""
        self._services.loader.add(activation)

    def load_later(self, activation: Activation) -> None:
        """Read an activation's stream after a moment."""
        self.schedule.add(self.ground.clock.now() + LOOK_AGAIN, partial(self.load, activation))

    def commit(self, unit: TurnUnit) -> None:
        """Hand a turn to the group commit."""
        for retry in unit.commit.outbox_redeliver:
            self.outbox.superseded(retry.id)
        self._services.committer.submit(unit)

    def done(self, activation: Activation, step: Step, item: Item) -> None:
        """Let out what a durable step asks for."""
        if self.dropped:
            return
        if step.commit is None and step.replies and not self.ground.lease_is_current():
            # Nothing fenced this step, so an owner that slept through its lease must not speak: it looks again later.
            self.schedule.add(self.ground.clock.now() + LOOK_AGAIN, partial(self.receive, activation.stream, item))
            return
        if step.refused is not None:
            self.quarantine.put(item, f"{step.refused.type}: {step.refused.message}", stream=activation.stream)
            return
        self._let_out(activation, step, item)
        if item.handled is not None:
            item.handled.set()

    def _let_out(self, activation: Activation, step: Step, item: Item) -> None:
        if item.delivery is not None and item.subscription is not None:
            item.subscription.ack(item.delivery)
        replies = step.replies
        for command_id, reply in step.resolved:
            replies += self.ground.waiters.answer(activation.stream, command_id, reply)
        if replies:
            self._services.reply(replies)
        if step.commit is not None:
            self._after_commit(step.commit)
        elif isinstance(item.content, TimerDue):
            self.timers.cleared([item.content.timer])  # its row is still there: the next sweep takes it up
        for message in step.later:
            self.outbox.plan(message)
        self._see_to_local(activation, step)
        if step.logs or step.stuck or step.resumed:
            self._tell(activation, step)

    def _see_to_local(self, activation: Activation, step: Step) -> None:
        if step.new_run:
            self._local.cancel(activation.stream)
        for call in step.local_calls:
            self._local.run(
                self._services.app.task(call.name), call, activation.stream, activation.behaviour.correlation_id
            )
        for number in step.local_given_up or ():
            self._local.give_up(activation.stream, number)

    def forget(self, activation: Activation) -> None:
        """Unload an activation that is done; what still comes for it loads it again."""
        if self._active.get(activation.stream) is activation:
            del self._active[activation.stream]
        for item in activation.drop():
            self.receive(activation.stream, item)

    def doubt(self, messages: list[str]) -> None:
        """Forget what memory knows of these messages, for a commit is unknown; the rows will tell, at the next sweep."""
        self.outbox.closed(messages)
        self.sweep_soon = True

    def cancel_local(self, activation: Activation) -> None:
        """Stop the local tasks of an activation that is not believed any more."""
        self._local.cancel(activation.stream)

    def wake(self, stream: str) -> Wake:
        """Make the content of an item that only wakes an instance."""
        type_, id_ = split_stream(stream)
        return Wake(type=type_, id=id_)

    def fenced(self, error: StaleEpoch) -> None:
        """Hear that the partition has a new owner."""
        if not self.dropped:
            log.warning("partition lost", partition=self.partition, reason=str(error))
            self.drop()
            self.on_fenced()

    # -- life -------------------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Take up what the last owner left: unfinished instances, unsent messages, timers. Raises `StoreError`."""
        for row in await self._services.store.unfinished(self.partition):
            status = row.execution.status
            if status in {"stuck", PARKED}:
                self.stuck.add(row.stream)
            if status == PARKED and split_stream(row.stream)[0] not in self._services.app.types:
                log.warning("parked", actor=row.stream, reason=row.execution.error)
            else:
                self._wake(row.stream)
        await self.sweep()

    async def sweep(self) -> None:
        """Look into the database for what is due soon or was left undone. Raises `StoreError`."""
        self.sweep_soon = False
        seen_all_messages = await self.outbox.sweep(self._services.store, WINDOW)
        seen_all_timers = await self.timers.look(self._services.store)
        self.sweep_soon = self.sweep_soon or not (seen_all_messages and seen_all_timers)

    async def expire(self) -> bool:
        """Have instances deleted whose types' retention has passed since their end; whether there may be more.

        Raises `StoreError`.
        """
        more = False
        for kind in self._services.app.types.values():
            if isinstance(kind, WorkflowType) and kind.retention is not None:
                before = self.ground.clock.now() - kind.retention
                expired = await self._services.store.expired(
                    self.partition, kind.name, closed_before=before, limit=MOST_EXPIRED
                )
                for stream in expired:
                    self.receive(stream, Item(Expire(type=kind.name, id=split_stream(stream)[1])))
                more = more or len(expired) == MOST_EXPIRED
        return more

    async def answer_workers(self) -> None:
        """Tell workers which of their tasks are still wanted. Raises `StoreError`: they ask again."""
        if self.wanted:
            self._services.reply(await self.wanted.answer(self._services.store))

    def tidy(self, idle: float, most: int) -> None:
        """Unload what nobody used for `idle` seconds, the longest unused first when there are more than `most`."""
        self.ground.waiters.expire(monotonic() - WAITER_LIFE)
        horizon = monotonic() - idle
        resting = [a for a in self._active.values() if a.last_used < horizon and a.idle]
        if (surplus := len(self._active) - len(resting) - most) > 0:
            others = sorted((a for a in self._active.values() if a.last_used >= horizon and a.idle), key=_last_used)
            resting += others[:surplus]
        for activation in resting:
            self.forget(activation)

    def mark_published(self, after: float = MARK_AFTER) -> None:
        """Write which messages are out, for those that have no outcome some seconds after their confirm."""
        if self._marking:
            return
        marks, done = self.outbox.marks(after), self.outbox.done(after)
        if marks or done:
            self._marking = True
            commit = Commit(self.partition, self.ground.epoch, outbox_redeliver=marks, outbox_remove=done)
            self._commits.submit(commit, partial(self._marked, marks, done), unknown=partial(self._marked, [], []))

    def _marked(self, marks: list[Redelivery], done: list[str]) -> None:
        self._marking = False  # those of an unknown commit are made anew, and never pile up
        self.outbox.marked(marks)
        self.outbox.closed(done)

    async def settled(self) -> None:
        """Wait until nothing is on its way into the log. Others of the node may go on committing meanwhile."""
        while not self.dropped:
            await self._services.committer.next_flush()
            if all(not activation.units for activation in self._active.values()):
                return

    @property
    def activations(self) -> int:
        """How many actors are in memory."""
        return len(self._active)

    def drop(self) -> None:
        """Forget everything: the lease is gone."""
        self.dropped = True
        self._local.cancel_all()
        self._forks.drop()
        for activation in list(self._active.values()):
            activation.drop()
        self._active.clear()
        self.quarantine.drop()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _after_commit(self, commit: Commit) -> None:
        for message in commit.outbox:
            if message.due_at is None:
                self.outbox.publish(message)
            else:
                self.outbox.plan(message)
        if commit.outbox_remove:
            self.outbox.closed(commit.outbox_remove)
        if commit.timers_set:
            self.timers.set(commit.timers_set)
        if commit.timers_clear:
            self.timers.cleared(commit.timers_clear)

    def _forked(self, stream: str, commit: Commit) -> None:
        """Take up a new instance; what somebody who asked too early had loaded of it is out of date."""
        self._after_commit(commit)
        if (activation := self._active.get(stream)) is not None:
            self.forget(activation)
        self._wake(stream)

    def _fire(self, timer: TimerKey) -> None:
        type_, id_ = split_stream(timer.stream)
        self.receive(timer.stream, Item(TimerDue(type=type_, id=id_, timer=timer)))

    def _wake(self, stream: str) -> None:
        self.receive(stream, Item(self.wake(stream)))

    def _tell(self, activation: Activation, step: Step) -> None:
        bound = log.bind(
            actor=activation.stream,
            version=activation.behaviour.version,
            correlation_id=activation.behaviour.correlation_id,
            phase=str(activation.phase),
        )
        for line in step.logs:
            getattr(bound, line.level)(line.event, **line.fields)
        if activation.behaviour.finished:
            self.stuck.goes_on(activation.stream)  # it was terminated, perhaps
        elif step.stuck is not None and activation.behaviour.parked:
            bound.warning("parked", reason=step.stuck.message)
            self.stuck.add(activation.stream)  # never tried again here: a process does not learn new code
        elif step.stuck is not None:
            bound.error("stuck", error=f"{step.stuck.type}: {step.stuck.message}", trace=step.stuck.trace)
            if not activation.behaviour.paused:
                self.stuck.plan(activation.stream)
        elif step.resumed:
            bound.info("goes on")
            self.stuck.goes_on(activation.stream)


def _last_used(activation: Activation) -> float:
    return activation.last_used


def _check_ids(content: Inbound) -> None:
    if isinstance(content, Start | Send) and content.caller is not None:
        check_caller(content, content.caller)
        return  # what a stream's name is made into may be longer than what people choose
    if isinstance(content, TaskOutcome | ChildOutcome | CommandOutcome):
        return
    if isinstance(content, Send | Start | Cancel | Terminate | Resolve | Correct | Delete | Fork):
        _check_id("command_id", content.command_id)
    _check_id("correlation_id", content.correlation_id)


def _check_id(what: str, value: str | None) -> None:
    if value is not None and (not value or len(value) > MAX_ID or not value.isprintable()):
        raise InvalidInput(f"{what} {value!r} is not allowed: expected 1 to {MAX_ID} printable characters")


def _comes_again(body: bytes) -> bool:
    try:
        content = decode_inbound(body)
    except InvalidInput:
        return False
    return isinstance(content, TaskOutcome) or comes_again(content)
