"""What the actors of one partition stand on: who they are hosted for, and what they may ask of their host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Raw

from actors import App
from actors.codec import canonical
from runtime.clock import Clock, monotonic
from runtime.hosting.item import Item, ReplyTo, Step
from runtime.messages import Cancel, Correct, Delete, Reply, Resolve, Send, Start, Status, Terminate, error_reply
from runtime.transport.port import Message


class Waiters:
    """Who waits for the answer of an accepted command, or (with no command id) for a run's result.

    Held by the partition, not by the activation: an instance may be unloaded while its caller waits.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str | None], list[tuple[ReplyTo, float]]] = {}

    def add(self, stream: str, command_id: str | None, who: ReplyTo | None) -> None:
        """Remember a caller; the same one asking again counts once."""
        if who is None:
            return
        waiting = self._waiting.setdefault((stream, command_id), [])
        waiting[:] = [(other, since) for other, since in waiting if other != who]
        waiting.append((who, monotonic()))

    def expire(self, before: float) -> None:
        """Forget callers that last asked before a time (of the loop's clock): they have gone."""
        for key, waiting in list(self._waiting.items()):
            waiting[:] = [(who, since) for who, since in waiting if since >= before]
            if not waiting:
                del self._waiting[key]

    def answer(self, stream: str, command_id: str | None, reply: Reply) -> list[Message]:
        """Make the messages that answer everybody who waits, and forget them."""
        waiting = self._waiting.pop((stream, command_id), None)
        return [] if waiting is None else [who.message(reply) for who, _ in waiting]


class Ground(msgspec.Struct):
    """The partition's part of handling a message."""

    app: App
    clock: Clock
    partition: int
    partitions: int  # of the store: where other streams live follows from it
    epoch: int
    waiters: Waiters
    jitter: Callable[[], float]  # random numbers in [0, 1)
    command_horizon: timedelta  # how long a command id is remembered
    lease_is_current: Callable[[], bool]  # no: then what is in memory may be out of date

    def too_old(self, message: Send) -> Reply | None:
        """Refuse a command that is older than the inbox's memory: it can't be told from a repetition."""
        if message.sent_at is None or self.clock.now() - _aware(message.sent_at) < self.command_horizon:
            return None
        return error_reply(
            Status.TOO_OLD,
            CommandTooOldNote(
                f"command {message.command_id} was sent at {message.sent_at.isoformat()}; ids are remembered for "
                f"{self.command_horizon.days} days, so it can't be told from a repetition. Send it with a new id"
            ),
            "CommandTooOld",
        )


class CommandTooOldNote(Exception):
    """The text of a refusal."""


def answers(item: Item, reply: Reply | bytes) -> list[Message]:
    """Make the answer to one item; none when its sender wants none."""
    who = item.reply_to
    return [] if who is None else [who.message(reply)]


def refusal(item: Item, reply: Reply) -> Step:
    """Make the step that changes nothing and tells the sender why. A sender that wants no answer has been promised
    that its command is not lost: the message is put aside with the reason, where people can see it. A workflow that
    starts a child keeps its message by itself, and says it again.
    """
    if item.reply_to is not None:
        return Step(replies=answers(item, reply))
    content = item.content
    if isinstance(content, Send) and content.caller is not None:
        return Step(denied=reply)
    if isinstance(content, Send | Cancel | Terminate | Resolve | Correct | Delete) or (
        isinstance(content, Start) and content.caller is None
    ):
        return Step(refused=reply.error)
    return Step()


def storable(text: str, most: int = 500) -> str:
    """Cut a text for people down to what a database column takes: no NUL, no lone surrogates, not too long."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode()


def fingerprint(name: str, input: Raw) -> int:
    """Give a 64-bit number for a command's name and input: the same for the same JSON value, however it is written."""
    digest = hashlib.blake2b(name.encode() + b"\0" + canonical(input), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
