"""What an outside observer checks when a story is over."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec

from actors import App
from actors.definition import WorkflowType
from actors.entity import Entity
from actors.execution import Execution
from actors.retrying import undone
from eventstore import MemoryStore
from eventstore.memory.log import Stream
from runtime.hosting.forgetting import REST
from runtime.routing import partition_of
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Destination
from runtime.transport.queues import queue_name


def audit_log(store: MemoryStore, app: App) -> None:
    """Check the log's invariants, and that replay of every stream comes to rest where the log ends."""
    for partition in store.log.partitions:
        for offset, event in enumerate(partition.events, 1):
            assert event is None or event.offset == offset, (partition.number, offset)
    for name, stream in store.log.streams.items():
        assert stream.partition == partition_of(name, store.partitions), name
        assert [event.version for event in stream.events] == list(range(1, len(stream.events) + 1)), name
        epochs = [event.epoch for event in stream.events]
        assert epochs == sorted(epochs), f"{name}: an old owner wrote after a new one: {epochs}"
        if not stream.events:
            continue  # only marks of commands that were refused
        kind = app.types[name.partition("/")[0]]
        if isinstance(kind, WorkflowType):
            _audit_journal(name, stream)
            execution = Execution(kind, name)
            execution.replay(stream.events)
            execution.dispose()
        else:
            Entity(kind, name).replay(stream.events)


def audit_rest(store: MemoryStore, broker: MemoryBroker, queues: frozenset[str], *, ended: bool = True) -> None:
    """Check that nothing is left to do: no outbox, timer, busy, quarantine or lease row, and no message.

    What is left of deleted instances has its time in days, and is no work. Without `ended` instances may go on waiting for commands.
    """
    at_rest = {"completed", "failed", "cancelled", "terminated", "timed_out", "active"} | (
        set() if ended else {"running"}
    )
    for partition in store.log.partitions:
        assert not partition.outbox, partition.outbox
        waited_for = [timer for timer in partition.timers if timer.number != REST]
        assert not waited_for, waited_for
        assert not partition.quarantine, partition.quarantine
        assert partition.owner is None, f"partition {partition.number} is still leased to {partition.owner}"
        assert not _left(broker, partition.number), _left(broker, partition.number)
    for queue in queues:
        assert broker.depth(Destination.TASKS, queue) == 0
    assert broker.depth(Destination.DEAD) == 0
    assert broker.depth(Destination.INGRESS) == 0
    for name, stream in store.log.streams.items():
        if stream.execution is not None:
            assert not stream.execution.busy, name
            assert stream.execution.status in at_rest, f"{name}: {stream.execution.status}"


_NO_WORK = (b'{"op":"query"', b'{"op":"outcome"', b'{"op":"wanted"')


def _left(broker: MemoryBroker, partition: int) -> list[bytes]:
    """Give the messages in a partition's queue that are work: neither queries, nor what workers say.

    A query that was asked twice changes nothing, and as no outbox row is left, no outcome is waited for: one that lies
    there is a repetition.
    """
    queue = broker.find(queue_name(Destination.COMMANDS, str(partition)))
    bodies = [] if queue is None else [stored.message.body for stored in queue.ready]
    return [body for body in bodies if not body.startswith(_NO_WORK)]


def types_of(store: MemoryStore, stream: str) -> list[str]:
    """The types of a stream's events."""
    return [event.type for event in store.log.streams[stream].events]


def _audit_journal(name: str, stream: Stream) -> None:  # noqa: C901, PLR0912 - a table of one-line cases
    taken_back = undone(stream.events)
    content: list[tuple[str, Any, datetime]] = [
        (event.type, msgspec.json.decode(event.data), event.recorded_at)
        for event in stream.events
        if event.version not in taken_back
    ]
    once: Counter[tuple[str, Any]] = Counter()
    due: dict[int, float] = {}
    life = 0  # how often it was started
    for type_, data, at in content:
        match type_:
            case "RunStarted":
                assert bool(data.get("again")) == (life > 0) == (once["end", life] > 0), f"{name}: started at {at}"
                life += 1
            case "InstanceDeleted":
                life, once["end", 1] = 1, 1
            case "RunCompleted" | "RunFailed" | "RunCancelled" | "RunTerminated" | "RunTimedOut":
                once["end", life] += 1
            case "TaskScheduled":
                once["scheduled", data["task"]] += 1
            case "TasksScheduled":
                once.update(("scheduled", data["first"] + place) for place in range(len(data["inputs"])))
            case "TaskCompleted" | "TaskFailed":
                once["outcome", data["task"]] += 1
            case "TaskAttemptFailed":
                once["attempt", (data["task"], data["attempt"])] += 1
            case "ChildStarted" | "ChildCompleted" | "ChildFailed":
                once["child asked for" if type_ == "ChildStarted" else "child's end", data["child"]] += 1
            case "CommandSent" | "CommandAnswered":
                once[type_, data["command"]] += 1
            case "TimerSet":
                once["set", data["timer"]] += 1
                due[data["timer"]] = data["due"]
            case "TimerFired":
                once["fired", data["timer"]] += 1
                early = at < datetime.fromtimestamp(due[data["timer"]], UTC) and "correction" not in data
                assert not early, f"{name}: a timer fired early"
            case "PromiseResolved" | "PromiseRejected":
                once["promise", (life, data["name"])] += 1
            case "CommandReceived":
                once["received", data["id"]] += 1
            case "CommandCompleted" | "CommandFailed":
                once["answered", data["id"]] += 1
            case _:
                pass
    twice = {what: count for what, count in once.items() if count > 1}
    assert not twice, f"{name}: recorded more than once: {twice}"
