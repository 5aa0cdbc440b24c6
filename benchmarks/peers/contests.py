"""Which peer is compared at what."""

from __future__ import annotations

from benchmarks.peers.celery import CELERY
from benchmarks.peers.contest import Contest
from benchmarks.peers.dbos import DBOS
from benchmarks.peers.eventsourcing import EVENTSOURCING
from benchmarks.peers.restate import RESTATE
from benchmarks.peers.rival import Peer
from runtime.bench.jobs import Operation, Request

_LANES = (1, 50, 200)
FOLDED = 10_000  # events of the history that is folded
_ACTORS = 10_000


def _workflow(key: str, title: str, unit: str, type: str, steps: int, lanes: tuple[int, ...] = _LANES) -> Contest:
    request = Request(operation=Operation.EXECUTE, type=type, prefix="", arguments=[steps])
    return Contest(key=key, title=title, unit=unit, request=request, units=steps, lanes=lanes)


def _steps(peer: str) -> tuple[Contest, ...]:
    return (
        _workflow(f"w1_vs_{peer}", "Workflows of one step, start to result", "workflow", "Steps", 1),
        _workflow(f"w2_vs_{peer}", "Workflows of five steps in a row, start to result", "step", "Steps", 5),
    )


COMMANDS = Contest(
    key="w5_vs_eventsourcing",
    title=f"Commands to {_ACTORS:,} actors, each saved as one event",
    unit="command",
    request=Request(operation=Operation.CALL, type="Counter", prefix="", name="add", arguments=[1], keys=_ACTORS),
    lanes=(200,),
    note="Perdure: from a client process over RabbitMQ, with command ids. eventsourcing: a call in the same process.",
)
REPLAY = Contest(
    key="w6_vs_eventsourcing",
    title=f"Replay of an actor's {FOLDED:,} events, from stored JSON in memory to its state",
    unit="event",
    request=Request(operation=Operation.QUERY, type="Counter", prefix="", name="units", arguments=[FOLDED], keys=1),
    lanes=(1,),
    units=FOLDED,
    note="Both in one process, without a server. A latency is one whole history.",
)
PROGRAM: tuple[tuple[Peer, tuple[Contest, ...]], ...] = (
    (RESTATE, _steps("restate")),
    (DBOS, _steps("dbos")),
    (
        CELERY,
        (
            _workflow(
                "w3_vs_celery", "Five tasks in a row on a worker, start to result", "task", "Tasks", 5, (1, 50, 200)
            ),
        ),
    ),
    (EVENTSOURCING, (COMMANDS, REPLAY)),
)
KEYS = ("w1_vs_restate", "w1_vs_dbos", "w2_vs_restate", "w2_vs_dbos", "w3_vs_celery", "w5_vs_eventsourcing", "w6_vs_eventsourcing")  # fmt: skip
