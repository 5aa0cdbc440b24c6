"""Asking, and asking again: a question goes out with a correlation id, and its answer comes into our reply queue.

```
           confirmed              patience at its end
 SENDING ────────────► WAITING ─────────────────────────► SENDING
    │ not confirmed       │ answer
    ▼                     ▼                 in every state: answered, or out of time
 PAUSING ──► SENDING   answered
```

What is lost on the way (a publish without confirm, an answer, a node that was killed while somebody waited) is made
good by asking again with the same command id, which changes nothing twice. A caller waits for one future, whatever
its question goes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from itertools import count

import structlog

from actors import PayloadRefused
from runtime.client.calls import encoded
from runtime.client.deadlines import Deadlines
from runtime.clock import monotonic
from runtime.consuming import pause
from runtime.errors import AnswerTimeout, ClientBroken
from runtime.messages import Inbound, Reply, decode_reply
from runtime.publisher import Publisher
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message, Subscription, SubscriptionLost, Transport, TransportError

FIRST_PATIENCE, MOST_PATIENCE = 3.0, 20.0  # seconds without an answer before asking again

log = structlog.get_logger("perdure.client")


class _Phase(Enum):
    SENDING = 0  # until the broker confirms
    WAITING = 1  # for the answer
    PAUSING = 2  # before it is sent again


class Question:
    """One message under way, until it is answered, or confirmed where no answer is asked for."""

    __slots__ = (
        "_asker", "_content", "_destination", "_end", "_failures", "_key", "_look_at", "_next", "_patience", "_phase",
        "_timeout", "answer", "body", "correlation_id",
    )  # fmt: skip

    def __init__(self, asker: Asker, content: Inbound, timeout: float | None, correlation_id: str | None) -> None:
        now = monotonic()
        self._asker, self._content, self._timeout = asker, content, timeout
        self._destination, self._key = asker.route(content)
        self._end = None if timeout is None else now + timeout
        self._phase = _Phase.SENDING
        self._next = now  # when something is to be done about it; SENDING: never by itself
        self._look_at: float | None = None  # the earliest deadline that is watched
        self._patience, self._failures = FIRST_PATIENCE, 0
        self.body = encoded(content)
        self.correlation_id = correlation_id
        self.answer: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do."""
        return self.answer.done()

    def send(self) -> None:
        """Publish it."""
        self._phase = _Phase.SENDING
        reply_to = self._asker.address if self.correlation_id is not None else None
        message = Message(self._destination, self._key, self.body, reply_to, self.correlation_id)
        self._asker.publisher.add(message, self._published)

    def look_after(self, seconds: float) -> None:
        """Be looked at after that time at the latest, and when the caller's time is up."""
        when = monotonic() + seconds
        if self._end is not None:
            when = min(when, self._end)
        if self._look_at is None or when < self._look_at:
            self._look_at = when
            self._asker.deadlines.watch(self, when)

    def due(self, when: float) -> None:
        """Look whether it is time to do something."""
        if when != self._look_at:
            return  # an earlier look took its place
        self._look_at = None
        now = monotonic()
        if self._end is not None and now >= self._end:
            self._fail(self._out_of_time())
        elif self._phase is _Phase.SENDING:
            self.look_after(FIRST_PATIENCE)
        elif now < self._next:
            self.look_after(self._next - now)
        else:
            if self._phase is _Phase.WAITING:
                self._patience = min(MOST_PATIENCE, self._patience * 2)
            self.send()
            self.look_after(FIRST_PATIENCE)

    def answered(self, body: bytes) -> None:
        """Take the answer."""
        if self.answer.done():
            return  # a second answer, to a question that was asked again
        try:
            self.answer.set_result(decode_reply(body))
        except PayloadRefused as error:
            self.answer.set_exception(error)

    def _published(self, error: TransportError | None) -> None:
        if self.answer.done():
            return
        if error is not None:
            self._not_published(error)
        elif self.correlation_id is None:
            self.answer.set_result(None)
        else:
            self._phase, self._failures = _Phase.WAITING, 0
            self._next = monotonic() + self._patience

    def _not_published(self, error: TransportError) -> None:
        self._failures += 1
        wait = pause(self._failures, self._asker.jitter())
        self._phase, self._next = _Phase.PAUSING, monotonic() + wait
        if self._end is not None and self._next >= self._end:
            self._fail(AnswerTimeout(f"the message for {self._content.stream} could not be published: {error}"))
        else:
            self.look_after(wait)

    def _out_of_time(self) -> AnswerTimeout:
        stream = self._content.stream
        if self._phase is not _Phase.WAITING:
            return AnswerTimeout(f"the broker did not confirm the message for {stream} in time")
        return AnswerTimeout(
            f"no answer from {stream} within {self._timeout:g} s: it may or may not have been handled. "
            "Ask again with the same id, and check that a node is up (`perdure doctor`)"
        )

    def _fail(self, error: Exception) -> None:
        self.answer.set_exception(error)


class Asker:
    """All questions of one client, and its reply queue.

    Args:
        transport: open while questions are asked.
        partitions: how many partitions the store has; None: every message goes by way of the ingress.
        jitter: in [0, 1), keeps many that lost the same broker from coming back together.
    """

    def __init__(self, transport: Transport, partitions: int | None, jitter: Callable[[], float]) -> None:
        self.publisher = Publisher(transport)
        self.deadlines = Deadlines()
        self.jitter = jitter
        self.address = ""
        self.waiting: dict[str, Question] = {}
        self._transport, self._partitions = transport, partitions
        self._numbers = count(1)  # an answer comes to our own address, so a number tells it from all others
        self._inbox: Subscription | None = None
        self._duties: list[asyncio.Task[None]] = []
        self._broken: ClientBroken | None = None

    async def open(self) -> None:
        """Make the reply queue. Raises `TransportError`."""
        self.address, self._inbox = await self._transport.reply_inbox()
        self._duties = [
            asyncio.create_task(self.publisher.run(), name="client publisher"),
            asyncio.create_task(self._receive(), name="client replies"),
        ]
        for duty in self._duties:
            duty.add_done_callback(self._ended)

    async def close(self) -> None:
        """End every wait and give the reply queue back; safe to call twice."""
        duties, self._duties = self._duties, []
        for duty in duties:
            duty.cancel()
        if duties:
            await asyncio.wait(duties)
        self.deadlines.close()
        for question in self.waiting.values():
            if not question.over:
                question.answer.set_exception(
                    AnswerTimeout("the client was closed before the answer came; ask again with another")
                )
        if self._inbox is not None:
            await self._inbox.close()
            self._inbox = None

    def _ended(self, duty: asyncio.Task[None]) -> None:
        """A duty ends by cancellation only. After anything else nobody would hear of an answer: all who wait are told."""
        if duty.cancelled():
            return
        error = duty.exception()
        log.error("client broken", duty=duty.get_name(), error=repr(error))
        self._broken = ClientBroken(
            f"the {duty.get_name()} task ended: {error!r}. Make another client, and report this"
        )
        self._broken.__cause__ = error
        for question in self.waiting.values():
            if not question.over:
                question.answer.set_exception(self._broken)

    async def ask(self, content: Inbound, timeout: float | None) -> Reply:
        """Send a message and wait for its answer.

        Raises:
            AnswerTimeout: none came in `timeout` seconds.
            CommandInvalid: the message can't be sent.
        """
        correlation_id = str(next(self._numbers))
        reply = await self._settled(Question(self, content, timeout, correlation_id), correlation_id)
        assert reply is not None  # noqa: S101  only what has no correlation id ends without a reply
        return reply

    async def tell(self, content: Inbound, timeout: float | None) -> None:
        """Send a message and wait until the broker has confirmed it. Raises like `ask`."""
        await self._settled(Question(self, content, timeout, None), f"told {next(self._numbers)}")

    async def _settled(self, question: Question, key: str) -> Reply | None:
        if self._broken is not None:
            raise self._broken
        self.waiting[key] = question
        try:
            question.send()
            question.look_after(FIRST_PATIENCE)
            return await question.answer
        finally:
            del self.waiting[key]

    def route(self, content: Inbound) -> tuple[Destination, str]:
        """Say where a message goes."""
        if self._partitions is None:
            return Destination.INGRESS, f"{content.type}.{content.id}"
        return Destination.COMMANDS, str(partition_of(content.stream, self._partitions))

    def answered(self, correlation_id: str | None, body: bytes) -> None:
        """Take what came into the reply queue."""
        question = self.waiting.get(correlation_id or "")
        if question is not None:
            question.answered(body)

    async def _receive(self) -> None:
        failures = 0
        while True:
            inbox = self._inbox
            try:
                if inbox is None:
                    self.address, self._inbox = await self._transport.reply_inbox()
                    failures = 0
                    continue
                for delivery in await inbox.receive():
                    self.answered(delivery.correlation_id, delivery.body)
            except (SubscriptionLost, TransportError) as error:
                log.info("replies interrupted", reason=str(error))
                self._inbox = None
                failures += 1
                await asyncio.sleep(pause(failures, self.jitter()))
