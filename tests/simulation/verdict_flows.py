"""What must be true of flows: how they ended, what their deeds gave, what was asked of them from outside."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile
from typing import Any

import msgspec

from tests.simulation.clients import Clients, Told, due
from tests.simulation.deed import Deed
from tests.simulation.installation import Installation
from tests.simulation.journals import Entry, Journals, Run, found
from tests.simulation.wish import Wish
from tests.simulation.world import EPOCH

DECISIONS = frozenset({
    "TaskScheduled", "TasksScheduled", "TimerSet", "ChildStarted", "ChildCancelRequested", "CommandSent", "AttributesSet",
    "CommandCompleted", "CommandFailed", "RunContinued", "RunCompleted", "RunFailed", "RunCancelled",
})  # fmt: skip
MICROSECOND = 1e-6  # timers are kept to that
SOON = 10.0  # virtual seconds after the healing until what is due has happened


class FlowVerdict:
    """See the module's docstring.

    Args:
        installation: with its plot.
        clients: what they were told.
        journals: of all streams.
        healed_at: seconds since 1970.
        excused: messages were put aside as poison.
    """

    def __init__(
        self, installation: Installation, clients: Clients, journals: Journals, healed_at: float, *, excused: bool
    ) -> None:
        self._in, self._clients, self._journals = installation, clients, journals
        self._healed_at, self._excused = healed_at, excused

    def check(self) -> None:
        for told in self._clients.told:
            if (rule := _RULES.get(told.wish.kind)) is not None:
                rule(self, told)
        for wish in self._in.plot.wishes:
            if wish.kind == "start":
                self._ends(wish)
        for name in self._journals.of("Flow"):
            lives = self._journals.lives(name)
            for life in lives:
                self._result(name, life)
                self._deadline(name, life)
                for run in life:
                    _holds(name, run)
                    _paused(name, run)
                    if not self._excused:
                        self._sagas(name, run)
            self._attributes(name, lives[-1])

    # -- how it ended ------------------------------------------------------------------------------------------------

    def _ends(self, wish: Wish) -> None:
        ends = [life[-1].end for life in self._journals.lives(f"Flow/{wish.id}")]
        heard = [self._clients.results[wish.id][0], *([self._clients.results_again[wish.id]] if wish.again else [])]
        assert len(ends) == len(heard), f"{wish.id} was started {len(ends)} times, and clients heard {heard}"
        for end, result in zip(ends, heard, strict=True):
            self._end(wish.id, end, result)

    def _end(self, id: str, end: Entry | None, result: Any) -> None:
        assert end is not None, f"{id} has not ended, and clients heard {result}"
        told = "RunCompleted" if isinstance(result, list) else result
        assert end.type == told, f"{id} ended by {end.type}, and clients heard {result}"
        if isinstance(result, list):
            assert result == end.data["result"], f"{id} returned {end.data['result']}, and clients heard {result}"

    def _result(self, name: str, runs: list[Run]) -> None:
        """Each deed gave what it can give."""
        end = runs[-1].end
        if end is None or end.type != "RunCompleted":
            assert end is None or end.type != "RunFailed" or self._excused, f"{name} failed: {end}"
            return
        deeds = msgspec.convert(_first(runs[-1].entries[0].data["input"]), list[Deed])
        assert not any(deed.do == "again" for deed in deeds), f"{name} ended before its last run"
        check_results(deeds, end.data["result"])

    def _deadline(self, name: str, life: list[Run]) -> None:
        deadline, end = life[0].entries[0].data.get("deadline"), life[-1].end
        if deadline is None or end is None:
            assert end is None or end.type != "RunTimedOut", f"{name} has no timeout, and timed out"
            return
        late = end.at - max(deadline, self._healed_at)
        assert late < SOON, f"{name} was to end at {deadline}, and ended {late:.1f} s late"
        assert end.type != "RunTimedOut" or end.at + MICROSECOND > deadline, f"{name} timed out early"

    def _attributes(self, name: str, life: list[Run]) -> None:
        marks: dict[str, Any] = {}
        for run in life:
            for entry in found(run.entries, "AttributesSet"):
                marks |= entry.data["values"]
        row = self._journals.streams[name].execution
        assert row, f"{name} is not listed"
        assert (row.attributes or {}) == marks, f"{name} is listed with {row.attributes}, and has set {marks}"

    def _sagas(self, name: str, run: Run) -> None:
        """All of a saga was done, or nothing, unless its code was not let go to its end."""
        if run.end is None or run.end.type in {"RunTerminated", "RunTimedOut"}:
            return
        id = name.partition("/")[2]
        deeds = msgspec.convert(_first(run.entries[0].data["input"]), list[Deed])
        of_run = list(takewhile(lambda deed: deed.do != "again", deeds))
        for saga in _all_of(of_run, "saga"):
            nets = [self._net(step.id, f"{id} {saga.id} {place}") for place, step in enumerate(saga.deeds)]
            done = [step.count for step in saga.deeds]
            assert nets in ([0] * len(nets), done), f"{name}, saga {saga.id}: moved {nets} of {done}, {run.end.type}"

    def _net(self, vault: str, ref: str) -> int:
        puts = found(self._journals.entries.get(f"Vault/{vault}", []), "Put", ref=ref)
        return sum(put.data["amount"] for put in puts)

    # -- what was asked of it ----------------------------------------------------------------------------------------

    def _cancel(self, told: Told) -> None:
        wish, what = told.wish, _what(told)
        requests = found(self._journals.entries[f"Flow/{wish.id}"], "CancelRequested")
        own = [request for request in requests if request.data["id"] == wish.command_id]
        assert len(own) <= 1, f"{what}: recorded {len(own)} times"
        if told.refused:
            assert (told.refused, own) == ("AlreadyFinished", []), what
        else:
            assert told.answer == bool(own), f"{what}: {requests}"

    def _terminate(self, told: Told) -> None:
        wish, what = told.wish, _what(told)
        ends = [life[-1].end for life in self._journals.lives(f"Flow/{wish.id}")]
        terminated = [end.data["id"] for end in ends if end is not None and end.type == "RunTerminated"]
        assert terminated.count(wish.command_id) <= 1, f"{what}: hit several lives: {ends}"
        if told.refused:
            assert told.refused == "AlreadyFinished", what
            assert wish.command_id not in terminated, f"{what}: {ends}"
            assert any(end is not None and end.type != "RunTerminated" for end in ends), f"{what}: {ends}"
        else:
            assert terminated, f"{what}: {ends}"
            assert told.answer == (wish.command_id in terminated), f"{what}: {ends}"

    def _resolve(self, told: Told) -> None:
        wish, what = told.wish, _what(told)
        entries = self._journals.entries[f"Flow/{wish.id}"]
        won = found(entries, "PromiseResolved", name=wish.target) + found(entries, "PromiseRejected", name=wish.target)
        if told.refused:
            assert told.refused == "AlreadyFinished", what
            assert not any(entry.data["by"] == wish.command_id for entry in won), f"{what}: {won}"
            return
        resolved, heard = told.answer
        lives = len(
            self._journals.lives(f"Flow/{wish.id}")
        )  # each has its own promises; the request was of one of them
        own = [entry for entry in won if entry.data["by"] == wish.command_id]
        assert 1 <= len(won) <= lives, f"{what}: settled {len(won)} times in {lives} lives"
        assert len(own) == resolved, f"{what}: settled by {[entry.data['by'] for entry in won]}"
        settled = [entry.data["error"]["message"] if "error" in entry.data else entry.data["result"] for entry in won]
        assert resolved or heard in settled, f"{what}: settled as {settled}"

    def _correct(self, told: Told) -> None:
        wish, what = told.wish, _what(told)
        type = "Paused" if wish.kind == "pause" else "Unpaused"
        done = found(self._journals.entries[f"Flow/{wish.id}"], type, id=wish.command_id)
        assert len(done) <= 1, f"{what}: {done}"
        if told.refused:
            assert (told.refused, done) == ("AlreadyFinished", []), f"{what}: {done}"
        else:
            assert told.answer == bool(done), f"{what}: {done}"

    def _listen(self, told: Told) -> None:
        """A handler that waits is carried over from run to run, and answered once by the last one."""
        name, what = f"Flow/{told.wish.id}", _what(told)
        done = found(self._journals.entries[name], "CommandCompleted", id=told.wish.command_id)
        if not told.refused:
            assert (told.answer, len(done)) == ("heard", 1), f"{what}: {done}"
            lasts = [life[-1].entries for life in self._journals.lives(name)]
            assert any(done[0] in last for last in lasts), f"{what}: answered before the last run"
        elif not self._excused:
            # What was refused because the instance had ended left nothing: a late copy of it is for the next life to judge.
            firsts = [entry for life in self._journals.lives(name)[:1] for run in life for entry in run.entries]
            late = told.refused == "AlreadyFinished" and len(done) == 1 and done[0] not in firsts
            assert late or not done, f"{what}: {done}"

    def _later(self, told: Told) -> None:
        wish, what = told.wish, _what(told)
        name = f"{'Flow' if wish.target == 'poke' else 'Vault'}/{wish.id}"
        entries = self._journals.entries.get(name, [])
        effects = found(entries, "CommandReceived", id=wish.command_id)
        if wish.target == "put":
            effects = [entry for entry in entries if entry.type == "Put" and entry.cause == wish.command_id]
        assert len(effects) <= 1, f"{what}: done {len(effects)} times"
        at = (EPOCH + timedelta(seconds=due(wish))).timestamp()
        for effect in effects:
            assert effect.at >= at, f"{what}: due at {at}, done at {effect.at}"
            late = effect.at - max(at, told.told_at + self._in.started_at, self._healed_at)
            assert late < SOON, f"{what}: done {late:.1f} s late"
        if effects or told.refused or self._excused:
            return
        assert wish.command_id in self._journals.streams[name].inbox or self._put_aside(wish.command_id), (
            f"{what}: accepted, and never handled"
        )

    def _put_aside(self, command_id: str) -> bool:
        id = msgspec.json.encode(command_id)
        return any(b'"command_id":' + id in body for body in self._in.put_aside)


_RULES = {
    "cancel": FlowVerdict._cancel,
    "terminate": FlowVerdict._terminate,
    "resolve": FlowVerdict._resolve,
    "pause": FlowVerdict._correct,
    "resume": FlowVerdict._correct,
    "listen": FlowVerdict._listen,
    "later": FlowVerdict._later,
}


def _what(told: Told) -> str:
    return f"{told.wish.command_id} ({told.wish.kind} {told.wish.id}), told {told.answer!r} {told.refused}"


def _first(input: Any) -> Any:
    """Give the first argument of an input, which names its arguments or lists them."""
    return input[0] if isinstance(input, list) else next(iter(input.values()))


def _all_of(deeds: list[Deed], kind: str) -> list[Deed]:
    """Find deeds of a kind that the flow itself does, also inside of others."""
    inner = [found for deed in deeds if deed.do not in {"child", "saga"} for found in _all_of(deed.deeds, kind)]
    return [deed for deed in deeds if deed.do == kind] + inner


def _holds(name: str, run: Run) -> None:
    """What was taken is given back once, also when the run was cancelled. A shielded task is waited for only then."""
    if run.end is None or run.end.type not in {"RunCompleted", "RunCancelled"}:
        return
    back = {
        _first(entry.data["input"]): entry.data["task"]
        for entry in found(run.entries, "TaskScheduled", name="give_back")
    }
    for taken in found(run.entries, "TaskScheduled", name="take"):
        what = _first(taken.data["input"])
        given = [e for e in found(run.entries, "TaskScheduled", name="give_back") if _first(e.data["input"]) == what]
        assert len(given) == 1, f"{name}: {what} was taken, and given back {len(given)} times"
        if run.end.type == "RunCancelled":
            assert found(run.entries, "TaskCompleted", task=back[what]), f"{name}: {what} was not given back"


def _paused(name: str, run: Run) -> None:
    """While it is held its code does nothing."""
    held = False
    for entry in run.entries:
        if entry.type in {"Paused", "Unpaused"}:
            held = entry.type == "Paused"
        assert not held or entry.type not in DECISIONS, f"{name} is paused, and goes on: {entry}"


def check_results(deeds: list[Deed], results: list[Any]) -> None:
    """Check that deeds can have given these results."""
    assert len(deeds) == len(results), f"{len(deeds)} deeds, {len(results)} results"
    for deed, result in zip(deeds, results, strict=True):
        _check_result(deed, result)


def _check_result(deed: Deed, result: Any) -> None:  # noqa: C901, PLR0912 - one case a kind of deed
    good = True
    match deed.do:
        case "note" | "work":
            good = isinstance(result, int) and result > deed.fails
        case "refuse":
            good = result == "never"
        case "sleep":
            good = result == "slept"
        case "wait":
            good = result == "poked" or (result == "nobody came" and deed.seconds > 0)
        case "together":
            check_results(deed.deeds, result)
        case "race":
            if result != "too late":
                _check_result(deed.deeds[0], result)
        case "spite":
            if result != "ignored":
                _check_result(deed.deeds[0], result)
        case "shield" | "hold":
            _check_result(deed.deeds[0], result)
        case "child":
            good = _child_gave(deed, result)
        case "call":
            good = result == ["CallFailed", "Rejected"] or (isinstance(result, list) and len(result) == 2)
        case "poke":
            good = isinstance(result, int) or result[0] == "CallFailed"
        case "promise":
            good = isinstance(result, int | str)
        case "map":
            good = len(result) == deed.count and all(number > deed.fails for number in result)
        case "saga":
            good = result in {"done", "undone"} and (result == "undone" or not deed.fails)
        case "tell" | "mark" | "bug":
            good = result in {"told", "marked", "mended"}
        case _:
            good = False
    assert good, f"{deed} gave {result!r}"


def _child_gave(deed: Deed, result: Any) -> bool:
    if deed.how == "leave":
        return bool(result == "left")
    if isinstance(result, list) and result and isinstance(result[0], str) and result[0].startswith("Child"):
        return deed.how == "cancel" and result[0] == "ChildCancelled"
    check_results(deed.deeds, result)
    return True
