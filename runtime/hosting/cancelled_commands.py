"""Cancelling a delayed command before it is due.

    CancelCommand ──► its row is read: what the command is, if it still waits
                  ──► the actor's mailbox, with that: the actor alone knows whether it was handled
    cancelled     ──► one commit: the command is recorded as one that failed, `CommandCancelled`, and its row goes

Invariants, and who keeps them:
* it is handled or cancelled, never both: both record the command under its id. In a workflow that is its journal, in an actor the
  inbox's unique key; whichever comes second finds the first. The partition's epoch fences all others;
* once cancelled, it is for ever: every repetition of the command, in whatever form, hears that it was cancelled. So does a
  message of its row that is still on the way. The exception: one that was to start its workflow, which did not exist yet, and which somebody
  has started since; a plain command of the same id is then a new one;
* the request changes nothing when it is repeated: it hears the same again;
* the row only tells what the command is. That it was there a moment ago decides nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

import structlog
from msgspec import Raw

from actors import InvalidInput
from actors.journal import ErrorInfo
from eventstore import InboxMark, OutboxMessage, StoreError
from runtime.consuming import STORE_PAUSE, pause
from runtime.hosting.delayed import row_id
from runtime.hosting.ground import Ground, answers, fingerprint, refusal
from runtime.hosting.instance import WorkflowInstance
from runtime.hosting.item import CancelDelayed, Item, Step
from runtime.hosting.replies import COMMAND_CANCELLED, is_cancelled_command
from runtime.hosting.services import Services
from runtime.messages import CancelCommand, Reply, Send, Status, decode_inbound, encode_message
from runtime.transport.port import Delivery, Subscription

CANCELLED = Reply(Status.OK, Raw(b'{"cancelled":true}'))
HANDLED = Reply(Status.OK, Raw(b'{"cancelled":false}'))

NAMESAKES = 100  # rows that are read: an instance's id may go on where this row's name ends

log = structlog.get_logger("perdure.partition")


class CancelledCommands:
    """Reads the rows of delayed commands that somebody wants to be cancelled, and hands them to their actors."""

    def __init__(
        self,
        services: Services,
        ground: Ground,
        receive: Callable[[str, Item], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._services, self._ground, self._receive, self._jitter = services, ground, receive, jitter
        self._running: set[asyncio.Task[None]] = set()

    def take(
        self, message: CancelCommand, delivery: Delivery, subscription: Subscription, handled: asyncio.Event | None
    ) -> None:
        """Take a request; its actor answers it."""
        running = asyncio.create_task(
            self._read(message, delivery, subscription, handled), name=f"cancel a command of {message.stream}"
        )
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def drop(self) -> None:
        """Forget all: the lease is gone, and the messages come to the next owner."""
        for running in self._running:
            running.cancel()

    async def _read(
        self, message: CancelCommand, delivery: Delivery, subscription: Subscription, handled: asyncio.Event | None
    ) -> None:
        row = row_id(message.stream, message.command_id)
        rows: list[OutboxMessage] | None = None
        failures = 0
        while rows is None:
            try:
                rows = await self._services.store.outbox_named(self._ground.partition, row, limit=NAMESAKES)
            except StoreError as error:
                failures += 1
                log.warning("cancelling a command waits for the store", actor=message.stream, error=str(error))
                await asyncio.sleep(pause(failures, self._jitter(), STORE_PAUSE))
        found = next((_read_row(each.body) for each in rows if each.id == row), None)
        content = CancelDelayed(
            type=message.type,
            id=message.id,
            correlation_id=message.correlation_id,
            command_id=message.command_id,
            command=found,
        )
        self._receive(message.stream, Item(content, delivery, subscription, handled=handled))


def cancel_in_workflow(instance: WorkflowInstance, item: Item, request: CancelDelayed) -> Step:
    """Cancel a workflow's delayed command, or say what has become of it."""
    ledger = instance.execution.ledger
    if (taken := ledger.commands.get(request.command_id)) is not None:
        return answered(item, cancelled=taken.received.cancelled)
    if (mark := instance.former_runs.inbox.get(request.command_id)) is not None:
        return answered(item, cancelled=is_cancelled_command(mark.reply))
    command = request.command
    if command is None:
        return unknown(item, request)
    now = instance.ground.clock.now()
    if ledger.start is None or instance.finished:  # it has no journal for it, and takes it from the inbox
        commit = instance.no_events()
        commit.inbox.append(cancelled_mark(command))
        commit.outbox_remove.append(row_id(command.stream, command.command_id))
        return Step(commit, answers(item, CANCELLED))
    return _record(instance, item, command, now)


def _record(instance: WorkflowInstance, item: Item, command: Send, now: datetime) -> Step:
    turn = instance.execution.cancelled_command(command.command_id, command.name, command.input, now.timestamp())
    step = instance.step(turn, now, command.command_id, command)
    if step.commit is not None:
        step.commit.outbox_remove.append(row_id(command.stream, command.command_id))
    step.replies += answers(item, CANCELLED)
    return step


def cancelled_mark(command: Send) -> InboxMark:
    """Make the inbox mark of a command that was cancelled: it is handled like any other, and this is its reply."""
    reply = encode_message(Reply(Status.FAILED, error=COMMAND_CANCELLED))
    return InboxMark(command.command_id, fingerprint(command.name, command.input), reply)


def answered(item: Item, *, cancelled: bool) -> Step:
    """Make the step that says what has become of a command already."""
    return Step(replies=answers(item, CANCELLED if cancelled else HANDLED))


def unknown(item: Item, request: CancelDelayed) -> Step:
    """Make the step that says that there is no such command, after the log was asked."""
    if not item.looked:
        return Step(look=True)
    note = f"{request.stream} has no delayed command {request.command_id}; `perdure delayed list` shows what waits"
    return refusal(item, Reply(Status.NOT_FOUND, error=ErrorInfo("NotFound", note)))


def _read_row(body: bytes) -> Send | None:
    try:
        found = decode_inbound(body)
    except InvalidInput:  # a newer release's, perhaps
        return None
    return found if isinstance(found, Send) else None
