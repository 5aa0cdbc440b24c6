"""An actor in a test."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from actors.definition import ActorType
from actors.errors import Bug, Nondeterminism, SnapshotRefused
from actors.journal import Caller
from actors.testing.errors import CommandRefused, InstanceStuck, in_users_code
from actors.testing.hosted import Hosted, judging
from actors.testing.json_check import JsonCheck
from actors.testing.mail import Command, LocalEnded, Mail
from actors.testing.outcomes import OUTCOMES
from actors.testing.watched import WatchedEntity, WatchedHandling
from actors.turn import LocalCall, Turn


class HostedActor(Hosted):
    """An actor. Its inbox is durable, and so is its newest snapshot, if `snapshots` are taken at every event."""

    def __init__(self, kind: ActorType, stream: str, *, snapshots: bool, check: JsonCheck | None) -> None:
        super().__init__(stream)
        self.kind, self._snapshots, self._check = kind, snapshots, check
        self._inbox: dict[str, Command] = {}
        self._snapshot: tuple[int, bytes] | None = None
        self._entity: WatchedEntity | None = None

    @property
    def entity(self) -> WatchedEntity:
        """The activation."""
        __tracebackhide__ = True
        if self._entity is not None:
            return self._entity
        try:
            entity = WatchedEntity(self.kind, self.stream, None if self._check is None else self._check.event)
            if self._snapshot is not None:
                entity.restore(*self._snapshot)
            entity.replay(self.journal[entity.version :])
        except (Nondeterminism, Bug) as error:
            raise InstanceStuck(f"{self.stream} can't be rebuilt from its events: {error}") from (
                error.__cause__ or error
            )
        self._entity = entity
        return entity

    def take(self, mail: Mail, at: float) -> Turn:
        """See `Hosted`."""
        __tracebackhide__ = True
        if (outcome := OUTCOMES.get(type(mail))) is not None:
            handling = self.entity.handling
            if handling is None or (
                isinstance(mail, LocalEnded) and mail.call.task not in handling.program.local_calls
            ):
                return Turn()  # the receipt for what it told, or nobody waits for it any more
            return self._checked(outcome(handling, mail, at), mail)
        if not isinstance(mail, Command) or mail.start is not None:
            raise CommandRefused("InvalidInput", f"{self.stream} is an actor: it has no start and no end")
        if (handled := self._inbox.get(mail.id)) is not None:
            if handled != mail:
                raise CommandRefused("Conflict", f"command id {mail.id} was used for other input")
            return Turn()
        entity = self.entity
        waits = entity.handling is not None and bool(entity.handling.pending)
        with judging(self.stream, mail):
            handler = self.kind.command(mail.name)
            handler.signature.decode(mail.input)
            if handler.validator is not None and not waits:  # else it is judged when its turn comes
                entity.validate(mail.name, mail.input)
        if waits or handler.is_async:
            turn = entity.carried_out().command(mail.id, mail.name, mail.input, at, mail.caller, told=mail.told)
            return self._checked(turn, mail)
        try:
            return entity.command(mail.id, mail.name, mail.input, at)
        except Bug as bug:
            raise InstanceStuck(str(bug)) from in_users_code(bug.__cause__ or bug)

    def commit(self, mail: Mail | None, turn: Turn, at: float) -> None:
        """See `Hosted`."""
        super().commit(mail, turn, at)
        if isinstance(mail, Command):
            self._inbox[mail.id] = mail
        if (handling := self.entity.handling) is not None:
            handling.answered.clear()
        if turn.events and not self.dirty and self.entity.at_rest and (self._snapshots or self._check is not None):
            self._take_snapshot()

    @property
    def dirty(self) -> bool:
        """See `Hosted`."""
        return self._entity is not None and self._entity.dirty

    @property
    def busy(self) -> bool:
        """See `Hosted`."""
        return self._entity is not None and self._entity.handling is not None and bool(self._local_calls(self._entity))

    def reloaded(self, at: float) -> Turn:
        """See `Hosted`. A command that was under way goes on, or the next one begins."""
        __tracebackhide__ = True
        if self._entity is not None or (handling := self.entity.handling) is None or not handling.pending:
            return Turn()
        turn = self._checked(handling.wake(at), None)
        turn.local_calls = self._local_calls(self.entity)
        return turn

    def caller_of(self, command_id: str) -> Caller | None:
        """See `Hosted`."""
        mail = self._inbox.get(command_id)
        return None if mail is None or mail.told else mail.caller

    def query(self, name: str, input: Raw) -> bytes:
        """See `Hosted`."""
        return self.entity.query(name, input)

    def state(self) -> Any:
        """See `Hosted`."""
        return self.entity.live_state

    def waiting_for(self) -> list[str]:
        """See `Hosted`."""
        return self.entity.waiting_for()

    def drop(self) -> None:
        """See `Hosted`."""
        if self._entity is not None:
            self._entity.dispose()
            self._entity = None

    def _checked(self, turn: Turn, mail: Mail | None) -> Turn:
        """See that no mistake in the code has stopped a command."""
        __tracebackhide__ = True
        handling = self.entity.handling
        if turn.stuck is not None and isinstance(handling, WatchedHandling):
            when = "went on" if mail is None else f"handled {type(mail).__name__}"
            raise InstanceStuck(
                f"{self.stream} is stuck, when it {when}: {turn.stuck.type}: {turn.stuck.message}"
            ) from handling.trouble
        return turn

    @staticmethod
    def _local_calls(entity: WatchedEntity) -> list[LocalCall]:
        return [] if entity.handling is None else entity.handling.pending_local_calls()

    def _take_snapshot(self) -> None:
        self._snapshot = None  # if there is none, the events are folded, as on a node
        try:
            snapshot = self.entity.snapshot()
        except SnapshotRefused as refused:
            if self._check is not None:
                self._check.state(self.stream, refused)
        else:
            if self._snapshots:
                self._snapshot = (self.entity.version, snapshot)
