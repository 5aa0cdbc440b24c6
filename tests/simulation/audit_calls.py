"""Commands between instances, by the log: each was recorded once by the other side, in order, and answered with what came of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from runtime.messages import Reply, Status, decode_reply
from tests.simulation.journals import Entry, Journals, Run, found


def audit_calls(journals: Journals) -> None:
    """Check all of them, at rest and with nothing put aside as poison."""
    for name in journals.entries:
        for run in _parts(journals, name):
            last: dict[str, tuple[int, int]] = {}
            for sent in found(run.entries, "CommandSent"):
                target, number = f"{sent.data['type']}/{sent.data['id']}", sent.data["command"]
                version = _effect(journals, target, f"{name}#{number}")
                _answer(journals, name, run, sent, target)
                if version is not None:
                    before, place = last.get(target, (0, 0))
                    what = f"{name}#{number} and #{before} were given to {target} in that order"
                    assert version > place, f"{what}, and recorded as {version}, {place}"
                    last[target] = number, version


def _parts(journals: Journals, name: str) -> Iterator[Run]:
    if journals.is_workflow(name):
        yield from journals.runs(name)
    else:
        yield Run(journals.entries[name])


def _effect(journals: Journals, target: str, key: str) -> int | None:
    """Give the version at which a command is recorded; None for one that has no effect. Either way it has a mark."""
    stream = journals.streams.get(target)
    assert stream, f"{key} was given to {target}, which never heard of it"
    assert key in stream.inbox, f"{key} was given to {target}, which never recorded it"
    entries = journals.entries.get(target, [])
    received = found(entries, "CommandReceived", id=key)
    assert len(received) <= 1, f"{target} recorded {key} {len(received)} times"
    if received or journals.is_workflow(target):
        return received[0].version if received else None
    return next((entry.version for entry in entries if entry.cause == key), None)


def _answer(journals: Journals, name: str, run: Run, sent: Entry, target: str) -> None:
    number, key = sent.data["command"], f"{name}#{sent.data['command']}"
    answers = found(run.entries, "CommandAnswered", command=number)
    if sent.data.get("told"):
        assert not answers, f"{key} was only told, and is answered"
        return
    assert len(answers) <= 1, f"{key} was answered {len(answers)} times"
    if not answers:
        assert run.end is not None, f"{key}: {target} never answered"
        return
    answer = answers[0].data
    if answer.get("correction") is not None:
        return  # settled by hand, whatever the other did
    entries = journals.entries.get(target, [])
    done = found(entries, "CommandCompleted", id=key) + found(entries, "CommandFailed", id=key)
    if done:
        said = answer.get("result") if answer.get("error") is None else answer["error"]["type"]
        was = done[0].data["result"] if done[0].type == "CommandCompleted" else done[0].data["error"]["type"]
        assert said == was, f"{key}: {target} recorded {was}, and {name} heard {said}"
    elif not found(entries, "CommandReceived", id=key):
        _as_marked(journals, target, key, answer)


def _as_marked(journals: Journals, target: str, key: str, answer: dict[str, object]) -> None:
    reply: Reply = decode_reply(journals.streams[target].inbox[key][0].reply)
    error = answer.get("error")
    assert (error is None) == (reply.status is Status.OK), f"{key}: marked as {reply.status}, answered {answer}"
    if error is None and isinstance(reply.result, msgspec.Raw):
        was = msgspec.json.decode(reply.result)
        assert was == answer.get("result"), f"{key}: marked as {was}, answered {answer}"
