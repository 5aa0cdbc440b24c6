"""A worker: a process that runs tasks.

    delivery ──► run_attempt ──► outcome published to the actor's partition, confirmed ──► ack

So a worker that dies at any point loses nothing: an unacked task is delivered again, and an outcome that is told twice
is recorded once. `concurrency` is the prefetch: no worker holds a task that it has no room to run.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

import structlog
from msgspec import UNSET

from actors import App, InvalidInput, TaskContext
from actors.failures import error_info
from actors.journal import ErrorInfo
from actors.names import split_stream
from runtime.attempt import Attempt, deadline, run_attempt
from runtime.consuming import consume, pause
from runtime.errors import ConfigurationError
from runtime.messages import TaskMessage, TaskOutcome, decode_task, encode_message
from runtime.publisher import Publisher
from runtime.settings import Settings
from runtime.time_limit import TimeLimits
from runtime.transport.port import (
    Delivery,
    Destination,
    Message,
    Subscription,
    Topology,
    Transport,
    TransportError,
    Unroutable,
)
from runtime.unwanted import UnwantedTasks

MAX_TIMEOUT = 1500.0  # seconds; RabbitMQ's default consumer_timeout is 1800
MOST_PARTITIONS = 1024
MAX_REDELIVERIES = 20  # of one attempt, before it counts as what kills its workers

log = structlog.get_logger("perdure.worker")


class Worker:
    """Runs an app's tasks from some queues, all of the app's by default.

    Raises:
        ConfigurationError: a queue that none of the app's tasks is put into, or a task that may run too long.
    """

    def __init__(
        self,
        app: App,
        transport: Transport,
        settings: Settings,
        queues: Iterable[str] | None = None,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._app, self._transport, self._settings = app, transport, settings
        self.queues = sorted(app.task_queues if queues is None else set(queues))
        if unknown := set(self.queues) - app.task_queues:
            known = ", ".join(sorted(app.task_queues)) or "none"
            raise ConfigurationError(
                f"no task is put into queue {', '.join(sorted(unknown))}; the app's queues: {known}"
            )
        for task in app.tasks.values():
            if task.queue in self.queues and not task.local and task.timeout > MAX_TIMEOUT:
                raise ConfigurationError(
                    f"task {task.name}: its timeout of {task.timeout:g} s is above {MAX_TIMEOUT:g} s. A broker takes a "
                    "message back that is not acknowledged for half an hour; split the work into shorter tasks"
                )
        self._jitter = jitter
        self._publisher = Publisher(transport)
        self._limits = TimeLimits()
        self._unwanted = UnwantedTasks(transport, jitter)
        self._running: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[str, Subscription] = {}

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] | None = None) -> None:
        """Work until `stop` is set; then finish what runs, within the grace, and hand back the rest.

        Raises:
            TransportError: the broker could not be reached at the start.
        """
        await self._transport.declare(Topology(0, frozenset(self.queues)))
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(self._publisher.run(), name="publisher")
            consuming = [group.create_task(self._consume(queue), name=f"consume {queue}") for queue in self.queues]
            asking = group.create_task(self._unwanted.run(), name="unwanted tasks")
            log.info("worker is up", queues=self.queues, concurrency=self._settings.task_concurrency)
            if ready is not None:
                ready()
            await stop.wait()
            await _end(consuming)
            await self._finish_running()
            await _end([asking])
            for subscription in self._subscriptions.values():
                await subscription.close()
            await _end([publishing])
        log.info("worker is down")

    async def _consume(self, queue: str) -> None:
        def opened(subscription: Subscription) -> None:
            self._subscriptions[queue] = subscription

        await consume(
            self._transport,
            Destination.TASKS,
            queue,
            prefetch=self._settings.task_concurrency,
            handle=self._take,
            opened=opened,
            jitter=self._jitter,
        )

    def _take(self, delivery: Delivery, subscription: Subscription) -> None:
        try:
            message = decode_task(delivery.body)
            split_stream(message.stream)  # its outcome must have somewhere to go
            if not 0 <= message.partition < MOST_PARTITIONS:
                raise InvalidInput(f"expected a partition from 0 to {MOST_PARTITIONS - 1}, got {message.partition}")
        except InvalidInput as error:
            log.error("not a task", queue=delivery.key, error=str(error))
            subscription.dead_letter(delivery)
            return
        running = asyncio.create_task(
            self._work(message, delivery, subscription), name=f"{message.name} {message.key}.{message.attempt}"
        )
        self._unwanted.watch(running, message)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _work(self, message: TaskMessage, delivery: Delivery, subscription: Subscription) -> None:
        try:
            await self._work_and_tell(message, delivery.redeliveries)
        except asyncio.CancelledError:
            if not self._unwanted.is_unwanted(asyncio.current_task()):
                raise
            log.info(
                "task cancelled: nobody waits for it any more", actor=message.stream, task=message.name,
                attempt=message.attempt, correlation_id=message.correlation_id,
            )  # fmt: skip
        subscription.ack(delivery)

    async def _work_and_tell(self, message: TaskMessage, redeliveries: int) -> None:
        attempt = await self._attempt(message, redeliveries)
        if attempt.error is not None:
            log.info(
                "attempt failed", actor=message.stream, task=message.name, attempt=message.attempt,
                correlation_id=message.correlation_id, error=f"{attempt.error.type}: {attempt.error.message}",
            )  # fmt: skip
        await self._tell(_outcome(message, attempt))

    async def _attempt(self, message: TaskMessage, redeliveries: int) -> Attempt:
        try:
            task = self._app.task(message.name)
        except InvalidInput as error:  # another worker, or this one after an upgrade, may know it
            return Attempt(error=error_info(error))
        if redeliveries >= MAX_REDELIVERIES:
            note = f"attempt {message.attempt} of {message.name} ended its worker {redeliveries} times"
            return Attempt(error=ErrorInfo("WorkerLost", note), retryable=False)
        context = TaskContext(
            message.key, message.stream, message.task, message.attempt, deadline(task), message.correlation_id
        )
        return await run_attempt(task, message.input, context, self._limits)

    async def _tell(self, outcome: Message) -> None:
        """Publish an outcome, again and again: the work is done, so its result must not be lost for a broker's hiccup."""
        failures = 0
        while True:
            try:
                return await self._publisher.publish(outcome)
            except Unroutable as error:
                # Its partition's queue is gone, or never was: any node knows from its address where it belongs.
                log.error("outcome has no queue", error=str(error))
                outcome = Message(Destination.INGRESS, "outcome", outcome.body)
            except TransportError as error:
                log.warning("outcome not published yet", error=str(error))
            failures += 1
            await asyncio.sleep(pause(failures, self._jitter()))

    async def _finish_running(self) -> None:
        if not self._running:
            return
        log.info("finishing tasks", running=len(self._running), grace=self._settings.shutdown_grace)
        _, late = await asyncio.wait(self._running, timeout=self._settings.shutdown_grace)
        await _end(late)


def _outcome(message: TaskMessage, attempt: Attempt) -> Message:
    type_, id_ = split_stream(message.stream)
    outcome = TaskOutcome(
        type=type_,
        id=id_,
        correlation_id=message.correlation_id,
        task=message.task,
        attempt=message.attempt,
        result=UNSET if attempt.result is None else attempt.result,
        error=attempt.error,
        retryable=attempt.retryable,
    )
    return Message(Destination.COMMANDS, str(message.partition), encode_message(outcome))


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    pending = list(tasks)
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending)
