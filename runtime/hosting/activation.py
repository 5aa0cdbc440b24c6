"""One actor in a node's memory: its mailbox, and the chain of its turns that are not durable yet.

    ┌─────────┐  loaded   ┌────────┐  finished, or idle   ┌─────────┐
    │ LOADING ├──────────►│ ACTIVE ├─────────────────────►│ DROPPED │
    └─────────┘           └───┬────┘                      └─────────┘
         ▲   refused, unknown │                                ▲
         └────────────────────┘        partition lost (from any phase)

Invariants, and who keeps them:
* items are handled in the order they came: one deque, and a retry puts what was not durable in front again;
* a turn may build on turns that are not durable yet, because their commits keep their order. Nothing that a turn
  asks for leaves the node before its commit is durable: `_done` is called from nowhere else;
* after a refused or unknown commit nothing in memory is believed: all is withdrawn, reloaded, and handled again.
  The stream's unique versions and the inbox's unique keys make the second handling of a durable item harmless.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from actors import Bug, SnapshotRefused
from actors.definition import AbsentType, ActorType, WorkflowType
from actors.failures import error_info
from actors.journal import ErrorInfo
from eventstore import (
    Commit,
    CommitRefused,
    LoadedStream,
    LoadRequest,
    StaleEpoch,
    StoreError,
    StoreUnavailable,
    UnserialisableInput,
)
from runtime.hosting.crashed import MAX_ATTEMPTS, verdict
from runtime.hosting.entity import EntityBehaviour
from runtime.hosting.forgetting import deleted_at, forget, is_rest, outlived
from runtime.hosting.forgetting import mark_id as mark_id_of_deletion
from runtime.hosting.former_runs import asked_marks
from runtime.hosting.ground import answers
from runtime.hosting.handling import HandlingBehaviour
from runtime.hosting.item import Expire, Item, LocalDone, Step, TimerDue, Wake
from runtime.hosting.marks import marks_of
from runtime.hosting.parked import ParkedActor, is_workflow
from runtime.hosting.workflow import WorkflowBehaviour
from runtime.messages import Delete, Start

if TYPE_CHECKING:
    from runtime.hosting.host import PartitionHost

MANY_REFUSALS = 5  # of commits, one after the other: what the log refuses for ever must not be tried without a pause

_FORGETTING = (Delete, Expire)

log = structlog.get_logger("perdure.actor")


class Phase(StrEnum):
    """Where an activation is in its life."""

    LOADING = "loading"
    ACTIVE = "active"
    DROPPED = "dropped"


class TurnUnit:
    """A turn on its way into the log, with those that changed nothing but must not overtake it."""

    __slots__ = ("activation", "commit", "item", "riders", "step", "withdrawn")

    def __init__(self, activation: Activation, commit: Commit, step: Step, item: Item) -> None:
        self.activation, self.commit, self.step, self.item = activation, commit, step, item
        self.riders: list[tuple[Step, Item]] = []
        self.withdrawn = False

    def settle(self, error: StoreError | None) -> None:
        """Hear from the committer; a withdrawn unit's items are being handled again already."""
        if not self.withdrawn:
            self.activation.settled(self, error)


class Activation:
    """See the module's docstring."""

    __slots__ = (
        "behaviour",
        "deletions",
        "doubtful",
        "gone_since",
        "host",
        "kind",
        "last_used",
        "mailbox",
        "phase",
        "refusals",
        "stream",
        "units",
    )

    def __init__(self, host: PartitionHost, kind: ActorType | WorkflowType, stream: str) -> None:
        self.host, self.kind, self.stream = host, kind, stream
        self.phase = Phase.LOADING
        self.mailbox: deque[Item] = deque()
        self.units: deque[TurnUnit] = deque()
        self.last_used = 0.0
        self.deletions: dict[str, bytes] = {}  # answers to requests to delete it, as far as the log was asked for
        self.refusals = 0  # of commits, one after the other
        self.gone_since: datetime | None = None  # deleted, and nothing has begun since
        self.doubtful = False  # a commit is unknown: what the outbox remembers of its tasks may be out of date
        self.behaviour = self._fresh()

    # -- what the host asks -----------------------------------------------------------------------------------

    def receive(self, item: Item) -> None:
        """Take an item: handle it now, or keep it until the actor is loaded."""
        if self.phase is Phase.ACTIVE and not self.mailbox:
            self._handle(item)
        else:
            self.mailbox.append(item)

    def begin(self, item: Item) -> None:
        """Take the first item. A first start is handled unseen: if the stream exists after all, its commit is refused."""
        is_new = isinstance(item.content, Start) and isinstance(self.kind, WorkflowType) and not self.is_absent
        if is_new and item.delivery is not None and item.delivery.redeliveries == 0:
            self.phase = Phase.ACTIVE
            self._handle(item)
            if (
                self.phase is Phase.ACTIVE and not self.units
            ):  # refused, so whether the stream exists is still not known
                self.host.forget(self)
        else:
            if not isinstance(item.content, Wake):  # to be loaded is all that it asks for
                self.mailbox.append(item)
            self.host.load(self)

    def load_request(self) -> LoadRequest:
        """Say what to read: the stream, and which of the waiting commands were handled before."""
        ids: list[str] = []
        waits = isinstance(self.behaviour, HandlingBehaviour)
        for item in self.mailbox:
            asked = marks_of(item.content, waits=waits)
            item.looked = item.looked or bool(asked)
            ids += asked
        if isinstance(self.kind, WorkflowType):
            ids = asked_marks(ids)
        # Whether an actor can be folded is judged by its events alone.
        whole = self.is_absent or self.stream in self.host.stuck
        return LoadRequest(self.stream, ids, after=0 if whole else None)

    def loaded(self, stream: LoadedStream) -> bool:
        """Go on with what was read. False: not from this snapshot, which another code made or which is damaged."""
        if self.phase is not Phase.LOADING:
            return True
        self.deletions = {id: mark.reply for id, mark in stream.inbox.items() if id.startswith("\v")}
        self.gone_since = deleted_at(stream)
        for damaged in stream.damaged:
            log.error(
                "snapshot damaged", actor=self.stream, snapshot=damaged, read_instead="an older one, or the events"
            )
        if isinstance(self.kind, AbsentType) and not is_workflow(stream):
            self.behaviour = ParkedActor(self.host.ground, self.kind, self.stream)
        try:
            step = self.behaviour.load(stream, was_stuck=self.stream in self.host.stuck)
        except SnapshotRefused as refused:
            version = None if stream.snapshot is None else stream.snapshot.version
            log.info("snapshot passed over", actor=self.stream, snapshot=version, reason=str(refused))
            self.behaviour.dispose()
            self.behaviour = self._fresh()
            return False
        except Exception as error:
            # Not the user's code, or the behaviour would have told it: whatever it is, the partition goes on.
            log.exception("stream could not be loaded", actor=self.stream)
            self._not_loaded(error_info(error))
            return True
        self.phase = Phase.ACTIVE
        # A local task that ended while its turn was lost waits in the mailbox: it must not run twice for that.
        ended = {item.content.call.task for item in self.mailbox if isinstance(item.content, LocalDone)}
        step.local_calls = [call for call in step.local_calls if call.task not in ended]
        if self.doubtful:
            self.doubtful = False
            self.host.doubt(self.behaviour.open_tasks())
        held = self.behaviour.parked or self.behaviour.paused  # nothing is tried again
        if self.behaviour.broken and not step.stuck and not self.behaviour.finished and not held:
            self.host.stuck.plan(self.stream)
        self._submit(step, Item(self.host.wake(self.stream)))
        if self.behaviour.dirty:  # a command that waited was refused after it had emitted
            self._reload([], error=None)
            return True
        self._drain()
        if self.is_absent and not self.behaviour.exists and not self.units:
            self.host.forget(self)  # it does not exist: whoever asked has been told
        return True

    @property
    def is_absent(self) -> bool:
        """Whether nobody here knows its type."""
        return isinstance(self.kind, AbsentType)

    @property
    def idle(self) -> bool:
        """Whether nothing is lost when it is unloaded now."""
        return self.phase is Phase.ACTIVE and not self.units and not self.mailbox and not self.behaviour.busy

    def drop(self) -> list[Item]:
        """Unload it; gives the items that are not durably handled, in order."""
        items = [*self._withdraw(), *self.mailbox]
        self.host.cancel_local(self)
        self.phase = Phase.DROPPED
        self.mailbox.clear()
        self.behaviour.dispose()
        return items

    def _not_loaded(self, error: ErrorInfo) -> None:
        """Try again in a moment; who has waited for several tries is put aside."""
        waiting, self.mailbox = self.mailbox, deque()
        for item in waiting:
            item.attempts += 1
            if item.attempts < MAX_ATTEMPTS:
                self.mailbox.append(item)
            else:
                self._quarantine(item, error)
        if not self.mailbox:
            self.host.forget(self)
            return
        self.behaviour.dispose()
        self.behaviour = self._fresh()
        self.host.load_later(self)

    # -- handling ---------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        while self.mailbox and self.phase is Phase.ACTIVE:
            self._handle(self.mailbox.popleft())

    def _handle(self, item: Item) -> None:
        if isinstance(item.content, Wake) and self.behaviour.broken:
            self._reload([], error=None)  # without the wake: a reload is all that it asks for
            return
        if isinstance(item.content, _FORGETTING) or is_rest(item.content):
            self._forget(item)
            return
        try:
            step = self.behaviour.handle(item)
        except Bug as bug:
            self._crashed(item, error_info(bug.__cause__ or bug))
            return
        except Exception as error:
            # Not the user's code, or it would be a Bug: whatever it is, the partition goes on with the next message.
            log.exception("message could not be handled", actor=self.stream)
            self._crashed(item, error_info(error))
            return
        if step.look:
            self._reload([item], error=None)
            return
        self._submit(step, item)
        if self.behaviour.dirty:
            self._reload([], error=None)

    def _forget(self, item: Item) -> None:
        if isinstance(item.content, Delete) and (told := self.deletions.get(mark_id_of_deletion(item.content))):
            self._submit(Step(replies=answers(item, told)), item)  # it was deleted, or refused: what is here now stays
            return
        if isinstance(item.content, TimerDue):
            step = outlived(self.host.ground, self.behaviour, item.content, self.gone_since)
        else:
            retention, unsettled = getattr(self.kind, "retention", None), self.host.unsettled.has(self.stream)
            step = forget(self.host.ground, self.behaviour, item, retention, unsettled=unsettled)
        self._submit(step, item)
        if step.commit is not None and step.commit.forget:
            self._reload([], error=None)

    def _submit(self, step: Step, item: Item) -> None:
        if step.commit is not None:
            unit = TurnUnit(self, step.commit, step, item)
            self.units.append(unit)
            self.host.commit(unit)
        elif self.units:
            self.units[-1].riders.append((step, item))
        else:
            self._done(step, item)

    def _crashed(self, item: Item, error: ErrorInfo) -> None:
        item.attempts += 1
        log.warning(
            "handler crashed", actor=self.stream, version=self.behaviour.version, attempt=item.attempts,
            error=f"{error.type}: {error.message}",
        )  # fmt: skip
        if item.attempts >= MAX_ATTEMPTS:
            self._quarantine(item, error)
        self._reload([item] if item.attempts < MAX_ATTEMPTS else [], error=None)

    def _quarantine(self, item: Item, error: ErrorInfo) -> None:
        if isinstance(item.content, TimerDue):
            self.host.timers.cleared([item.content.timer])  # its row is still there: the next sweep takes it up again
        found = verdict(self.host.ground, self.behaviour, item, error)
        if found is None:
            self._done(Step(), item)
            return
        self.host.quarantine.put(
            item,
            f"{error.type}: {error.message}",
            stream=self.stream,
            version=self.behaviour.version,
            marks=found.marks,
            outbox=found.outbox,
            replies=answers(item, found.reply),
        )

    # -- durable, or not ----------------------------------------------------------------------------------------

    def settled(self, unit: TurnUnit, error: StoreError | None) -> None:
        """Hear that the oldest turn is durable, refused or unknown."""
        if error is None:
            self.refusals = 0
            self.units.popleft()
            self._done(unit.step, unit.item)
            for step, item in unit.riders:
                self._done(step, item)
            if self.phase is Phase.LOADING:
                if not self.units:
                    self.host.load(self)
            elif self.behaviour.finished and not self.units:
                self.host.forget(self)
        elif isinstance(error, StaleEpoch):
            self.host.fenced(error)
        else:
            if isinstance(error, UnserialisableInput):
                unit.item.attempts += 1
                if unit.item.attempts >= MAX_ATTEMPTS:
                    self.units.popleft()
                    self._quarantine(unit.item, error_info(error))
            self.refusals += isinstance(error, CommitRefused)
            if isinstance(error, StoreUnavailable):
                self.host.unsettled.note(self.stream)
            self._reload([], error)

    def _done(self, step: Step, item: Item) -> None:
        self.host.done(self, step, item)

    def _reload(self, first: Iterable[Item], error: StoreError | None) -> None:
        """Believe nothing in memory. With an error what is in flight is handled again; without, it is awaited first."""
        if self.phase is Phase.DROPPED:
            return
        again = list(first)
        self.host.cancel_local(self)  # they run again when the instance was loaded again
        if error is not None:
            log.debug("reloading", actor=self.stream, phase=self.phase, turns=len(self.units), reason=str(error))
            again = self._withdraw() + again
            self.doubtful = self.doubtful or isinstance(error, StoreUnavailable)
        self.mailbox.extendleft(reversed(again))
        self.behaviour.dispose()
        self.behaviour = self._fresh()
        self.phase = Phase.LOADING
        if not self.units:
            (self.host.load if self.refusals < MANY_REFUSALS else self.host.load_later)(self)

    def _withdraw(self) -> list[Item]:
        items: list[Item] = []
        for unit in self.units:
            unit.withdrawn = True
            items.append(unit.item)
            items.extend(item for _, item in unit.riders)
        self.units.clear()
        return items

    def _fresh(self) -> WorkflowBehaviour | EntityBehaviour | ParkedActor:
        if isinstance(self.kind, WorkflowType):
            return WorkflowBehaviour(self.host.ground, self.kind, self.stream)
        behaviour = HandlingBehaviour if self.kind.is_async else EntityBehaviour
        return behaviour(self.host.ground, self.kind, self.stream)
