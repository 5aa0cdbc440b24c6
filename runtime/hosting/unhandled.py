"""Messages that no actor is given: refused, put aside, or answered from what is recorded. Each is acked, and who waits is told."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from actors import InvalidInput, PayloadRefused
from actors.definition import WorkflowType
from actors.journal import Caller, ErrorInfo
from eventstore import Commit, OutboxMessage
from runtime.hosting.calls import answer_message, outcome_of
from runtime.hosting.children import check_caller, comes_again
from runtime.hosting.ground import Ground, answers, fingerprint
from runtime.hosting.handling import done_key, is_acceptance
from runtime.hosting.item import Item, Wake
from runtime.hosting.own_commits import OwnCommits
from runtime.hosting.quarantine import Quarantine
from runtime.hosting.recorded import recorded
from runtime.hosting.replies import repeated
from runtime.hosting.services import Services
from runtime.messages import (
    Inbound,
    Reply,
    ReplyWhen,
    Send,
    Start,
    Status,
    TaskOutcome,
    decode_inbound,
    error_reply,
)
from runtime.transport.port import Delivery, Subscription

log = structlog.get_logger("perdure.partition")


class Unhandled:
    """Those of one partition. `publish` is given the messages to other actors when they are durable."""

    def __init__(
        self,
        services: Services,
        ground: Ground,
        commits: OwnCommits,
        quarantine: Quarantine,
        publish: Callable[[OutboxMessage], None],
    ) -> None:
        self._services, self._ground, self._commits = services, ground, commits
        self._quarantine, self._publish = quarantine, publish

    def put_aside(
        self,
        delivery: Delivery,
        subscription: Subscription,
        reason: str,
        attempts: int,
        lost: Callable[[], None] | None = None,
    ) -> None:
        """Quarantine a message that was never handed to an actor; `lost` as in `Quarantine.put`."""
        reply = error_reply(Status.QUARANTINED, ErrorInfo("Quarantined", reason))
        item = Item(Wake(type="", id=""), delivery, subscription, attempts)
        self._quarantine.put(
            item, reason, outbox=self._tell_caller(delivery, reply), replies=answers(item, reply), lost=lost
        )

    async def repeat_answer(self, delivery: Delivery, subscription: Subscription) -> bool:
        """Answer what was handled before from the inbox or the journal, and run nothing; say whether that was so.

        Raises:
            StoreError: they can't be read.
        """
        try:
            content = decode_inbound(delivery.body)
        except InvalidInput:
            return False
        if not isinstance(content, Send | Start):
            return False
        if isinstance(self._ground.app.types.get(content.type), WorkflowType):
            return await self._repeat_recorded(content, delivery, subscription)
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

    async def _repeat_recorded(self, content: Send | Start, delivery: Delivery, subscription: Subscription) -> bool:
        events = await self._services.store.read_stream(content.stream)
        try:
            found = recorded(content, events)
        except PayloadRefused as error:
            log.warning("journal can't be read", actor=content.stream, error=str(error))
            return False
        if found is None:
            return False
        if found.answer is not None:
            self._services.reply(answers(Item(content, delivery, subscription), found.answer))
        subscription.ack(delivery)
        return True

    def refuse(
        self, content: Inbound | None, delivery: Delivery, subscription: Subscription, error: InvalidInput
    ) -> None:
        """Refuse a message that is wrong in itself, or for a type that is not known; tell who waits."""
        log.warning("message refused", partition=self._ground.partition, error=str(error))
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
            self._quarantine.put(item, f"{type(error).__name__}: {error}")

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
            self._publish(told)
            subscription.ack(delivery)

        self._commits.submit(Commit(self._ground.partition, self._ground.epoch, outbox=[told]), durable)

    def _tell_caller(self, delivery: Delivery, reply: Reply) -> list[OutboxMessage]:
        """Make the message that tells the actor that gave a command; none when no actor did."""
        try:
            content = decode_inbound(delivery.body)
        except InvalidInput:
            return []
        if not isinstance(content, Send) or content.caller is None:
            return []
        return [answer_message(content, content.caller, outcome_of(reply), self._services.partitions)]


def _comes_again(body: bytes) -> bool:
    try:
        content = decode_inbound(body)
    except InvalidInput:
        return False
    return isinstance(content, TaskOutcome) or comes_again(content)
