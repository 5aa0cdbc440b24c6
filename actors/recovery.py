"""How an activation comes back to where it was: from its journal, from another instance's, after a mistake was mended.

Live and in replay the code runs the same way; the difference is what happens to its decisions. Live, they become
new events. In replay they are compared, in order, with the decisions that the journal has. So these hold:

* a turn appends one fact followed by its decisions, and both are committed together;
* when a fact comes, every decision before it has been matched, unless the instance was stuck in between: then
  facts are recorded without decisions, and the decisions owed follow the `Resumed` event;
* while somebody has it paused, facts are recorded and the code hears of none. It hears of them with `Unpaused`, all in one turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from actors.continuation import KeptRun
from actors.errors import Bug
from actors.forking import Copying, only_new, open_work
from actors.journal import CommandSent, JournalEvent, Resumed, Stuck, Unpaused
from actors.replay import Replay
from actors.retrying import last_turn
from actors.turn import HistoryEvent, LocalCall, TimerRow, Turn
from actors.turn_maker import TurnMaker


class Recovery(TurnMaker):
    """See the module's docstring."""

    __slots__ = ()

    def replay(self, history: Iterable[HistoryEvent], kept: KeptRun | None = None) -> None:
        """Rebuild the instance from its journal, in order, from the first event, or from the one after those of `kept`.

        Raises:
            Nondeterminism: the code does not do what the journal says. The instance is `broken`, and still records facts.
            Bug: user code raised something undeclared. The same.
        """
        self._run_through(self._replay(history, kept))

    def steps(self, history: Iterable[HistoryEvent]) -> Iterator[JournalEvent]:
        """Rebuild like `replay`, handing out each event after it was applied: for looking at the state in between."""
        replay = self._replay(history, None)
        program = None
        while program is not self.program:
            program = self.program
            with closing(replay.events()) as events:
                while (event := program.loop.inside(next, events, None)) is not None:
                    yield event
        self._rebuilt(replay)

    def adopt(self, history: Sequence[HistoryEvent], at: float) -> tuple[Turn, dict[int, JournalEvent]]:
        """Begin with events that were copied from another instance; see `forking`.

        Returns:
            The turn that opens anew what they leave open, and decides what is left to decide; and the events, by
            version, that name something else now.

        Raises:
            Nondeterminism, Bug: the code does not do what these events say. The instance is of no use.
        """
        replay = Copying(history, self.program, self.ledger, self._break, self._next_run)
        self._run_through(replay)
        if self.outcome is not None:
            return Turn(), replay.renamed
        turn = open_work(self.ledger, self.program.timers, self.program.open, history)
        self.program.loop.advance(at)
        for event in self._owed:
            if isinstance(event, CommandSent):
                event.after = None  # the one before it was the other instance's to give
        if self.ledger.paused is not None:
            self._append(turn, Unpaused("", "a fork goes on"))
        if self.ledger.stuck or self.ledger.retried:
            self._append(turn, Resumed())
        self._tell_held(turn)
        self._settle(turn, at)
        self._give_up(turn, self.program.given_up)
        only_new(turn)
        return turn, replay.renamed

    def stick(self) -> Turn:
        """Record that the instance is broken; an empty turn when the journal says so already."""
        if self.broken is None or self.ledger.stuck or self.outcome is not None:
            return Turn()
        turn = Turn(stuck=self.broken)
        self._append(turn, Stuck(self.broken))
        return turn

    def resume(self, at: float) -> Turn:
        """Record that a stuck instance goes on, with the decisions that it owes, or a retried one. Call it after a good `replay`.

        An empty turn also while it is paused: it goes on when that ends.
        """
        ledger = self.ledger
        if self.broken is not None or ledger.paused is not None or self.outcome is not None:
            return Turn()
        if not ledger.stuck and not ledger.retried:
            return Turn()
        turn, self._opened = self._opened or Turn(), None
        turn.resumed = True
        turn.relisted = ledger.retried  # the turn that was taken back may have set search attributes
        self._append(turn, Resumed())
        self._give_owed(turn, at)
        return turn

    def pending_local_calls(self) -> list[LocalCall]:
        """Give the local tasks that the code waits for: after a replay, these have to run again."""
        if self.broken is not None or self.outcome is not None:
            return []
        calls = list(self.program.local_calls.values())
        if self.ledger.paused is not None:  # of those that have ended the code has not heard
            calls = [call for call in calls if call.task not in self.ledger.ended]
        return calls

    # -- inside -------------------------------------------------------------------------------------------

    def _replay(self, history: Iterable[HistoryEvent], kept: KeptRun | None) -> Replay:
        if not isinstance(history, Sequence):
            history = list(history)
        if kept is not None:
            self.ledger = kept.ledger()
        replay = Replay(history, self.program, self.ledger, self._break, self._next_run)
        if kept is not None:
            replay.begin(kept.continued, kept.at, kept.schema)
        return replay

    def _run_through(self, replay: Replay) -> None:
        program = None
        while program is not self.program:  # once for each run
            program = self.program
            # Inside once for all of it; a deque without room is the quickest way to run through an iterator.
            program.loop.inside(deque, replay.events(), 0)
        self._rebuilt(replay)

    def _rebuilt(self, replay: Replay) -> None:
        outcome, ledger = self.outcome, self.ledger
        if outcome is not None and outcome.error is not None and outcome.ended is None:
            self.last_turn = last_turn(replay.history)
        if outcome is not None and (replay.trouble is not None or replay.owed):
            self.program.tells_as(replay.said())
        if replay.trouble is not None:
            raise replay.trouble
        if ledger.retried:
            self._opened = open_work(ledger, self.program.timers, self.program.open, replay.history)
        self._owed, self._held = replay.owed, replay.held
        if not self.ledger.stuck:
            self._forget_timers()
            self._forget_tasks()

    def _give_owed(self, turn: Turn, at: float) -> None:
        """Give the decisions that are owed, after the event that says so."""
        self.program.loop.advance(at)
        try:
            self._tell_held(turn)
            self._settle(turn, at)
        except Bug as bug:
            self._crash(turn, bug)
        else:
            turn.timers_cleared += self._forget_timers()
            self._give_up(turn, list(dict.fromkeys((*self.program.given_up, *self._forget_tasks()))))
            self.program.given_up = []

    def _tell_held(self, turn: Turn) -> None:
        """Let the code hear of what came while it was paused; raises `Bug`."""
        held, self._held = self._held, []
        for fact in held:
            self.program.loop.inside(self.program.feed, fact)
        self._take_over(turn)

    def _forget_timers(self) -> list[TimerRow]:
        """Drop the timers that the journal set and the code, with all of the journal behind it, does not wait for."""
        ledger = self.ledger
        dropped = [TimerRow(number, due) for number, due in ledger.timers.items() if number not in self.program.timers]
        for row in dropped:
            del ledger.timers[row.number]
        return dropped

    def _forget_tasks(self) -> list[int]:
        """Mark the tasks that the code, with all of the journal behind it, does not await; the same for workers' tasks."""
        forgotten = [number for number in self.ledger.tasks if number not in self.program.open]
        for number in forgotten:
            self.ledger.tasks[number].awaited = False
        return forgotten
