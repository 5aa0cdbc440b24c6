"""Starting over: a run that asks for it ends, and a new one begins in the same stream, with other arguments.

    RunStarted … RunContinued … RunContinued … RunCompleted
    └── run 1 ──┘└── run 2 ──────┘└── run 3 ──────────────┘

So a workflow that lives for ever has a code's history that does not grow: what a run has asked for ends with it, and
an activation runs the code of the last run alone. A `KeptRun` is all that this one needs of the events before it; it
follows from them, so it can be kept as a snapshot and thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw, Struct

from actors.attributes import Attribute
from actors.errors import PayloadRefused
from actors.journal import (
    CancelRequested,
    ChildStarted,
    CommandReceived,
    CommandSent,
    PromiseRejected,
    PromiseResolved,
    RunContinued,
    RunStarted,
    decode_event,
)
from actors.ledger import Ledger, TakenCommand
from actors.retrying import pass_over, undone
from actors.turn import HistoryEvent
from actors.upcasting import kept_under

MOST_RUNS = 1000  # that may follow each other in one turn


class ContinueAsNew(BaseException):
    """Ends a run that wants to start over; no `except Exception` stops it."""

    def __init__(self, input: Raw) -> None:
        super().__init__("continue_as_new() ends run(): call it there, and not in a command or a part of a TaskGroup")
        self.input = input


class KeptRun(Struct, gc=False):
    """How a run began that was not the first one: the stream up to its `RunContinued`, as far as anything depends on it."""

    version: int  # of the RunContinued, or of the RunStarted that started an ended instance again
    at: float  # seconds since the epoch
    run: int
    start: RunStarted
    continued: RunContinued
    commands: list[CommandReceived]  # that no former run has answered
    children: list[ChildStarted]  # of former runs, whose outcome is still to come
    sent: list[CommandSent]  # likewise, to others
    cancel: CancelRequested | None = None
    attributes: dict[str, Attribute] | None = None
    schema: int = 1  # of the RunContinued
    schemas: dict[str, int] = {}  # of the commands and promises, where it is not 1
    resolved: list[PromiseResolved] = []  # promises are the instance's: what settled one holds for all of its runs
    rejected: list[PromiseRejected] = []
    cancel_id: str | None = None  # of the last request to cancel, also when a former run heard it
    corrections: dict[str, str] = {}  # what was done by hand, also in former runs
    start_schema: int = 1  # of `start`

    def ledger(self) -> Ledger:
        """Make the ledger as it was right after the `RunContinued`."""
        ledger = Ledger()
        ledger.version, ledger.run, ledger.start = self.version, self.run, self.start
        ledger.before, ledger.start_schema = self.continued.asked, self.start_schema
        ledger.cancel, ledger.cancel_id = self.cancel, self.cancel_id
        ledger.corrections = dict(self.corrections)
        ledger.commands = {received.id: TakenCommand(received) for received in self.commands}
        ledger.attributes, ledger.schemas = self.attributes, dict(self.schemas)
        ledger.sent = {sent.command: sent for sent in self.sent}
        ledger.children = {started.child: started for started in self.children}
        ledger.promises = {settled.name: settled for settled in self.resolved}
        ledger.promises |= {settled.name: settled for settled in self.rejected}
        return ledger


def as_continued(started: RunStarted) -> RunContinued:
    """Give what stands for the start of an instance that had ended: its first run begins like any that is not the first."""
    return RunContinued(started.input, started.asked, type_version=started.type_version, said=started.said)


def kept_run(ledger: Ledger, continued: RunContinued, at: float, schema: int) -> KeptRun | None:
    """Take down how a run begins, right after the ledger has heard of its `RunContinued`; None without a first start."""
    if ledger.start is None:
        return None
    commands = [taken.received for taken in ledger.commands.values()]
    children, sent = list(ledger.children.values()), [*ledger.sent.values(), *ledger.unheard.values()]
    return KeptRun(
        ledger.version, at, ledger.run, ledger.start, continued, commands, children, sent, ledger.cancel,
        ledger.attributes, schema, dict(ledger.schemas),
        [each for each in ledger.promises.values() if isinstance(each, PromiseResolved)],
        [each for each in ledger.promises.values() if isinstance(each, PromiseRejected)], ledger.cancel_id,
        dict(ledger.corrections), ledger.start_schema,
    )  # fmt: skip


def last_run(history: Sequence[HistoryEvent], kept: KeptRun | None = None) -> tuple[KeptRun | None, int]:
    """Find where the last run begins, without running any code: former runs are over, whatever their code is by now.

    Args:
        history: events in order, from the first one or from the one after `kept`.
        kept: where an earlier run began.

    Returns:
        How the last run began, None when it is the first one; and how many of these events are before its own.
    """
    places = (place for place in range(len(history) - 1, -1, -1) if _begins_a_later_run(history[place]))
    if (place := next(places, None)) is None:
        return kept, 0
    ledger, event = Ledger() if kept is None else kept.ledger(), None
    taken_back = undone(history)
    for recorded in history[: place + 1]:
        if recorded.version in taken_back:
            pass_over(ledger, recorded)
            continue
        try:
            event = decode_event(recorded.type, recorded.data)
        except PayloadRefused:
            event = None
        if event is None:
            ledger.version += 1
        else:
            ledger.apply(event)
            if isinstance(event, RunStarted):
                ledger.start_schema = recorded.schema
            if recorded.schema != 1 and (name := kept_under(event)) is not None:
                ledger.schemas[name] = recorded.schema
    if isinstance(event, RunStarted):
        event = as_continued(event)
    if not isinstance(event, RunContinued):  # it can't be read: replay says so
        return kept, 0
    found = kept_run(ledger, event, history[place].recorded_at.timestamp(), history[place].schema)
    return (kept, 0) if found is None else (found, place + 1)


def _begins_a_later_run(recorded: HistoryEvent) -> bool:
    return recorded.type == _CONTINUED or (recorded.type == _STARTED and recorded.version > 1)


_CONTINUED, _STARTED = RunContinued.__name__, RunStarted.__name__
