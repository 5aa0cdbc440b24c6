"""Gathers the evidence of a run: from Postgres, over a connection of its own, from the journals, the logs and the broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import msgspec
from msgspec import Raw

from actors.definition import WorkflowType
from actors.entity import Entity
from actors.execution import Execution
from eventstore.postgres import PostgresStore
from runtime.assembly import connect, open_store
from runtime.errors import PerdureError
from runtime.settings import load_settings
from tests.faults.bank import ACCOUNTS, OPENING, TALLIES, app
from tests.faults.evidence import Command, Event, Evidence, Quarantined, State
from tests.faults.journal import Entry, Saw, read_journal
from tests.faults.stage import Stage

OUTBOX_SECONDS = 60.0
TIMER_SECONDS = 10.0
_LOOK = 0.25
_SAMPLE = 150  # workflows of a type, for I9
_VIEWED = {
    "Account": ACCOUNTS, "Tally": 3 * TALLIES, "Transfer": _SAMPLE, "Errand": _SAMPLE, "Voyage": _SAMPLE, "Leg": _SAMPLE,
}  # fmt: skip
_EVENTS = """
SELECT partition, "offset", stream, version, epoch, type, data, causation_id, extract(epoch FROM recorded_at)::float8
FROM perdure.events ORDER BY partition, "offset"
"""
_UNFINISHED = "SELECT stream, status FROM perdure.executions WHERE status <> 'active' AND closed_at IS NULL OR busy"
_RUNNING = "SELECT stream, status FROM perdure.executions WHERE closed_at IS NULL AND stream !~ '^(Account|Tally)/'"
_OVERDUE = "SELECT stream, number FROM perdure.timers WHERE due_at < now() - $1 * interval '1 second'"
_OUTBOX = "SELECT id, due_at FROM perdure.outbox"
_STREAMS = "SELECT stream FROM perdure.executions WHERE stream LIKE $1 ORDER BY md5(stream) LIMIT $2"


async def at_rest(stage: Stage) -> tuple[list[str], list[str], list[str]]:
    """Wait after heal until nothing is left to do, within what is promised; gives what is left: outbox, timers, workflows."""
    connection = await asyncpg.connect(stage.database)
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        while True:
            outbox = [f"{id} due {due_at}" for id, due_at in await connection.fetch(_OUTBOX)]
            overdue = [f"{stream} timer {number}" for stream, number in await connection.fetch(_OVERDUE, TIMER_SECONDS)]
            running = [f"{stream} ({status})" for stream, status in await connection.fetch(_RUNNING)]
            if not outbox and not overdue and not running:
                return [], [], []
            if loop.time() > began + OUTBOX_SECONDS:
                return outbox, overdue, running
            stage.check()
            await asyncio.sleep(_LOOK)
    finally:
        await connection.close()


async def gather(stage: Stage, left: tuple[list[str], list[str], list[str]]) -> Evidence:
    """Gather everything. The nodes must be up, for the live answers, and the clients at their end."""
    evidence = Evidence(opening=ACCOUNTS * OPENING, outbox=left[0], overdue=left[1], unfinished=left[2])
    evidence.states = await _states(stage)
    await stage.observer.finish(60.0)
    await asyncio.gather(*(node.finish(30.0) for node in stage.nodes))
    await _read_database(stage, evidence)
    evidence.dead_letters = await _dead_letters(stage)
    names = ["prober", *(seat.name for seat in (*stage.clients, *stage.workers))]
    for name in names:
        take_entries(evidence, read_journal(stage.journal(name)))
    for entry in read_journal(stage.journal("observer")):
        partition, offset, version = entry.note
        evidence.followed.append((partition, offset, entry.stream, version))
    logs = [*stage.home.glob("*.log"), stage.postgres.log, stage.rabbitmq.log]
    evidence.leaks = list(find_secrets(logs, stage.secrets))
    return evidence


def take_entries(evidence: Evidence, entries: Iterable[Entry]) -> None:
    """Add what a journal says."""
    for entry in entries:
        if (take := _TAKERS.get(entry.saw)) is not None:
            take(evidence, entry)


def _take_sent(evidence: Evidence, entry: Entry) -> None:
    evidence.commands.setdefault(entry.id, Command(entry.id, entry.stream, entry.name))


def _take_done(evidence: Evidence, entry: Entry) -> None:
    evidence.commands[entry.id].done = True


def _take_odd(evidence: Evidence, entry: Entry) -> None:
    evidence.oddities.append(f"{entry.name} {entry.id} of {entry.stream}: {entry.note}")


def _take_unknown(evidence: Evidence, entry: Entry) -> None:
    if entry.name == "poison":
        evidence.poison.setdefault(entry.id, False)


_TAKERS: dict[Saw, Callable[[Evidence, Entry], None]] = {
    Saw.SENT: _take_sent,
    Saw.ACCEPTED: _take_done,
    Saw.ANSWERED: _take_done,
    Saw.REFUSED: _take_odd,
    Saw.ODD: _take_odd,
    Saw.UNKNOWN: _take_unknown,
    Saw.POISON: lambda evidence, entry: evidence.poison.update({entry.id: True}),
    Saw.READ: lambda evidence, entry: evidence.reads.append((entry.stream, *entry.note)),
    Saw.ENDED: lambda evidence, entry: evidence.ends.append((entry.stream, *entry.note)),
    Saw.OUTCOME: lambda evidence, entry: evidence.successes.append((entry.id, entry.note)),
}


def find_secrets(logs: Iterable[Path], secrets: Iterable[str]) -> Iterator[str]:
    """Name each line of a log that shows a secret."""
    wanted = [secret.encode() for secret in secrets]
    for log in logs:
        with log.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if any(secret in line for secret in wanted):
                    yield f"{log.name} line {number} shows a secret"


async def _read_database(stage: Stage, evidence: Evidence) -> None:
    decode = msgspec.json.Decoder().decode
    connection = await asyncpg.connect(stage.database)
    try:
        for row in await connection.fetch(_EVENTS):
            partition, offset, stream, version, epoch, type_, data, causation_id, at = row
            evidence.events.append(
                Event(partition, offset, stream, version, epoch, type_, decode(data), causation_id, at)
            )
        evidence.heads = {
            row[0]: row[1] for row in await connection.fetch("SELECT partition, head FROM perdure.partitions")
        }
        for body, reason in await connection.fetch("SELECT body, reason FROM perdure.quarantine"):
            evidence.quarantined.append(Quarantined(_command_id(body), reason))
    finally:
        await connection.close()


def _command_id(body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    return str(content.get("command_id", "")) if isinstance(content, dict) else ""


async def _dead_letters(stage: Stage) -> int:
    connection = await aio_pika.connect(stage.broker, timeout=10)
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue("perdure.dead", ensure=False)
        count = 0
        while await queue.get(no_ack=True, fail=False, timeout=5) is not None:
            count += 1
        return count


async def _states(stage: Stage) -> list[State]:
    settings = load_settings(stage.environment())
    async with open_store(settings) as store, connect(settings) as client:
        room = asyncio.Semaphore(40)

        async def state_of(stream: str) -> State:
            type_, id_ = stream.split("/", 1)
            async with room:
                try:
                    live = await client.query(type_, id_, "view", timeout=20)
                except PerdureError as error:  # a violation like any other: the audit goes on
                    live = f"{type(error).__name__}: {error}"
                return await _compared(store, stream, live)

        return list(await asyncio.gather(*(state_of(stream) for stream in await _sampled(stage))))


async def _sampled(stage: Stage) -> list[str]:
    connection = await asyncpg.connect(stage.database)
    try:
        streams = []
        for type_, most in _VIEWED.items():
            streams += [row["stream"] for row in await connection.fetch(_STREAMS, f"{type_}/%", most)]
        return streams
    finally:
        await connection.close()


async def _compared(store: PostgresStore, stream: str, live: Any) -> State:
    """Rebuild an actor from its first event on, beside its live answer; and from its snapshot, if it has one."""
    kind = app.type(stream.partition("/")[0])
    history = await store.read_stream(stream)
    if isinstance(kind, WorkflowType):
        execution = Execution(kind, stream)
        execution.replay(history)
        replayed = _view(execution)
        execution.dispose()
        return State(stream, replayed, live)
    entity = Entity(kind, stream)
    entity.replay(history)
    snapshot = await store.snapshot(stream)
    if snapshot is None:
        return State(stream, _view(entity), live)
    restored = Entity(kind, stream)
    restored.restore(snapshot.version, snapshot.data)
    restored.replay([event for event in history if event.version > snapshot.version])
    return State(stream, _view(entity), live, _view(restored), has_snapshot=True)


def _view(actor: Entity | Execution) -> Any:
    return msgspec.json.decode(actor.query("view", Raw(b"{}")))
