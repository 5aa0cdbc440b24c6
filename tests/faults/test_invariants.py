"""Each invariant passes a good history, and finds the violation planted in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.faults.evidence import Command, Event, Evidence, Quarantined, State
from tests.faults.invariants import INVARIANTS, judge

DUE = 1_000.0


def good() -> Evidence:
    """A small history of everything, on one partition, with nothing wrong in it."""
    log = Log()
    log.add("Account/1", "Opened", {"amount": 100}, "open:1")
    log.add("Account/2", "Opened", {"amount": 100}, "open:2")
    log.add("Transfer/t", "RunStarted", {"command_id": "start:t"})
    log.add("Transfer/t", "TaskScheduled", {"task": 1, "name": "withdraw"})
    log.add("Account/1", "Withdrawn", {"amount": 30}, "Transfer/t#1")
    log.add("Transfer/t", "TaskCompleted", {"task": 1, "result": 2})
    log.add("Transfer/t", "TaskScheduled", {"task": 2, "name": "deposit"})
    log.add("Account/2", "Deposited", {"amount": 30}, "Transfer/t#2")
    log.add("Transfer/t", "TaskCompleted", {"task": 2, "result": 2}, epoch=2)
    log.add("Errand/e", "RunStarted", {"command_id": "start:e"}, epoch=2)
    log.add("Errand/e", "TimerSet", {"timer": 1, "due": DUE}, epoch=2)
    log.add("Errand/e", "TimerFired", {"timer": 1}, epoch=2, at=DUE + 0.5)
    log.add("Errand/e", "CommandReceived", {"id": "approve:e"}, epoch=2)
    log.add("Tally/x", "Added", {"amount": 1}, "add:1", epoch=3)
    _voyage(log)
    return Evidence(
        events=log.events,
        heads={0: len(log.events)},
        commands={
            command.id: command
            for command in (
                Command("start:t", "Transfer/t", "start", done=True),
                Command("start:e", "Errand/e", "start", done=True),
                Command("approve:e", "Errand/e", "approve", done=True),
                Command("add:1", "Tally/x", "add", done=True),
                Command("cancel:v", "Voyage/v", "cancel", done=True),
                Command("add:lost", "Tally/x", "add"),
            )
        },
        successes=[("Transfer/t#1", 2), ("Transfer/t#2", 2), ("Leg/v-kept#9", "not waited for any more")],
        ends=[("Errand/e", 1.2, 1.0)],
        opening=200,
        states=[State("Account/1", [70, 2], [70, 2], [70, 2], has_snapshot=True), State("Tally/x", [1, 1], [1, 1])],
        reads=[("Tally/x", 1, 1), ("Tally/x", 1, 5)],
        followed=[(event.partition, event.offset, event.stream, event.version) for event in log.events],
        poison={"odd:1": True, "odd:2": False},
        quarantined=[Quarantined("odd:1", "no such type")],
    )


def _voyage(log: Log) -> None:
    """A voyage with a child that is cancelled with it, and two commands that it gives a tally; in epoch 3."""
    child = {"child": 1, "type": "Leg", "id": "v-kept", "on_close": "cancel"}
    log.add("Voyage/v", "RunStarted", {"command_id": "start:v"}, epoch=3)
    log.add("Voyage/v", "ChildStarted", child, epoch=3)
    log.add("Voyage/v", "CommandSent", {"command": 2, "type": "Tally", "id": "y", "told": True}, epoch=3)
    log.add("Voyage/v", "CommandSent", {"command": 3, "type": "Tally", "id": "y"}, epoch=3)
    log.add("Tally/y", "Added", {"amount": 1}, "Voyage/v#2", epoch=3)
    log.add("Tally/y", "Added", {"amount": 1}, "Voyage/v#3", epoch=3)
    caller = {"stream": "Voyage/v", "number": 1}
    log.add("Leg/v-kept", "RunStarted", {"command_id": "Voyage/v#1", "caller": caller}, epoch=3)
    log.add("Leg/v-kept", "TimerSet", {"timer": 2, "due": DUE + 1_000}, epoch=3)
    log.add("Voyage/v", "CommandAnswered", {"command": 3}, epoch=3)
    log.add("Voyage/v", "CancelRequested", {"id": "cancel:v"}, epoch=3)
    log.add("Voyage/v", "RunCancelled", {}, epoch=3)
    log.add("Leg/v-kept", "CancelRequested", {"id": "Voyage/v#1"}, epoch=3)
    log.add("Leg/v-kept", "TaskCompleted", {"task": 3, "result": "v undone"}, epoch=3)
    log.add("Leg/v-kept", "RunCancelled", {}, epoch=3)


class Log:
    """Events in their places."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(
        self, stream: str, type: str, data: dict[str, Any], cause: str | None = None, *, epoch: int = 1, at: float = 0
    ) -> None:
        version = sum(event.stream == stream for event in self.events) + 1
        self.events.append(Event(0, len(self.events) + 1, stream, version, epoch, type, data, cause, at))


def _first(evidence: Evidence, type: str, of: str) -> int:
    """Find the first event of a type, in a stream if one is named."""
    return next(index for index, event in enumerate(evidence.events) if event.type == type and of in {"", event.stream})


def _change(evidence: Evidence, event: str, *, of: str = "", **changes: Any) -> None:
    """Change the first event of a type."""
    index = _first(evidence, event, of)
    evidence.events[index] = msgspec.structs.replace(evidence.events[index], **changes)


def _again(evidence: Evidence, type: str, *, of: str = "") -> None:
    """Have the first event of a type once more, in a place of its own."""
    event = evidence.events[_first(evidence, type, of)]
    version = sum(other.stream == event.stream for other in evidence.events) + 1
    offset = len(evidence.events) + 1
    evidence.events.append(msgspec.structs.replace(event, version=version, offset=offset, epoch=9))
    evidence.heads[0] = offset
    evidence.followed.append((0, offset, event.stream, version))


def _lose(evidence: Evidence, type: str, *, of: str = "") -> None:
    del evidence.events[_first(evidence, type, of)]


def _out_of_order(evidence: Evidence) -> None:
    _change(evidence, "Added", of="Tally/y", causation_id="Voyage/v#3")
    last = max(index for index, event in enumerate(evidence.events) if event.stream == "Tally/y")
    evidence.events[last] = msgspec.structs.replace(evidence.events[last], causation_id="Voyage/v#2")


def _unknown_and_twice(evidence: Evidence) -> None:
    evidence.commands["add:1"].done = False
    _again(evidence, "Added")


Plant = Callable[[Evidence], object]

PLANTED: list[tuple[str, str, Plant]] = [
    ("I1", "an accepted command without effect", lambda e: _change(e, "Added", causation_id="another")),
    ("I1", "an accepted start without effect", lambda e: _lose(e, "RunStarted")),
    ("I1", "a command with two effects", lambda e: _again(e, "Added")),
    ("I1", "an unknown one with two effects", _unknown_and_twice),
    ("I1", "an answer that nothing explains", lambda e: e.oddities.append("NotFound")),
    ("I1", "a workflow without an end", lambda e: e.unfinished.append("Errand/e")),
    ("I1", "a cancellation that was accepted and not heard", lambda e: _change(e, "CancelRequested", data={"id": "another"})),
    ("I1", "a told command without effect", lambda e: _change(e, "Added", of="Tally/y", causation_id="another")),
    ("I1", "an awaited command done twice", lambda e: _again(e, "Added", of="Tally/y")),
    ("I1", "commands out of order", _out_of_order),
    ("I1", "an answer that came twice", lambda e: _again(e, "CommandAnswered")),
    ("I1", "a child that was never started", lambda e: _lose(e, "RunStarted", of="Leg/v-kept")),
    ("I1", "a child that was started twice", lambda e: _again(e, "RunStarted", of="Leg/v-kept")),
    ("I1", "a child that ended otherwise", lambda e: _change(e, "RunCancelled", of="Leg/v-kept", type="RunTerminated")),
    ("I1", "a cancelled child that undid nothing", lambda e: _lose(e, "TaskCompleted", of="Leg/v-kept")),
    ("I2", "a command id twice in a journal", lambda e: _again(e, "CommandReceived")),
    ("I2", "a command id twice in an actor's stream", lambda e: _again(e, "Withdrawn")),
    ("I3", "a gap in the versions", lambda e: _change(e, "Added", version=2)),
    ("I3", "a version twice", lambda e: _change(e, "TimerFired", version=2)),
    ("I3", "an offset that is missing", lambda e: e.events.pop()),
    ("I3", "an offset twice", lambda e: _change(e, "Added", offset=3)),
    ("I4", "an old owner's write in a stream", lambda e: _change(e, "TimerFired", epoch=1)),
    ("I4", "an old owner's write in a partition", lambda e: _change(e, "Added", epoch=1)),
    ("I5", "a confirmed success without outcome", lambda e: _lose(e, "TaskCompleted")),
    ("I5", "a confirmed success with another result", lambda e: _change(e, "TaskCompleted", data={"task": 1, "result": 9})),
    ("I5", "a confirmed success that failed", lambda e: _change(e, "TaskCompleted", type="TaskFailed")),
    ("I6", "two outcomes of a task", lambda e: _again(e, "TaskCompleted")),
    ("I7", "a timer that fired twice", lambda e: _again(e, "TimerFired")),
    ("I7", "a timer that fired early", lambda e: _change(e, "TimerFired", at=DUE - 0.001)),
    ("I7", "a timer that was never set", lambda e: _lose(e, "TimerSet")),
    ("I7", "a wait that was too short for the client", lambda e: e.ends.append(("Errand/e", 0.5, 1.0))),
    ("I7", "a timer that did not fire", lambda e: e.overdue.append("Errand/e timer 1")),
    ("I8", "money that is gone", lambda e: _change(e, "Deposited", data={"amount": 29})),
    ("I8", "a step that moved nothing", lambda e: _change(e, "Deposited", causation_id="another")),
    ("I8", "a refused step that moved money", lambda e: _change(e, "TaskCompleted", type="TaskFailed")),
    ("I9", "another live answer", lambda e: e.states.append(State("Tally/y", [1, 1], [2, 2]))),
    ("I9", "another snapshot", lambda e: e.states.append(State("Tally/y", [1, 1], [1, 1], [2, 2], has_snapshot=True))),
    ("I10", "a stale read", lambda e: e.reads.append(("Tally/x", 3, 2))),
    ("I11", "an event that the reader missed", lambda e: e.followed.pop(3)),
    ("I11", "an event that the reader got twice", lambda e: e.followed.append(e.followed[-1])),
    ("I11", "an event that is not in the table", lambda e: e.followed.append((0, 99, "Tally/x", 2))),
    ("I12", "an outbox row", lambda e: e.outbox.append("Errand/e#1.1")),
    ("I13", "a poison message that vanished", lambda e: e.quarantined.clear()),
    ("I13", "a good message put aside", lambda e: e.quarantined.append(Quarantined("add:1", "why"))),
    ("I13", "a reason that is missing", lambda e: e.quarantined.append(Quarantined("odd:2", ""))),
    ("I13", "a dead letter left over", lambda e: setattr(e, "dead_letters", 1)),
    ("I14", "a secret in a log", lambda e: e.leaks.append("node-1.log line 3 shows a secret")),
]  # fmt: skip


def test_a_good_history_passes() -> None:
    """No invariant cries wolf."""
    assert {name: lines for name, lines in judge(good()).items() if lines} == {}


@pytest.mark.parametrize(
    ("name", "plant"), [(name, plant) for name, _, plant in PLANTED], ids=[what for _, what, _ in PLANTED]
)
def test_finds_the_planted_violation(name: str, plant: Plant) -> None:
    """The invariant that is broken says so."""
    evidence = good()
    plant(evidence)
    assert list(INVARIANTS[name](evidence)) != []


def test_every_invariant_has_a_planted_violation() -> None:
    """None is trusted that was never seen to fail."""
    assert {name for name, _, _ in PLANTED} == set(INVARIANTS)
