"""Forks: a new instance out of the events of another one, asked for by a message to the new one's partition.

Invariants, and who keeps them:
* the other stream is read and never written: the one commit is for the new stream, under this partition's epoch;
* the new instance is there whole or not at all: the copied events, what they leave open (tasks, timers, children,
  commands) and its row of the listing are one commit;
* it is made once: a stream begins once (its unique version 1). The same fork said again finds its origin there, in the first
  event of a workflow or the inbox of an actor, and is told so; anything else of that name is a conflict;
* what the code can't live on from is not made: the copied events are replayed before the commit, under the new name;
* nothing is acked before it is durable, or refused to somebody who hears it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import msgspec
import structlog
from msgspec import Raw
from msgspec.structs import replace

from actors import Bug, InvalidInput, Nondeterminism
from actors.codec import canonical
from actors.definition import ActorType, WorkflowType
from actors.entity import Entity
from actors.forking import copy, explain
from actors.journal import ErrorInfo, Origin, RunStarted, decode_event
from actors.names import stream_name
from eventstore import Commit, InboxMark, RecordedEvent, StoreError
from eventstore import Execution as ExecutionRow
from runtime.consuming import STORE_PAUSE, pause
from runtime.hosting.ground import Ground, answers, fingerprint
from runtime.hosting.item import Item, Wake
from runtime.hosting.own_commits import OwnCommits
from runtime.hosting.quarantine import Quarantine
from runtime.hosting.replies import conflict
from runtime.hosting.services import Services
from runtime.hosting.workflow import WorkflowBehaviour, copies
from runtime.messages import Fork, Reply, Status, encode_message, error_reply
from runtime.transport.port import Delivery, Subscription

MAX_WRITES = 5  # whose outcome nobody can tell, before the message is put aside
_MARK = "=fork"  # the id of an actor's inbox mark that says what it was forked from

log = structlog.get_logger("perdure.partition")


class Forks:
    """The forks that one partition is making. `made` is called with each new stream and its durable commit."""

    def __init__(
        self,
        services: Services,
        ground: Ground,
        commits: OwnCommits,
        quarantine: Quarantine,
        made: Callable[[str, Commit], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._services, self._ground, self._commits, self._quarantine = services, ground, commits, quarantine
        self._made, self._jitter = made, jitter
        self._running: set[asyncio.Task[None]] = set()

    def take(
        self, message: Fork, delivery: Delivery, subscription: Subscription, handled: asyncio.Event | None
    ) -> None:
        """Take a message; its sender is answered when the new instance is durable."""
        item = Item(Wake(type="", id=""), delivery, subscription, handled=handled)
        running = asyncio.create_task(self._fork(message, item), name=f"fork {message.stream}")
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def drop(self) -> None:
        """Forget all: the lease is gone, and the messages come to the next owner."""
        for running in self._running:
            running.cancel()

    async def _fork(self, message: Fork, item: Item) -> None:
        reply, failures = None, 0
        while reply is None and failures < MAX_WRITES:
            try:
                reply = await self._attempt(message)
            except StoreError as error:  # nothing was written: the store can't be read
                log.warning("fork waits for the store", actor=message.stream, error=str(error))
                await asyncio.sleep(pause(1, self._jitter(), STORE_PAUSE))
            except Exception as error:
                log.exception("fork could not be made", actor=message.stream)
                reply = error_reply(Status.FAILED, error)
            else:
                failures += 1
        self._tell(message, item, reply or Reply(Status.FAILED, error=ErrorInfo("NotWritten", "it can't be written")))

    def _tell(self, message: Fork, item: Item, reply: Reply) -> None:
        if item.reply_to is None and (error := reply.error) is not None:
            self._quarantine.put(item, f"{error.type}: {error.message}", stream=message.stream)
            return
        if item.subscription is not None and item.delivery is not None:
            item.subscription.ack(item.delivery)
        self._services.reply(answers(item, reply))
        if item.handled is not None:
            item.handled.set()

    async def _attempt(self, message: Fork) -> Reply | None:
        """Make the fork, or say why not; None when it is not known whether it was written."""
        store = self._services.store
        try:
            kind = self._services.app.type(message.type)
            source = stream_name(message.type, message.source)
        except InvalidInput as error:
            return error_reply(Status.INVALID, error)
        if there := await store.read_stream(message.stream, limit=1):
            return await self._there(message, source, there[0])
        events = await store.read_stream(source, upto=message.version) if message.version > 0 else []
        if len(events) < max(1, message.version):
            return _missing(source, message.version, await store.stream_version(source))
        origin = Origin(source, message.version, message.changes)
        try:
            commit = self._commit(kind, message, origin, events)
        except InvalidInput as error:
            return error_reply(Status.INVALID, error)
        except (Nondeterminism, Bug) as error:
            return error_reply(Status.INVALID, ErrorInfo(type(error).__name__, explain(error, message.changes)))
        if not await self._written(commit):
            return None
        log.info("forked", actor=message.stream, origin=source, version=message.version)
        self._made(message.stream, commit)
        return _created(True)

    async def _there(self, message: Fork, source: str, first: RecordedEvent) -> Reply:
        """Say whether the instance that is there is this very fork."""
        note = f"{message.stream} is there already, and is not this fork"
        started = decode_event(first.type, first.data) if first.type == RunStarted.__name__ else None
        if isinstance(started, RunStarted):
            origin = started.origin
            same = origin is not None and _identity(origin) == _identity(
                Origin(source, message.version, message.changes)
            )
        else:
            key = (message.stream, _MARK)
            mark = (await self._services.store.replies([key])).get(key)
            same = mark is not None and mark.digest == _digest(Origin(source, message.version, message.changes))
        # Asked again, because its answer was lost, the request that made it hears so again.
        made_it = message.command_id is not None and first.causation_id == _cause(message, source)
        return _created(made_it) if same else conflict(note)

    def _commit(
        self, kind: ActorType | WorkflowType, message: Fork, origin: Origin, events: list[RecordedEvent]
    ) -> Commit:
        copied = copy(kind, events, origin)
        events = [replace(event, data=made.data) for event, made in zip(events, copied, strict=True)]
        if isinstance(kind, WorkflowType):
            commit = WorkflowBehaviour(self._ground, kind, message.stream).adopt(events)
        else:
            commit = self._commit_of_actor(kind, message.stream, origin, events)
        commit.events[0].causation_id = _cause(message, origin.stream)
        return commit

    def _commit_of_actor(self, kind: ActorType, stream: str, origin: Origin, events: list[RecordedEvent]) -> Commit:
        entity = Entity(kind, stream)
        try:
            entity.replay(events)
            if entity.handling is not None and entity.handling.pending:
                raise InvalidInput(
                    f"at version {origin.version} {origin.stream} was carrying out command "
                    f"{next(iter(entity.handling.pending.values())).name}: fork an actor where no command is under way"
                )
        finally:
            entity.dispose()
        ground, first = self._ground, events[0]
        row = ExecutionRow("active", first.recorded_at, ground.clock.now(), correlation_id=first.correlation_id)
        mark = InboxMark(_MARK, _digest(origin), encode_message(_created(False)))
        return Commit(ground.partition, ground.epoch, stream, 0, copies(events), [mark], execution=row)

    async def _written(self, commit: Commit) -> bool:
        """Write the commit: whether it is durable. False: refused, or not known."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def settle(durable: bool) -> None:
            if not written.done():
                written.set_result(durable)

        self._commits.submit(commit, lambda: settle(True), refused=lambda: settle(False), unknown=lambda: settle(False))
        return await written


def _missing(source: str, version: int, newest: int) -> Reply:
    if newest == 0:
        return Reply(Status.NOT_FOUND, error=ErrorInfo("NotFound", f"there is no {source} to fork"))
    note = f"{source} has {newest} events; there is no version {version} to fork at"
    return Reply(Status.INVALID, error=ErrorInfo("InvalidInput", note))


def _created(created: bool) -> Reply:
    return Reply(Status.OK, Raw(b'{"created":true}' if created else b'{"created":false}'))


def _cause(message: Fork, source: str) -> str:
    cause = f"fork of {source}"
    return cause if message.command_id is None else f"{cause} by {message.command_id}"


def _identity(origin: Origin) -> tuple[str, int, bytes]:
    changes = {str(version): Raw(canonical(change)) for version, change in sorted(origin.changes.items())}
    return origin.stream, origin.version, msgspec.json.encode(changes)


def _digest(origin: Origin) -> int:
    stream, version, changes = _identity(origin)
    return fingerprint(f"{stream}@{version}", Raw(changes))
