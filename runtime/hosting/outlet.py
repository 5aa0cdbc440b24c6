"""The one way out of a partition: what a step asks for leaves only here, and only when its commit is durable."""

from __future__ import annotations

import structlog

from eventstore import Commit
from runtime.hosting.activation import Activation
from runtime.hosting.ground import Ground
from runtime.hosting.item import Item, Step, TimerDue
from runtime.hosting.local_tasks import LocalTasks
from runtime.hosting.outbox import Outbox
from runtime.hosting.services import Services
from runtime.hosting.stuck import StuckInstances
from runtime.hosting.timers import Timers

log = structlog.get_logger("perdure.partition")


class Outlet:
    """One partition's: acks, answers, messages, timers, local tasks, lines of the log."""

    def __init__(
        self,
        services: Services,
        ground: Ground,
        outbox: Outbox,
        timers: Timers,
        local: LocalTasks,
        stuck: StuckInstances,
    ) -> None:
        self._services, self._ground, self._outbox = services, ground, outbox
        self._timers, self._local, self._stuck = timers, local, stuck

    def let_out(self, activation: Activation, step: Step, item: Item) -> None:
        """Ack an item, and let out what its durable step asks for."""
        if item.delivery is not None and item.subscription is not None:
            item.subscription.ack(item.delivery)
        replies = step.replies
        for command_id, reply in step.resolved:
            replies += self._ground.waiters.answer(activation.stream, command_id, reply)
        if replies:
            self._services.reply(replies)
        if step.commit is not None:
            self.after_commit(step.commit)
        elif isinstance(item.content, TimerDue):
            self._timers.cleared([item.content.timer])  # its row is still there: the next sweep takes it up
        for message in step.later:
            self._outbox.plan(message)
        self._see_to_local(activation, step)
        if step.logs or step.stuck or step.resumed:
            self._tell(activation, step)

    def after_commit(self, commit: Commit) -> None:
        """Send and plan what a durable commit has in its outbox and among its timers."""
        for message in commit.outbox:
            if message.due_at is None:
                self._outbox.publish(message)
            else:
                self._outbox.plan(message)
        if commit.outbox_remove:
            self._outbox.closed(commit.outbox_remove)
        if commit.timers_set:
            self._timers.set(commit.timers_set)
        if commit.timers_clear:
            self._timers.cleared(commit.timers_clear)

    def _see_to_local(self, activation: Activation, step: Step) -> None:
        if step.new_run:
            self._local.cancel(activation.stream)
        for call in step.local_calls:
            self._local.run(
                self._services.app.task(call.name), call, activation.stream, activation.behaviour.correlation_id
            )
        for number in step.local_given_up or ():
            self._local.give_up(activation.stream, number)

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
            self._stuck.goes_on(activation.stream)  # it was terminated, perhaps
        elif step.stuck is not None and activation.behaviour.parked:
            bound.warning("parked", reason=step.stuck.message)
            self._stuck.add(activation.stream)  # never tried again here: a process does not learn new code
        elif step.stuck is not None:
            bound.error("stuck", error=f"{step.stuck.type}: {step.stuck.message}", trace=step.stuck.trace)
            if not activation.behaviour.paused:
                self._stuck.plan(activation.stream)
        elif step.resumed:
            bound.info("goes on")
            self._stuck.goes_on(activation.stream)
