"""I1 to I14: each finds what must not be there, a line for each case. No line is a pass."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from tests.faults.evidence import Event, Evidence
from tests.faults.families import calls_once, children_once

ACTORS = frozenset({"Account", "Tally"})  # one command, one event; workflows have a journal instead
_MONEY = {"withdraw": "Withdrawn", "deposit": "Deposited", "refund": "Deposited"}
_CLOCKS = 0.15  # seconds by which a node's idea of the time may be behind the client's, on a machine with much to do
_MICRO = 2e-6  # times are kept in microseconds

Check = Callable[[Evidence], Iterator[str]]


def accepted_once(evidence: Evidence) -> Iterator[str]:
    """I1: an accepted command has exactly one effect, an unknown one at most one, and what was started ends.

    So do commands that instances give each other, and children.
    """
    effects = Counter(effect for event in evidence.events if (effect := _effect(event)) is not None)
    for command in evidence.commands.values():
        found = effects[command.stream, command.id]
        if found > 1 or (command.done and found == 0):
            yield f"{command.name} {command.id} of {command.stream} was {'accepted' if command.done else 'unknown'} and has {found} effects"
    yield from evidence.oddities
    yield from (f"{stream} was started and has no end" for stream in evidence.unfinished)
    yield from calls_once(evidence)
    yield from children_once(evidence)


def command_ids_once(evidence: Evidence) -> Iterator[str]:
    """I2: no command id is twice in one stream."""
    counts = Counter(effect for event in evidence.events if (effect := _effect(event)) is not None)
    yield from (f"{id} is {count} times in {stream}" for (stream, id), count in counts.items() if count > 1)


def versions_without_gaps(evidence: Evidence) -> Iterator[str]:
    """I3: a stream's versions are 1, 2, 3 …, and so are a partition's offsets, up to its head."""
    versions: dict[str, list[int]] = defaultdict(list)
    offsets: dict[int, list[int]] = defaultdict(list)
    for event in evidence.events:
        versions[event.stream].append(event.version)
        offsets[event.partition].append(event.offset)
    for stream, found in versions.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"{stream} has the versions {_shown(sorted(found))}"
    for partition, head in evidence.heads.items():
        if sorted(offsets[partition]) != list(range(1, head + 1)):
            yield f"partition {partition} with head {head} has {len(offsets[partition])} offsets: {_shown(sorted(offsets[partition]))}"


def epochs_never_fall(evidence: Evidence) -> Iterator[str]:
    """I4: along a stream, and along a partition, the epoch never goes down."""
    last: dict[str | int, int] = {}
    for event in sorted(evidence.events, key=lambda event: (event.stream, event.version)):
        if event.epoch < last.get(event.stream, 0):
            yield f"{event.stream} {event.version}: epoch {event.epoch} after {last[event.stream]}"
        last[event.stream] = event.epoch
    for event in sorted(evidence.events, key=lambda event: (event.partition, event.offset)):
        if event.epoch < last.get(event.partition, 0):
            yield f"partition {event.partition} offset {event.offset}: epoch {event.epoch} after {last[event.partition]}"
        last[event.partition] = event.epoch


def acknowledged_outcomes(evidence: Evidence) -> Iterator[str]:
    """I5: a success that a worker heard confirmed is the outcome in the log, unless its run was stopped and waits for none."""
    stopped = {event.stream for event in evidence.events if event.type in {"RunCancelled", "RunTerminated"}}
    outcomes = {_task_key(event): event for event in evidence.events if _is_outcome(event)}
    for key, result in evidence.successes:
        event = outcomes.get(key)
        if event is None and key.rpartition("#")[0] not in stopped:
            yield f"{key} succeeded, and the log has no outcome"
        elif event is not None and (event.type != "TaskCompleted" or event.data.get("result") != result):
            yield f"{key} succeeded with {result!r}, and the log has {event.type} {event.data}"


def one_outcome(evidence: Evidence) -> Iterator[str]:
    """I6: a task has one outcome."""
    counts = Counter(_task_key(event) for event in evidence.events if _is_outcome(event))
    yield from (f"{key} has {count} outcomes" for key, count in counts.items() if count > 1)


def timers_fire_once_in_time(evidence: Evidence) -> Iterator[str]:
    """I7: a timer fires once, never early by the log's times or the client's clock, and is not overdue after heal."""
    due = {
        (event.stream, event.data["timer"]): event.data["due"] for event in evidence.events if event.type == "TimerSet"
    }
    fired: Counter[tuple[str, int]] = Counter()
    for event in evidence.events:
        if event.type == "TimerFired":
            timer = (event.stream, event.data["timer"])
            fired[timer] += 1
            if timer not in due:
                yield f"{event.stream} fired timer {timer[1]}, which was never set"
            elif event.at < due[timer] - _MICRO:
                yield f"{event.stream} fired timer {timer[1]} {due[timer] - event.at:.6f} s early"
    yield from (
        f"{stream} fired timer {number} {count} times" for (stream, number), count in fired.items() if count > 1
    )
    for stream, took, least in evidence.ends:
        if took < least - _CLOCKS:
            yield f"{stream} ended after {took:.3f} s and has to wait {least:g} s"
    yield from evidence.overdue


def money_conserved(evidence: Evidence) -> Iterator[str]:
    """I8: the accounts hold what was paid in; each step of a saga moved money once, and a refused one did not."""
    total = 0
    moves: Counter[tuple[str, str]] = Counter()
    steps: dict[str, str] = {}
    for event in evidence.events:
        if event.kind == "Account":
            total += -event.data["amount"] if event.type == "Withdrawn" else event.data["amount"]
            moves[event.causation_id or "", event.type] += 1
        elif event.type == "TaskScheduled" and event.data["name"] in _MONEY:
            steps[_task_key(event)] = _MONEY[event.data["name"]]
    if total != evidence.opening:
        yield f"the accounts hold {total}, {evidence.opening} was paid in"
    for event in evidence.events:
        if _is_outcome(event) and (moved := steps.get(_task_key(event))) is not None:
            found, wanted = moves[_task_key(event), moved], int(event.type == "TaskCompleted")
            if found != wanted:
                yield f"{_task_key(event)} ended as {event.type} and moved money {found} times"


def replay_is_the_state(evidence: Evidence) -> Iterator[str]:
    """I9: replay from event 1 gives what the snapshot and the events after it give, and what the actor answers."""
    for state in evidence.states:
        if state.replayed != state.live:
            yield f"{state.stream}: replay gives {state.replayed}, the actor answers {state.live}"
        if state.has_snapshot and state.snapshot != state.replayed:
            yield f"{state.stream}: replay gives {state.replayed}, its snapshot {state.snapshot}"


def own_writes_read(evidence: Evidence) -> Iterator[str]:
    """I10: nobody reads older than a write of its own that was acknowledged."""
    for stream, acknowledged, read in evidence.reads:
        if read < acknowledged:
            yield f"{stream}: {acknowledged} was acknowledged, {read} was read"


def followed_is_the_table(evidence: Evidence) -> Iterator[str]:
    """I11: a reader that follows a partition by offset is given each event of the table once, in order.

    Subscriptions do not exist yet; this is the reader that they will be built on.
    """
    table = {(event.partition, event.offset): (event.stream, event.version) for event in evidence.events}
    seen: dict[tuple[int, int], tuple[str, int]] = {}
    last: dict[int, int] = {}
    for partition, offset, stream, version in evidence.followed:
        if offset <= last.get(partition, 0):
            yield f"partition {partition}: offset {offset} was read after {last[partition]}"
        last[partition] = offset
        seen[partition, offset] = (stream, version)
    for place in sorted(table.keys() | seen.keys()):
        if table.get(place) != seen.get(place):
            yield f"partition {place[0]} offset {place[1]}: the table has {table.get(place)}, the reader saw {seen.get(place)}"


def outbox_empties(evidence: Evidence) -> Iterator[str]:
    """I12: no outbox row is left 60 s after heal."""
    yield from (f"{row} is still in the outbox" for row in evidence.outbox)


def quarantine_is_recorded(evidence: Evidence) -> Iterator[str]:
    """I13: what can't be handled is put aside in Postgres, with its reason; nothing else is, and nothing is left over."""
    aside = {row.command_id for row in evidence.quarantined}
    for id, accepted in evidence.poison.items():
        if accepted and id not in aside:
            yield f"{id} can't be handled, was accepted, and is not in the quarantine"
    for row in evidence.quarantined:
        if row.command_id not in evidence.poison:
            yield f"{row.command_id or 'an unknown message'} is in the quarantine: {row.reason}"
        elif not row.reason:
            yield f"{row.command_id} is in the quarantine without a reason"
    if evidence.dead_letters:
        yield f"{evidence.dead_letters} dead letters were left in the broker"


def secrets_kept(evidence: Evidence) -> Iterator[str]:
    """I14: no log shows a secret."""
    yield from evidence.leaks


INVARIANTS: dict[str, Check] = {
    "I1": accepted_once,
    "I2": command_ids_once,
    "I3": versions_without_gaps,
    "I4": epochs_never_fall,
    "I5": acknowledged_outcomes,
    "I6": one_outcome,
    "I7": timers_fire_once_in_time,
    "I8": money_conserved,
    "I9": replay_is_the_state,
    "I10": own_writes_read,
    "I11": followed_is_the_table,
    "I12": outbox_empties,
    "I13": quarantine_is_recorded,
    "I14": secrets_kept,
}


def judge(evidence: Evidence) -> dict[str, list[str]]:
    """Give each invariant's violations."""
    return {name: list(check(evidence)) for name, check in INVARIANTS.items()}


def _effect(event: Event) -> tuple[str, str] | None:
    """Name the command whose effect an event is, with its stream."""
    if event.kind in ACTORS:
        return event.stream, event.causation_id or ""
    if event.type == "RunStarted":
        return event.stream, event.data.get("command_id") or ""
    if event.type == "CommandReceived" or (event.type == "CancelRequested" and "#" not in event.data["id"]):
        return event.stream, event.data["id"]  # a parent that stops its child says it under the id of the start
    return None


def _is_outcome(event: Event) -> bool:
    return event.type in {"TaskCompleted", "TaskFailed"}


def _task_key(event: Event) -> str:
    return f"{event.stream}#{event.data['task']}"


def _shown(numbers: list[int]) -> str:
    return str(numbers) if len(numbers) <= 12 else f"{numbers[:6]} … {numbers[-6:]}"
