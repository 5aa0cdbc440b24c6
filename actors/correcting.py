"""What people do by hand to an instance. Each is a fact of its journal, with who did it, why, and the id of the request.

Each method gives an empty turn where there is nothing to do.
"""

from __future__ import annotations

from msgspec import Raw

from actors.errors import InvalidInput, UpcastFailed
from actors.journal import Correction, ErrorInfo, Paused, Resumed, Unpaused
from actors.recovery import Recovery
from actors.retrying import retry
from actors.skipping import by_hand
from actors.turn import Turn
from actors.upcasting import NO_PAYLOADS


class Correcting(Recovery):
    """See the module's docstring."""

    __slots__ = ()

    def pause(self, id: str, reason: str, by: str) -> Turn:
        """Hold the instance, also a broken one: it goes on recording. An empty turn when it is held, or has ended."""
        turn = Turn()
        if self.outcome is None and self.ledger.paused is None:
            self._append(turn, Paused(id, reason, by))
        return turn

    def unpause(self, id: str, reason: str, by: str, at: float) -> Turn:
        """Let a paused instance go on: its code hears of what came meanwhile. An empty turn when it is not paused.

        A broken one is stuck from here on.
        """
        turn = Turn()
        if self.outcome is not None or self.ledger.paused is None:
            return turn
        self._append(turn, Unpaused(id, reason, by))
        if self.broken is not None:
            turn.stuck = self.broken
            return turn
        if self.ledger.stuck:
            turn.resumed = True
            self._append(turn, Resumed())
        self._give_owed(turn, at)
        return turn

    def retry(self, correction: Correction, at: float) -> Turn:
        """Have a failed run go on from its failed step. Load the instance again when that is durable: what is here is over.

        Raises:
            InvalidInput: it can't; the message says why, and what to do instead.
        """
        turn = Turn()
        self._append(turn, retry(self.last_turn or (), self.ledger, correction, at))
        return turn

    def input_again(self) -> Raw:
        """Give the arguments that the last start recorded, in today's form, for another start. There must have been one.

        Raises:
            InvalidInput: they can't be brought into it, or do not fit the newest code.
        """
        started, schema = self.ledger.start, self.ledger.start_schema
        if started is None:
            raise InvalidInput(f"{self.stream} was never started")
        upcasters = self.kind.versions.get(started.type_version, self.kind.newest).upcasters or NO_PAYLOADS
        if schema > (newest := upcasters.newest(started, self.ledger)):
            raise InvalidInput(f"they are of schema {schema}, and this code knows them up to {newest}")
        try:
            started = upcasters.lift(started, schema, self.ledger)
        except UpcastFailed as error:
            raise InvalidInput(str(error)) from error
        self.kind.newest.run_signature.decode(started.input)
        return started.input

    def skip(self, number: int, correction: Correction, outcome: Raw | ErrorInfo | None, at: float) -> Turn:
        """Settle what the code waits for under a number: with a result, a failure, or with nothing, if it is a timer.

        Raises:
            InvalidInput: nothing of that number is open, as far as is known here; or the result does not fit.
        """
        local = {call.task: call for call in self.pending_local_calls()}
        fact = by_hand(self.kind, self.ledger, local, number, correction, outcome)
        turn = self._take(fact, at)
        if number in local:
            turn.local_given_up = [*(turn.local_given_up or ()), number]
        return turn
