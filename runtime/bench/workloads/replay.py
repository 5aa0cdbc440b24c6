from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec import Raw, Struct

from actors import Snapshots
from actors.codec import encode
from actors.definition import ActorType, WorkflowType
from actors.entity import Entity
from actors.execution import Execution
from actors.turn import NewRecord, Turn
from runtime.bench.app import Added, app
from runtime.bench.figures import Measurement, latency_of
from runtime.bench.jobs import Closed, Operation, Paced, Request
from runtime.bench.workload import Bench, Workload

_AT = datetime(2025, 1, 1, tzinfo=UTC)
_FILL = 5000  # events of one command
_IDLE = 0.5  # seconds after which the node unloads an actor
_UNLOADED = 4.0  # seconds after which it has done so: it looks once a second


class Recorded(Struct, gc=False):
    """An event as replay reads it."""

    version: int
    type: str
    data: bytes
    recorded_at: datetime = _AT
    schema: int = 1


def counter_history(events: int) -> list[Recorded]:
    """Give the history of a counter."""
    return [Recorded(version, "Added", encode(Added(1))) for version in range(1, events + 1)]


def coroutine_history(type: str, steps: int) -> list[Recorded]:
    """Let a workflow run to its end, in memory; gives what it recorded.

    Args:
        type: `Steps`, whose steps are local (an event each), or `Tasks`, whose steps are tasks (two events each).
        steps: how many.
    """
    execution = Execution(_workflow(type), f"{type}/recorded")
    records: list[NewRecord] = []
    turn = execution.start(Raw(encode([steps])), None, _AT.timestamp())
    while turn.events:
        records += turn.events
        turn = _next(execution, turn)
    execution.dispose()
    return [Recorded(version, record.type, record.data) for version, record in enumerate(records, 1)]


def _next(execution: Execution, turn: Turn) -> Turn:
    for call in turn.local_calls:
        return execution.task_completed(call.task, Raw(b"1"), _AT.timestamp(), local=call.name)
    for task in turn.tasks:
        return execution.task_completed(task.task, Raw(b"1"), _AT.timestamp())
    return Turn()


def _workflow(type: str) -> WorkflowType:
    kind = app.type(type)
    if not isinstance(kind, WorkflowType):
        raise TypeError(f"{type} is no workflow")
    return kind


async def _run(bench: Bench) -> None:
    sizes = bench.sizes
    bench.begin("fold an actor")
    history = counter_history(sizes.folded)
    bench.found(repeated(sizes.seconds, f"fold an actor, {len(history):,} events", history, fold))
    for type, what in (("Steps", "local steps"), ("Tasks", "tasks")):
        bench.begin(f"replay a coroutine, {what}")
        history = coroutine_history(type, sizes.replayed)

        def replay(history: Sequence[Recorded], type: str = type) -> None:
            execution = Execution(_workflow(type), f"{type}/replayed")
            execution.replay(history)
            execution.dispose()

        bench.found(repeated(sizes.seconds, f"{bench.doing}, {len(history):,} events", history, replay))
    await _activate(bench)


def fold(history: Sequence[Recorded]) -> None:
    """Fold a counter's history, from the bytes as they are stored to its state."""
    kind = app.type("Counter")
    if isinstance(kind, ActorType):
        Entity(kind, "Counter/folded").replay(history)


def repeated(
    seconds: float, name: str, history: Sequence[Recorded], replay: Callable[[Sequence[Recorded]], None]
) -> Measurement:
    """Replay again and again for so many seconds; the CPU is this process's own."""
    replay(history)
    times: list[float] = []
    used = time.process_time()
    began = time.perf_counter()
    while not times or time.perf_counter() - began < seconds:
        once = time.perf_counter()
        replay(history)
        times.append((time.perf_counter() - once) * 1000)
    took = time.perf_counter() - began
    count = len(history) * len(times)
    return Measurement(
        engine="in process",
        name=name,
        unit="event",
        count=count,
        seconds=round(took, 3),
        per_second=round(count / took, 1),
        latency_ms=latency_of(times),
        cpu_us={"replay": round((time.process_time() - used) * 1e6 / count, 2)},
    )


async def _activate(bench: Bench) -> None:
    """Activate long streams that the node has not in memory: with a snapshot and the longest tail there may be, and without."""
    sizes = bench.sizes
    each = min(_FILL, sizes.stream)
    commands, tail = sizes.stream // each, Snapshots().every_events - 1
    events = commands * each + tail
    async with bench.stage(environment={"PERDURE_IDLE": str(_IDLE)}) as stage:
        bench.begin(f"fill {sizes.activations} streams")
        await stage.run(_fill(each, sizes.activations, commands * sizes.activations))
        await stage.run(_fill(tail, sizes.activations, sizes.activations))
        await stage.restart("node-1")
        await stage.run(Closed(request=_query("warm-", 1), lanes=1, count=20))
        bench.begin(f"cold activation, {events:,} events, snapshot and {tail} of them")
        # So slowly that an actor is unloaded again before it is asked the next time.
        asked = Paced(
            request=_query("long-", sizes.activations),
            rate=sizes.activations / _UNLOADED,
            seconds=max(_UNLOADED, 3 * sizes.seconds),
        )
        bench.found(await stage.measure(bench.doing, "activation", asked))
        bench.begin(f"cold activation, {events:,} events, no snapshot")
        async with stage.database() as connection:
            await connection.execute("DELETE FROM perdure.snapshots")
        await stage.restart("node-1")
        await stage.run(Closed(request=_query("warm-", 1), lanes=1, count=20))
        once = Closed(request=_query("long-", sizes.activations), lanes=1, count=sizes.activations)
        bench.found(await stage.measure(bench.doing, "event", once, units=events))


def _fill(events: int, actors: int, count: int) -> Closed:
    request = Request(
        operation=Operation.CALL, type="Counter", prefix="long-", name="fill", arguments=[events], keys=actors
    )
    return Closed(request=request, lanes=1, count=count)


def _query(prefix: str, keys: int) -> Request:
    return Request(operation=Operation.QUERY, type="Counter", prefix=prefix, name="units", arguments=[], keys=keys)


W6 = Workload(
    "w6",
    "Replay",
    _run,
    "Folding and replaying are measured in this process, without servers: a latency is one whole history. A cold "
    "activation is a query to an actor that the node has not in memory: its latency is the client's. With a snapshot the "
    "tail is the longest that the usual policy leaves; without one the whole stream is read and folded, and a snapshot "
    "is written before the answer.",
)
