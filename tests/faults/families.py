"""What instances ask of each other, by the log: commands done once and in order, children stopped as was agreed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.evidence import Event, Evidence

_ENDS = frozenset({"RunCompleted", "RunFailed", "RunCancelled", "RunTerminated", "RunTimedOut"})
_BY_POLICY = {
    "cancel": "RunCancelled",  # they would take for ever
    "terminate": "RunTerminated",
    "abandon": "RunCompleted",
}


def calls_once(evidence: Evidence) -> Iterator[str]:
    """Each command that an instance gave has one effect, those to one other are in order, and each is answered once."""
    effects: dict[str, list[Event]] = defaultdict(list)
    answers: dict[str, int] = defaultdict(int)
    for event in evidence.events:
        if event.causation_id is not None and event.kind == "Tally":
            effects[event.causation_id].append(event)
        elif event.type == "CommandAnswered":
            answers[f"{event.stream}#{event.data['command']}"] += 1
    ended = {event.stream: event.type for event in evidence.events if event.type in _ENDS}
    last: dict[tuple[str, str], int] = {}
    for event in sorted(evidence.events, key=lambda event: (event.stream, event.version)):
        if event.type != "CommandSent":
            continue
        key, other = f"{event.stream}#{event.data['command']}", f"{event.data['type']}/{event.data['id']}"
        found = [effect for effect in effects[key] if effect.stream == other]
        if len(found) != 1:
            yield f"{key} was given to {other} and has {len(found)} effects"
            continue
        if found[0].version < last.get((event.stream, other), 0):
            yield f"{key} was done by {other} before an earlier command of {event.stream}"
        last[event.stream, other] = found[0].version
        wanted = not event.data.get("told", False)
        if answers[key] > wanted or (wanted and not answers[key] and ended.get(event.stream) == "RunCompleted"):
            yield f"{key} was answered {answers[key]} times"


def children_once(evidence: Evidence) -> Iterator[str]:
    """Each child was started once, by its parent, ended as was agreed, and was heard to have ended at most once."""
    families = _Families(evidence)
    for event in evidence.events:
        if event.type == "ChildStarted":
            yield from families.judge(event)


class _Families:
    """What the log says of children, by their streams, and of what their parents heard, by the call."""

    def __init__(self, evidence: Evidence) -> None:
        self._callers: dict[str, list[object]] = defaultdict(list)
        self._heard: dict[str, int] = defaultdict(int)
        self._ends: dict[str, str] = {}
        self._waited: set[str] = set()
        self._undone: set[str] = set()
        for event in evidence.events:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event.type:
            case "RunStarted":
                self._callers[event.stream].append(event.data.get("caller"))
            case "ChildCompleted" | "ChildFailed":
                self._heard[f"{event.stream}#{event.data['child']}"] += 1
            case "TimerSet":
                self._waited.add(event.stream)
            case "TaskCompleted" if str(event.data.get("result", "")).endswith(" undone"):
                self._undone.add(event.stream)
            case type if type in _ENDS:
                self._ends[event.stream] = type
            case _:
                pass

    def judge(self, started: Event) -> Iterator[str]:
        """Find what is wrong with a child."""
        number, child = started.data["child"], f"{started.data['type']}/{started.data['id']}"
        key, policy = f"{started.stream}#{number}", started.data.get("on_close", "abandon")
        if self._callers[child] != [{"stream": started.stream, "number": number}]:
            yield f"{child} is the child {key}, and was started by {self._callers[child]}"
        if self._heard[key] > 1:
            yield f"{key} heard {self._heard[key]} times that {child} had ended"
        end = self._ends.get(child)
        if end is not None and end != _BY_POLICY[policy]:
            yield f"{child} was to end by {policy}, and ended by {end}"
        if end == "RunCancelled" and child in self._waited - self._undone:
            yield f"{child} was cancelled, and did not undo what it had begun"
