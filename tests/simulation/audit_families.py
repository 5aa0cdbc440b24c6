"""Children, by the log: each was started once by its parent, ended as its parent heard, and was stopped as was agreed."""

from __future__ import annotations

from tests.simulation.journals import Entry, Journals, Run, found

HEARD_AS = {"cancelled": "RunCancelled", "terminated": "RunTerminated", "timed_out": "RunTimedOut", None: "RunFailed"}
SOON = 10.0  # seconds after the healing until a stop has reached a child


def audit_families(journals: Journals, healed_at: float) -> None:
    """Check all of them, at rest and with nothing put aside as poison.

    Args:
        journals: of all streams.
        healed_at: seconds since 1970; from then on nothing went wrong.
    """
    for name in journals.entries:
        if journals.is_workflow(name):
            for run in journals.runs(name):
                for started in found(run.entries, "ChildStarted"):
                    _child(journals, name, run, started, healed_at)


def _child(journals: Journals, parent: str, run: Run, started: Entry, healed_at: float) -> None:
    number = started.data["child"]
    key, child = f"{parent}#{number}", f"{started.data['type']}/{started.data['id']}"
    ends = found(run.entries, "ChildCompleted", child=number) + found(run.entries, "ChildFailed", child=number)
    assert len(ends) <= 1, f"{key}: {child} ended {len(ends)} times"
    if ends and ends[0].type == "ChildFailed" and ends[0].data["error"]["type"] == "Conflict":
        return
    assert journals.is_workflow(child), f"{key}: {child} was never started"
    begun, end = journals.entries[child][0], journals.end(child)
    caller = begun.data.get("caller")
    assert caller == {"stream": parent, "number": number}, f"{child} was started by {caller} instead of {key}"
    if ends:
        _same_end(child, ends[0], end)
    else:
        assert run.end is not None, f"{key} never heard of the end of {child}: {end}"
    asked = found(run.entries, "ChildCancelRequested", child=number)
    policy = _policy(started, run)
    told = _stops(journals, child, key)
    if policy == "abandon" and not asked:
        assert not told, f"{child} was to outlive {key}, and was stopped: {told[0]}"
        return
    at = min((entry.at for entry in asked), default=None)
    if at is None and not ends and run.end is not None:
        at = run.end.at
    if at is None:
        return
    assert end is not None, f"{child} runs, although {key} wants it no more since {at}"
    if not told:
        late = end.at - max(at, healed_at)
        assert late < SOON, f"{child} was never stopped, and ended {late:.1f} s after {key} did not want it any more"
    elif not asked and end.type not in {"RunCompleted", "RunFailed", "RunTimedOut"}:
        how = "RunTerminated" if policy == "terminate" else "RunCancelled"
        by_key = end.data.get("id") in {key, None}
        assert end.type == how or not by_key, f"{child} was to end by {how}, and ended by {end.type}"


def _policy(started: Entry, run: Run) -> str:
    policy: str = started.data.get("on_close", "abandon")
    if policy != "abandon" and run.end is not None and run.end.data.get("tree"):
        return "terminate"
    return policy


def _stops(journals: Journals, child: str, key: str) -> list[Entry]:
    """Give what says that its parent did not want it any more."""
    entries = journals.entries[child]
    told = found(entries, "CancelRequested", id=key) + found(entries, "RunTerminated", id=key)
    return told + [entries[0]] * bool(entries[0].data.get("stop"))


def _same_end(child: str, heard: Entry, end: Entry | None) -> None:
    if heard.data.get("correction") is not None:
        return  # settled by hand, whatever became of it
    assert end is not None, f"{child} was heard to have ended, and runs"
    if heard.type == "ChildCompleted":
        assert (end.type, end.data.get("result")) == ("RunCompleted", heard.data["result"]), f"{child}: {heard}, {end}"
    else:
        assert end.type == HEARD_AS[heard.data.get("ended")], f"{child}: {heard}, {end}"
