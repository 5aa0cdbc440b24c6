"""What comes into a mailbox, and what handling it gives."""

from __future__ import annotations

import asyncio

from msgspec import Raw, Struct

from actors.journal import ErrorInfo
from actors.turn import LocalCall, LogLine
from eventstore import Commit, OutboxMessage, TimerKey
from runtime.messages import (
    Addressed,
    Ask,
    AwaitResult,
    Cancel,
    ChildOutcome,
    CommandOutcome,
    Correction,
    Delete,
    Reply,
    Resolve,
    Send,
    Start,
    TaskOutcome,
    Terminate,
    encode_message,
)
from runtime.transport.port import Delivery, Destination, Message, Subscription


class TimerDue(Addressed, tag=False):
    """A durable timer came due."""

    timer: TimerKey


class LocalDone(Addressed, tag=False):
    """A local task ended."""

    call: LocalCall
    attempts: int
    result: Raw | None = None
    error: ErrorInfo | None = None


class CancelDelayed(Addressed, tag=False):
    """Somebody wants a delayed command to be cancelled; `command` is what its row says, None if there is none."""

    command_id: str
    command: Send | None = None


class Expire(Addressed, tag=False):
    """The instance ended longer ago than its type is kept."""


class Wake(Addressed, tag=False):
    """Nothing came, but the instance must be in memory: it has work to go on with."""


Content = (
    Start
    | Send
    | Ask
    | AwaitResult
    | Cancel
    | CancelDelayed
    | Terminate
    | Resolve
    | Correction
    | Delete
    | Expire
    | TaskOutcome
    | ChildOutcome
    | CommandOutcome
    | TimerDue
    | LocalDone
    | Wake
)


class ReplyTo(Struct, gc=False):
    """Where an answer goes."""

    address: str
    correlation_id: str | None

    def message(self, reply: Reply | bytes) -> Message:
        """Make the message that carries a reply there."""
        body = reply if isinstance(reply, bytes) else encode_message(reply)
        return Message(Destination.REPLIES, self.address, body, correlation_id=self.correlation_id)


class Item(Struct, eq=False):
    """One message in a mailbox. `attempts` counts handlings that raised something undeclared."""

    content: Content
    delivery: Delivery | None = None
    subscription: Subscription | None = None  # whom to tell that it is handled
    attempts: int = 0
    looked: bool = False  # the log was asked whether it holds the command, and the one before it
    handled: asyncio.Event | None = None  # set when it is durably handled or put aside

    @property
    def reply_to(self) -> ReplyTo | None:
        """Where the sender wants its answer; None when it wants none."""
        delivery = self.delivery
        if delivery is None or delivery.reply_to is None:
            return None
        return ReplyTo(delivery.reply_to, delivery.correlation_id)


class Step(Struct):
    """What handling one item gives: what to commit, and what may leave the node once it is durable."""

    commit: Commit | None = None
    replies: list[Message] = []  # to the item's own sender
    resolved: list[tuple[str | None, Reply]] = []  # to who waits: by command id, or None for the run's result
    local_calls: list[LocalCall] = []
    local_given_up: list[int] | None = None  # to stop
    logs: list[LogLine] = []
    later: list[OutboxMessage] = []  # to publish again at their `due_at`
    refused: ErrorInfo | None = None  # nobody to tell: put the message aside, with the commit if there is one
    denied: Reply | None = None  # why a caller's command can't be taken: its behaviour records that
    look: bool = False  # not handled: the log has to be asked first
    stuck: ErrorInfo | None = None
    resumed: bool = False
    new_run: bool = False  # what was under way inside the node is of no use any more
