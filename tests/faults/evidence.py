"""What is known at the end of a run: the log as Postgres has it, and what each process wrote down. Values only; no cache of the runtime."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class Event(Struct, frozen=True):
    """A row of the log; `data` is decoded, `at` is seconds since 1970."""

    partition: int
    offset: int
    stream: str
    version: int
    epoch: int
    type: str
    data: dict[str, Any]
    causation_id: str | None
    at: float

    @property
    def kind(self) -> str:
        """The actor's type."""
        return self.stream.partition("/")[0]


class Command(Struct):
    """What a client knows of a command: `done` once the broker confirmed it, or its answer came."""

    id: str
    stream: str
    name: str
    done: bool = False


class Quarantined(Struct, frozen=True):
    """A row of the quarantine."""

    command_id: str
    reason: str


class State(Struct, frozen=True):
    """An actor's view, found in three ways; `snapshot` is None where there is none."""

    stream: str
    replayed: Any
    live: Any
    snapshot: Any = None
    has_snapshot: bool = False


class Evidence(Struct):
    """See the module's docstring."""

    events: list[Event] = field(default_factory=list)  # by partition and offset
    heads: dict[int, int] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    oddities: list[str] = field(default_factory=list)  # answers that nothing explains, refusals included
    successes: list[tuple[str, Any]] = field(default_factory=list)  # task's key and result, as workers heard confirmed
    unfinished: list[str] = field(default_factory=list)  # workflows without an end, after heal
    overdue: list[str] = field(default_factory=list)  # timers 10 s late, after heal
    ends: list[tuple[str, float, float]] = field(
        default_factory=list
    )  # stream, seconds it took, seconds it waits at least
    opening: int = 0  # the sum of all first deposits
    states: list[State] = field(default_factory=list)
    reads: list[tuple[str, int, int]] = field(default_factory=list)  # stream, acknowledged count, count read afterwards
    followed: list[tuple[int, int, str, int]] = field(default_factory=list)  # partition, offset, stream, version
    outbox: list[str] = field(default_factory=list)  # rows left 60 s after heal
    poison: dict[str, bool] = field(default_factory=dict)  # command id: whether the broker confirmed it
    quarantined: list[Quarantined] = field(default_factory=list)
    dead_letters: int = 0  # left in the broker's queue after heal
    leaks: list[str] = field(default_factory=list)  # places in logs where a secret stands
