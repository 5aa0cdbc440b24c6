"""Messages that can't be handled are put aside with their reason, where people can see them; the others go on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from eventstore import Commit, InboxMark, OutboxMessage, Quarantined
from runtime.hosting.delayed import rows_of
from runtime.hosting.ground import Ground, storable
from runtime.hosting.item import Item
from runtime.hosting.own_commits import OwnCommits
from runtime.hosting.services import Services
from runtime.transport.port import Delivery, Message

log = structlog.get_logger("perdure.quarantine")


class Quarantine:
    """Puts messages of one partition aside. The delivery is acked, and its sender told, once that is durable."""

    def __init__(
        self, services: Services, ground: Ground, commits: OwnCommits, publish: Callable[[OutboxMessage], None]
    ) -> None:
        self._services, self._ground, self._commits, self._publish = services, ground, commits, publish
        self._strays: dict[int, tuple[Item, Callable[[], None]]] = {}  # of no partition, and not durable yet
        self._dropped = False

    def put(
        self,
        item: Item,
        reason: str,
        *,
        stream: str = "",
        version: int = 0,
        marks: list[InboxMark] | None = None,
        outbox: list[OutboxMessage] | None = None,
        replies: list[Message] | None = None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        """Put one aside.

        Args:
            item: the message.
            reason: for people.
            stream: whom it was for, and
            version: that stream's version, where `marks` go with it.
            marks: inbox marks that give its repetitions the same answer.
            outbox: messages that tell its caller, if another actor gave it.
            replies: what to tell its sender.
            lost: called when the partition was lost before it was durable, for a message that is not the partition's
                own: nobody else would see to it.
        """
        if lost is not None and self._dropped:
            lost()
            return
        delivery = item.delivery
        if delivery is None:
            log.error("could not be handled", actor=stream, reason=reason)
            return
        record = self._record(delivery, reason, item.attempts)
        if lost is not None:
            self._strays[id(item)] = (item, lost)
        partition, epoch = self._ground.partition, self._ground.epoch
        durable = partial(self._durable, item, record, stream, replies or [], stray=lost is not None)
        outbox = outbox or []
        rows = rows_of(delivery.body)
        alone = Commit(partition, epoch, quarantine=[record], outbox_remove=rows)

        def told() -> None:
            durable()
            for message in outbox:
                self._publish(message)

        if not marks:
            alone.outbox = outbox
            self._commits.submit(alone, told)
            return
        marked = Commit(
            partition, epoch, stream, version, inbox=marks, outbox=outbox, outbox_remove=rows, quarantine=[record]
        )
        # Refused: the stream moved on, or a repetition was marked first. Then it is put aside without a mark, and
        # without an outcome: one that another actor gave comes again, and finds its mark or makes another.
        self._commits.submit(marked, told, refused=partial(self._commits.submit, alone, durable))

    def _record(self, delivery: Delivery, reason: str, attempts: int) -> Quarantined:
        return Quarantined(
            id=self._services.new_id(),
            source=storable(f"{delivery.source}:{delivery.key}"),
            body=delivery.body,
            reason=storable(reason, 2000),
            attempts=attempts,
            at=self._ground.clock.now(),
        )

    def drop(self) -> None:
        """Hear that the partition is lost."""
        self._dropped = True
        strays, self._strays = self._strays, {}
        for _, lost in strays.values():
            lost()

    def _durable(self, item: Item, record: Quarantined, stream: str, replies: list[Message], *, stray: bool) -> None:
        log.error("message quarantined", actor=stream, source=record.source, id=record.id, reason=record.reason)
        is_lost = stray and self._strays.pop(id(item), None) is None  # somebody else acks it by now
        if item.delivery is not None and item.subscription is not None and not is_lost:
            item.subscription.ack(item.delivery)
        self._services.reply(replies)
        if item.handled is not None:
            item.handled.set()
