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
from actors.journal import Caller
from actors.names import split_stream, stream_name
from eventstore import Commit, Redelivery, StaleEpoch, TimerKey
from runtime.clock import monotonic
from runtime.hosting.activation import Activation, TurnUnit
from runtime.hosting.cancelled_commands import CancelledCommands
from runtime.hosting.forks import Forks
from runtime.hosting.ground import Ground
from runtime.hosting.ids import check_ids
from runtime.hosting.item import Expire, Item, Step, TimerDue, Wake
from runtime.hosting.local_tasks import LocalTasks
from runtime.hosting.outbox import MARK_AFTER, Outbox
from runtime.hosting.outlet import Outlet
from runtime.hosting.own_commits import OwnCommits
from runtime.hosting.parked import PARKED
from runtime.hosting.quarantine import Quarantine
from runtime.hosting.schedule import Schedule
from runtime.hosting.services import Services
from runtime.hosting.stuck import StuckInstances
from runtime.hosting.timers import WINDOW, Timers
from runtime.hosting.unhandled import Unhandled
from runtime.hosting.unsettled import Unsettled
from runtime.hosting.wanted import WantedTasks
from runtime.messages import CancelCommand, CommandOutcome, Fork, Inbound, TaskWanted, decode_inbound
from runtime.routing import partition_of
from runtime.transport.port import Delivery, Subscription

LOOK_AGAIN = timedelta(seconds=1)
WAITER_LIFE = 600.0  # seconds for which a caller is remembered that does not ask again
MOST_EXPIRED = 200  # instances loaded at a time to be deleted

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
        self.unhandled = Unhandled(services, ground, self._commits, self.quarantine, self.outbox.publish)
        self._outlet = Outlet(services, ground, self.outbox, self.timers, self._local, self.stuck)
        self._forks = Forks(services, ground, self._commits, self.quarantine, self._forked)
        self._cancelled = CancelledCommands(services, ground, self.receive)
        self.unsettled = Unsettled()
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
            check_ids(content)
            stream = f"{content.type}/{content.id}"
            if stream not in self._active and not self._is_ours(content):
                self._services.forward(content, delivery, subscription)
                if handled is not None:
                    handled.set()
                return
        except InvalidInput as error:
            self.unhandled.refuse(content, delivery, subscription, error)
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
        elif isinstance(content, CancelCommand):
            self._cancelled.take(content, delivery, subscription, handled)
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
            item.looked = False  # what the log said of it may be out of date by then
            self.schedule.add(self.ground.clock.now() + LOOK_AGAIN, partial(self.receive, activation.stream, item))
            return
        if step.refused is not None:
            self.quarantine.put(item, f"{step.refused.type}: {step.refused.message}", stream=activation.stream)
            return
        self._outlet.let_out(activation, step, item)
        if item.handled is not None:
            item.handled.set()

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
        self._cancelled.drop()
        for activation in list(self._active.values()):
            activation.drop()
        self._active.clear()
        self.quarantine.drop()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _forked(self, stream: str, commit: Commit) -> None:
        """Take up a new instance; what somebody who asked too early had loaded of it is out of date."""
        self._outlet.after_commit(commit)
        if (activation := self._active.get(stream)) is not None:
            self.forget(activation)
        self._wake(stream)

    def _fire(self, timer: TimerKey) -> None:
        type_, id_ = split_stream(timer.stream)
        self.receive(timer.stream, Item(TimerDue(type=type_, id=id_, timer=timer)))

    def _wake(self, stream: str) -> None:
        self.receive(stream, Item(self.wake(stream)))


def _last_used(activation: Activation) -> float:
    return activation.last_used
