"""Answers to workers that ask whether anybody still waits for a task that they run.

A task's row is in the outbox as long as its outcome is wanted: until one is recorded, the code stops waiting, or the run
ends. So the row is the answer, no actor is loaded for it, and what memory has forgotten makes no difference.
"""

from __future__ import annotations

from msgspec import Raw

from actors.journal import Caller
from eventstore import EventStore
from runtime.hosting.item import ReplyTo
from runtime.messages import Reply, Status, TaskWanted
from runtime.transport.port import Delivery, Message

_YES, _NO = (Reply(Status.OK, Raw(b'{"wanted":%s}' % answer)) for answer in (b"true", b"false"))


class WantedTasks:
    """The questions of one partition that have no answer yet."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._asked: list[tuple[str, ReplyTo]] = []

    def __bool__(self) -> bool:
        return bool(self._asked)

    def ask(self, question: TaskWanted, delivery: Delivery) -> None:
        """Take a question; who gives no address wants no answer."""
        if delivery.reply_to is not None:
            row = Caller(question.stream, question.task).key
            self._asked.append((row, ReplyTo(delivery.reply_to, delivery.correlation_id)))

    async def answer(self, store: EventStore) -> list[Message]:
        """Make the answers, for all in one read.

        Raises:
            StoreError: the questions are dropped, and asked again.
        """
        asked, self._asked = self._asked, []
        there = await store.outbox_holds(self._partition, [row for row, _ in asked])
        return [who.message(_YES if row in there else _NO) for row, who in asked]
