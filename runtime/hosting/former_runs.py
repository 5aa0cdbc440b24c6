"""What outlives a workflow's former runs, after `continue_as_new`: how its last one began, and which commands it has handled.

Only the last run's code is run again when an instance is loaded, so its ledger knows that run's commands alone. Those of the
former ones are in the inbox, as an actor's are: from the second run on each command that is received leaves a mark in the
same commit, and the commit that ends the first run marks all of that run's. A mark whose command had no answer yet has an
empty reply, and a second mark follows with the answer. So a repeated command that the ledger does not know is refused by the
inbox's unique key; the instance is loaded again, with the mark, and answers from it.

Requests leave a mark when another run takes their instance's place (`requests`): said again, they must not hit that one. So do
all commands, and the start, of an instance that is deleted.

How the last run began follows from the events, without running any code. A snapshot spares reading them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
from msgspec import Raw, Struct

from actors import PayloadRefused, SnapshotRefused
from actors.codec import decoder
from actors.continuation import KeptRun, last_run
from actors.journal import CommandReceived, RunStarted
from actors.ledger import Ledger
from actors.turn import Outcome, Turn
from eventstore import InboxMark, LoadedStream, Snapshot
from runtime.hosting.ground import fingerprint
from runtime.hosting.replies import reply_for
from runtime.hosting.requests import correction_marks, request_marks
from runtime.messages import Send, encode_message

EVERY = 100  # events between two snapshots, at least
_CODE, _SCHEMA = "run", 1
_START = "\t"  # begins the mark of a start that found an ended instance, and of the start before that
_REPLY = "\n"  # begins the second mark of a command or start; no command id has one


class _Kept(Struct):
    """A snapshot's data."""

    run: KeptRun
    started_at: datetime
    correlation_id: str | None


_decode: Callable[[bytes], _Kept] = decoder(_Kept)


class FormerRuns:
    """Of one instance in memory."""

    def __init__(self) -> None:
        self.inbox: dict[str, InboxMark] = {}
        self._kept_at = 0  # version of the last snapshot

    def begin(self, loaded: LoadedStream) -> tuple[KeptRun | None, datetime | None, str | None]:
        """Find how the last run began, and leave its own events in `loaded`.

        Returns:
            It, None for the first run; when the instance was last started; and its correlation id since then.

        Raises:
            SnapshotRefused: the snapshot is of no use; nothing has changed.
        """
        kept = None if loaded.snapshot is None else _read(loaded, loaded.snapshot)
        self.inbox = dict(loaded.inbox)
        started_at, correlation_id = None, None
        if kept is not None:
            self._kept_at = kept.run.version
            started_at, correlation_id = kept.started_at, kept.correlation_id
        started = (event for event in reversed(loaded.events) if event.type == RunStarted.__name__)
        if (last := next(started, None)) is not None:
            started_at, correlation_id = last.recorded_at, last.correlation_id
        run, before = last_run(loaded.events, None if kept is None else kept.run)
        del loaded.events[:before]
        return run, started_at, correlation_id

    def snapshot(self, run: KeptRun, started_at: datetime, correlation_id: str | None) -> Snapshot | None:
        """Give a snapshot of a run that has just begun, if one is due."""
        if run.version - self._kept_at < EVERY:
            return None
        self._kept_at = run.version
        data = msgspec.json.encode(_Kept(run, started_at, correlation_id))
        return Snapshot(run.version, data, _SCHEMA, _CODE)

    def marks(self, turn: Turn, received: Send | None) -> list[InboxMark]:
        """Give what the inbox has to remember of a turn that belongs to a later run than the first, or that ends the first.

        Args:
            turn: it.
            received: the command that it began with, if it did.
        """
        outcomes = {answer.command_id: answer.outcome for answer in turn.answers}
        marks: dict[str, InboxMark] = {}
        if turn.first_run_left:
            for taken in turn.left or ():
                if taken.received.caller is None:
                    marks[taken.received.id] = _mark(taken.received, taken.outcome)
                elif taken.outcome is not None:  # its first mark is there
                    outcomes[taken.received.id] = taken.outcome
        if received is not None and received.caller is None and received.command_id not in marks:
            marks[received.command_id] = _mark(received, outcomes.get(received.command_id))
        return [*marks.values(), *(second_mark(id, outcomes[id]) for id in outcomes if id not in marks)]

    def reply(self, mark: InboxMark) -> bytes | None:
        """Give the answer of a command that a former run has handled; None when it is not known (any more)."""
        if mark.reply:
            return mark.reply
        second = self.inbox.get(second_id(mark.command_id))
        return None if second is None else second.reply


def asked_marks(command_ids: Iterable[str]) -> list[str]:
    """Give the ids of the marks that tell of some commands."""
    return [id for command_id in command_ids for id in (command_id, second_id(command_id))]


def start_id(command_id: str) -> str:
    """Give the id of the mark of a start."""
    return _START + command_id


def start_mark(command_id: str, input: Raw, outcome: Outcome | None = None) -> InboxMark:
    """Make the mark of a start; with the outcome, if it is known."""
    reply = b"" if outcome is None else encode_message(reply_for(outcome))
    return InboxMark(start_id(command_id), fingerprint("", input), reply)


def start_marks(former: RunStarted, command_id: str, input: Raw) -> list[InboxMark]:
    """Make the marks of a start of an ended instance: neither it nor the former one may start it once more."""
    return [start_mark(command_id, input), *first_start_mark(former)]


def first_start_mark(former: RunStarted) -> list[InboxMark]:
    """Make the mark of the start before another one, unless it has left one itself."""
    return [] if former.command_id is None or former.again else [start_mark(former.command_id, former.input)]


def last_marks(ledger: Ledger) -> list[InboxMark]:
    """Make the marks of an instance that has ended and is deleted: nothing that it has heard is to be heard again."""
    marks, started = request_marks(ledger) + correction_marks(ledger), ledger.start
    if started is not None and started.command_id is not None and ledger.outcome is not None:
        if started.again:  # its mark is there
            marks.append(second_mark(start_id(started.command_id), ledger.outcome))
        else:
            marks.append(start_mark(started.command_id, started.input, ledger.outcome))
    if ledger.run == 1:  # later ones have marked their commands
        for taken in ledger.commands.values():
            if taken.received.caller is None:
                marks.append(_mark(taken.received, taken.outcome))
            elif taken.outcome is not None:
                marks.append(second_mark(taken.received.id, taken.outcome))
    return marks


def second_id(command_id: str) -> str:
    """Give the id of a command's second mark, which has its answer."""
    return _REPLY + command_id


def second_mark(command_id: str, outcome: Outcome) -> InboxMark:
    """Make the mark that tells how a command ended, for one whose first mark does not."""
    return InboxMark(second_id(command_id), 0, encode_message(reply_for(outcome)))


def _mark(received: CommandReceived | Send, outcome: Outcome | None) -> InboxMark:
    id = received.command_id if isinstance(received, Send) else received.id
    reply = b"" if outcome is None else encode_message(reply_for(outcome))
    return InboxMark(id, fingerprint(received.name, received.input), reply)


def _read(loaded: LoadedStream, snapshot: Snapshot) -> _Kept:
    if (snapshot.schema, snapshot.code) != (_SCHEMA, _CODE):
        raise SnapshotRefused(f"it is not of a workflow's run, but of {snapshot.code or 'unknown'} {snapshot.schema}")
    try:
        kept = _decode(snapshot.data)
    except PayloadRefused as error:
        raise SnapshotRefused(f"it can't be decoded: {error}") from error
    if kept.run.version != snapshot.version:
        raise SnapshotRefused(f"it is of version {kept.run.version}")
    if loaded.events and loaded.events[0].version != snapshot.version + 1:
        raise SnapshotRefused(f"the log goes on from version {loaded.events[0].version}")
    return kept
