"""What a journal tells before its turn comes: how questions were decided that the code can't wait for.

A task's result may come later; whether a patch is taken, and a recorded value, the code must have at once. So a replay
looks them up in the whole journal the first time that the code asks, and a journal without them is never searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Raw

from actors.errors import PayloadRefused
from actors.journal import JournalEvent, Patched, Resumed, RunContinued, Stuck, ValueRecorded, decode_event
from actors.retrying import undone
from actors.turn import HistoryEvent

_NEXT = RunContinued.__name__
_TOLD = frozenset(kind.__name__ for kind in (Patched, ValueRecorded, Stuck, Resumed))


class Precedents:
    """Answers for one replay.

    The turns of a stuck instance are the exception: their decisions are not in the journal yet. What is asked there is
    asked for the first time.
    """

    __slots__ = ("_cut_from", "_fact_at", "_history", "_new_from", "_patches", "_place", "_values")

    def __init__(
        self, history: Sequence[HistoryEvent], place: int, fact_at: Callable[[], int], cut_from: int | None = None
    ) -> None:
        """Prepare for the run whose events begin at a place in the history.

        `fact_at` gives the version of the fact that the code is hearing of; `cut_from` that of a turn whose decisions
        are not all in the history, because it was copied up to there only.
        """
        self._history: Sequence[HistoryEvent] | None = history
        self._place = place
        self._fact_at, self._cut_from = fact_at, cut_from
        self._patches: set[str] = set()
        self._values: dict[int, Raw] = {}
        self._new_from: int | None = None  # version from which on turns have no decisions yet

    def patched(self, name: str) -> bool | None:
        """Say whether this run takes a patch; None when that is to be decided now."""
        self._read()
        return True if name in self._patches else self._else(False)

    def value(self, number: int) -> Raw | bool | None:
        """Give a recorded value; None when it is to be made now, False when there is none and must not be one."""
        self._read()
        return self._values.get(number) or self._else(False)

    def _else(self, answer: bool) -> bool | None:
        is_new = any(start is not None and self._fact_at() >= start for start in (self._new_from, self._cut_from))
        return None if is_new else answer

    def _read(self) -> None:
        history, self._history = self._history or (), None
        taken_back = undone(history)
        for recorded in map(history.__getitem__, range(self._place, len(history))):
            if recorded.version in taken_back:
                continue
            if recorded.type == _NEXT:
                break  # the next run decides anew
            if recorded.type in _TOLD:
                try:
                    event = decode_event(recorded.type, recorded.data)
                except PayloadRefused:
                    continue  # the replay says so when it gets there
                self._take(event, recorded.version)

    def _take(self, event: JournalEvent | None, version: int) -> None:
        match event:
            case Patched():
                self._patches.add(event.name)
            case ValueRecorded():
                self._values[event.number] = event.value
            case Stuck():  # by a mistake in the turn of the fact before, or between two turns
                self._new_from = version if event.between_turns else version - 1
            case Resumed():
                self._new_from = None
            case _:
                pass
