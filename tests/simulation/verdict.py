"""What must be true when a plot has been told. It goes by the log, and by what clients and the outside world saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from actors.entity import Entity
from actors.execution import Execution
from eventstore import Quarantined, RecordedEvent
from tests.simulation.app import APP
from tests.simulation.audit import audit_log, audit_rest
from tests.simulation.audit_calls import audit_calls
from tests.simulation.audit_families import audit_families
from tests.simulation.clients import Clients, Told
from tests.simulation.installation import Installation
from tests.simulation.journals import Journals
from tests.simulation.verdict_actors import check_actors
from tests.simulation.verdict_flows import FlowVerdict

# Its run ended first; the command may have been recorded, and nobody is left to answer it.
ENDED_FIRST = frozenset({"AlreadyFinished", "RunCancelled", "RunTerminated", "RunTimedOut"})
SOON = 10.0  # virtual seconds after the healing until a timer that is due has fired

LIVE = {"Vault": ("contents", ("moves", "cents")), "Book": ("lines", ("lines",)), "Desk": ("served", ("served",))}
"""Of actors: what asks for their state, and which fields of it that gives."""

Live = dict[str, Any]
"""Streams, with what a query told of their state at the end."""


def judge(installation: Installation, clients: Clients, live: Live, healed_at: float) -> bool:
    """Check everything; raises `AssertionError`. Gives whether messages were put aside as poison, which excuses some."""
    store = installation.store
    put_aside = [message for partition in store.log.partitions for message in partition.quarantine.values()]
    installation.put_aside = [message.body for message in put_aside]
    excused = any("times while handling it" in message.reason for message in put_aside)
    for message in put_aside:
        assert excused or _was_refused(message), f"put aside for another reason: {message.reason}"
    for partition in store.log.partitions:
        partition.quarantine.clear()  # seen
    audit_log(store, APP)
    audit_rest(store, installation.broker, APP.task_queues)
    _Verdict(installation, clients, excused=excused).check(live, healed_at)
    journals, healed = Journals(store, store.log.deleted), healed_at + installation.started_at
    FlowVerdict(installation, clients, journals, healed, excused=excused).check()
    check_actors(clients, journals, excused=excused)
    if not excused:
        audit_calls(journals)
        audit_families(journals, healed)
    return excused


def _was_refused(message: Quarantined) -> bool:
    """Whether it is a command that nobody waits for, told or for later, and that its actor did not take."""
    told = message.id.endswith("~again") or b'"scheduled":true' in message.body
    return told and any(why in message.reason for why in ("Rejected", "AlreadyFinished", "NotFound"))


class _Verdict:
    def __init__(self, installation: Installation, clients: Clients, *, excused: bool) -> None:
        self._in, self._clients, self._excused = installation, clients, excused
        self._streams = installation.store.log.streams
        self._lost = {_command_id(body) for body in installation.broker.lost}

    def check(self, live: Live, healed_at: float) -> None:
        for told in self._clients.told:
            if told.wish.kind == "poke":
                self._poke(told)
            elif told.wish.kind in {"move", "told"}:
                self._move(told)
        for name, stream in self._streams.items():
            type_ = name.partition("/")[0]
            if type_ == "Account":
                self._account(name, stream.events)
                self._snapshots(name)
            elif stream.events:
                self._outcomes(name, stream.events)
                self._timers(name, stream.events, healed_at)
            self._replay(name, live)
        self._owners()
        self._starts()
        self._transfers()
        self._order()

    def _events(self, stream: str) -> list[RecordedEvent]:
        found = self._streams.get(stream)
        return found.events if found else []

    # -- accepted commands have exactly one effect ------------------------------------------------------------------

    def _move(self, told: Told) -> None:
        wish = told.wish
        effects = [e for e in self._events(f"Account/{wish.id}") if e.causation_id == wish.command_id]
        what = f"{wish.command_id} ({wish.kind} {wish.amount} to {wish.id}), told {told.answer!r} {told.refused}"
        assert len(effects) <= 1, f"{what}: {len(effects)} effects"
        if told.refused == "Rejected":
            assert not effects, f"{what}: refused, and done all the same"
        elif wish.kind == "move" and not told.refused:
            assert effects, f"{what}: answered, and not done"
            done = _balance(self._events(f"Account/{wish.id}")[: effects[0].version])
            assert done == tuple(told.answer), f"{what}: done as {done}, answered otherwise"
        elif wish.kind == "told" and not effects and not self._excused and wish.command_id not in self._lost:
            marks = self._streams[f"Account/{wish.id}"].inbox
            assert wish.command_id in marks, f"{what}: accepted, and never handled"

    def _poke(self, told: Told) -> None:
        wish = told.wish
        pokes: dict[str, str] = {}  # who, by command id, as they came
        runs: dict[str, int] = {}  # which run had it: a run that follows takes what came while the former one was held
        name, run = f"Flow/{wish.id}", 0
        heard: list[str] = []
        former = [event for history in self._in.store.log.deleted.get(name, ()) for event in history]
        for type_, data in _journal(former + self._events(name)):
            if type_ == "CommandReceived" and data["name"] == "poke":
                pokes[data["id"]], runs[data["id"]] = _who(data["input"]), run
                heard.append(pokes[data["id"]])
            elif type_ == "CommandCompleted" and data["id"] in pokes:
                runs[data["id"]] = run
            elif type_ in {"RunContinued", "RunStarted"}:
                run += 1
        what = f"{wish.command_id} (poke {wish.id}), told {told.answer!r} {told.refused}"
        assert heard.count(wish.command_id) <= 1, f"{what}: {heard}"
        if not told.refused:
            own = next(id for id, who in pokes.items() if who == wish.command_id)
            beside = [id for id in pokes if runs[id] == runs[own]]
            assert beside[told.answer - 1] == own, f"{what}: {pokes}, {runs}"
        elif not self._excused:
            assert told.refused in ENDED_FIRST, what

    def _account(self, name: str, events: list[RecordedEvent]) -> None:
        ids = [event.causation_id for event in events]
        assert len(set(ids)) == len(ids), f"{name}: a command was applied twice: {ids}"
        assert _balance(events)[1] >= 0, f"{name}: overdrawn"

    def _owners(self) -> None:
        """Nobody wrote without the lease, and nobody after the next owner had."""
        assert not self._in.store.intruders, self._in.store.intruders
        for partition in self._in.store.log.partitions:
            epochs = [event.epoch for event in partition.events if event is not None]
            assert epochs == sorted(epochs), (
                f"partition {partition.number}: an old owner wrote after a new one: {epochs}"
            )

    def _snapshots(self, name: str) -> None:
        """What is kept beside the events is what they fold to."""
        stream = self._streams[name]
        for version, snapshot in stream.snapshots.items():
            entity = Entity(APP.types["Account"], name)  # type: ignore[arg-type]  # an actor's type
            entity.restore(version, snapshot.data)
            kept = (entity.state()["moves"], entity.state()["cents"])
            assert kept == _balance(stream.events[:version]), f"{name}: the snapshot at {version} says {kept}"

    def _starts(self) -> None:
        for id, created in self._clients.created.items():
            assert sum(created) <= 1, f"{id} was created {created}"
            results = self._clients.results[id]
            assert all(result == results[0] for result in results), f"{id} ended in several ways: {results}"

    # -- outcomes, timers, money ------------------------------------------------------------------------------------

    def _outcomes(self, name: str, events: list[RecordedEvent]) -> None:
        """Every recorded result is one that some run of that task had."""
        for type_, data in _journal(events):
            if type_ == "TaskCompleted" and type(data["result"]) is int:
                runs = self._in.runs.get(f"{name}#{data['task']}", 0)
                assert 1 <= data["result"] <= runs, f"{name}#{data['task']}: {data['result']} of {runs} runs"

    def _timers(self, name: str, events: list[RecordedEvent], healed_at: float) -> None:
        due: dict[int, float] = {}
        start = self._in.started_at
        for event, (type_, data) in zip(events, _journal(events), strict=True):
            if type_ == "TimerSet":
                due[data["timer"]] = data["due"] - start
            elif type_ == "TimerFired":
                fired = event.recorded_at.timestamp() - start
                late = fired - max(due[data["timer"]], healed_at)
                assert late < SOON, f"{name}: timer {data['timer']} fired {late:.1f} s late"

    def _transfers(self) -> None:
        """Money that a transfer took from one account it put into another one."""
        total = sum(_balance(s.events)[1] for name, s in self._streams.items() if name.startswith("Account/"))
        brought = 0
        for name, stream in self._streams.items():
            if name.startswith("Account/"):
                brought += sum(_amount(e) for e in stream.events if "#" not in (e.causation_id or ""))
        assert total == brought or self._excused, f"clients brought {brought}, {total} is there"
        for wish in self._in.plot.wishes:
            if wish.kind == "transfer" and not self._excused:
                moved = self._clients.results[wish.id][0]
                moves = [
                    (account, _amount(event))
                    for account in wish.target.split()
                    for event in self._events(f"Account/{account}")
                    if (event.causation_id or "").startswith(f"Transfer/{wish.id}#")
                ]
                source, target = wish.target.split()
                expected = [(source, -wish.amount), (target, wish.amount)] if moved else []
                assert moves == expected, f"transfer {wish.id}, told {moved}: {moves}"

    # -- order, and what is live ------------------------------------------------------------------------------------

    def _order(self) -> None:
        """What was answered before something else was asked stands before it in the log."""
        place = {
            (name, event.causation_id): event.version
            for name, stream in self._streams.items()
            for event in stream.events
            if name.startswith("Account/")
        }
        done = [
            (told, place[key])
            for told in self._clients.told
            if (key := (f"Account/{told.wish.id}", told.wish.command_id)) in place
        ]
        for first, version in done:
            if first.wish.kind == "told" and not self._in.plot.calm:
                continue  # its confirm says that it will be done, not that it is
            for second, other in done:
                if second.wish.id == first.wish.id and second.asked_at > first.told_at:
                    self._stand(first, version, second, other)

    def _stand(self, first: Told, version: int, second: Told, other: int) -> None:
        if first.wish.command_id != second.wish.command_id and not (first.wish.twice or second.wish.twice):
            same = first.wish.client == second.wish.client or first.wish.kind == "move"
            assert version < other or not same, (
                f"{second.wish.command_id} was asked after {first.wish.command_id} was done, and stands before it"
            )

    def _replay(self, name: str, live: Live) -> None:
        type_ = name.partition("/")[0]
        if type_ == "Account":
            assert _balance(self._events(name)) == tuple(live[name]), f"{name}: replay differs from {live[name]}"
        elif type_ == "Flow" and name in live:
            execution = Execution(APP.types[type_], name)  # type: ignore[arg-type]  # a workflow's type
            execution.replay(self._events(name))
            state = execution.state()
            execution.dispose()
            replayed = (state["pokes"], state["done"])
            assert replayed == tuple(live[name]), f"{name}: replay gives {replayed}, live is {live[name]}"
        elif type_ in LIVE and name in live:
            entity = Entity(APP.types[type_], name)  # type: ignore[arg-type]  # an actor's type
            entity.replay(self._events(name))
            state = entity.state()
            folded = [state[field] for field in LIVE[type_][1]]
            now = live[name] if len(folded) > 1 else [live[name]]
            assert folded == now, f"{name}: replay gives {folded}, live is {now}"


def _journal(events: list[RecordedEvent]) -> Iterator[tuple[str, Any]]:
    for event in events:
        yield event.type, msgspec.json.decode(event.data)


def _who(input: Any) -> str:
    who: str = input[0] if isinstance(input, list) else input["who"]
    return who


def _amount(event: RecordedEvent) -> int:
    amount: int = msgspec.json.decode(event.data)["amount"]
    return amount


def _balance(events: list[RecordedEvent]) -> tuple[int, int]:
    return len(events), sum(_amount(event) for event in events)


def _command_id(body: bytes) -> str:
    return str(msgspec.json.decode(body).get("command_id"))
