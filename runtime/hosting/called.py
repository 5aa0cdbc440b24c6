"""The commands that other actors give one workflow: whatever becomes of each is recorded, and told.

The journal holds what was accepted, inbox marks what was refused. An accepted command gets a mark, too: its unique key keeps
a command that was refused once, and told so, from being accepted when it comes again. See `calls` for the whole story.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.execution import Execution
from actors.journal import Caller, ErrorInfo
from actors.ledger import Ledger, TakenCommand
from actors.turn import Outcome, Turn
from eventstore import Commit, InboxMark, LoadedStream, OutboxMessage
from runtime.hosting.calls import answer_message, denial, mark_of, outcome_of, outcome_of_command, wanted_before
from runtime.hosting.former_runs import second_id
from runtime.hosting.ground import Ground, fingerprint
from runtime.hosting.item import Item, Step
from runtime.hosting.replies import ACCEPTED, conflict, ended
from runtime.messages import Send, Status, decode_reply


class Called:
    """See the module's docstring."""

    def __init__(self, ground: Ground, stream: str) -> None:
        self._ground, self._stream = ground, stream
        self._marks: dict[str, InboxMark] = {}  # as far as the log was asked for

    def load(self, loaded: LoadedStream) -> None:
        """Take the marks that were read along."""
        self._marks = dict(loaded.inbox)

    def take(self, item: Item, message: Send, execution: Execution, command: Callable[[Item, Send], Step]) -> Step:
        """Take a command that another actor gives; `command` is how others' are taken."""
        caller, taken = message.caller, execution.ledger.commands.get(message.command_id)
        if caller is None:
            raise TypeError(f"{message.command_id} has no caller")
        if taken is not None:
            return self._called_before(item, message, caller, taken, execution, command)
        if (mark := self._marks.get(message.command_id)) is not None:
            return self._answered(message, caller, self._marked(message, mark), execution.version)
        if self._is_early(message, execution.ledger):
            return Step(look=not item.looked)
        step = command(item, message)
        if step.denied is not None and step.denied.status is Status.STUCK:
            return Step()  # it can't be judged now, and comes again
        if step.denied is not None:
            step = denial(message, caller, step.denied, self._ground, execution.version)
            if step.commit is not None:
                self._marks[message.command_id] = step.commit.inbox[0]
        elif step.commit is not None:
            step.commit.inbox = [mark_of(message, ACCEPTED), *step.commit.inbox]
            if message.told:
                step.commit.outbox.append(answer_message(message, caller, Outcome(), self._ground.partitions))
        return step

    def answers(self, turn: Turn, ledger: Ledger, correlation_id: str | None) -> list[OutboxMessage]:
        """Tell those whose commands a turn has ended."""
        told: list[OutboxMessage] = []
        left = {taken.received.id: taken for taken in turn.left or ()}
        for answer in turn.answers:
            if answer.outcome.ended is not None:
                continue  # told below
            taken = ledger.commands.get(answer.command_id) or left.get(answer.command_id)
            if taken is not None and (caller := taken.received.caller) is not None and not taken.received.told:
                partitions = self._ground.partitions
                told.append(outcome_of_command(self._stream, caller, answer.outcome, partitions, correlation_id))
        if turn.finished is not None:
            told += self._abandoned(ledger, turn.finished, correlation_id)
        return told

    def _abandoned(self, ledger: Ledger, outcome: Outcome, correlation_id: str | None) -> list[OutboxMessage]:
        """Tell those whose commands the run's end has left behind, as when it was terminated."""
        partitions, error = self._ground.partitions, self._in_words(outcome)
        return [
            outcome_of_command(self._stream, caller, error, partitions, correlation_id)
            for taken in ledger.commands.values()
            if taken.outcome in (None, ledger.outcome)
            and (caller := taken.received.caller) is not None
            and not taken.received.told
        ]

    def _in_words(self, outcome: Outcome) -> Outcome:
        """Give an outcome as a caller is told it: of a command that ended with its run, that this has ended."""
        return outcome if outcome.ended is None else outcome_of(ended(self._stream, outcome, "before the command had"))

    def _marked(self, message: Send, mark: InboxMark) -> Outcome:
        """Give the outcome of a command that is not in the ledger: it was refused, or a run that is over has handled it."""
        if mark.digest != fingerprint(message.name, message.input):
            return outcome_of(conflict(f"command id {message.command_id} was used for other input"))
        if (first := decode_reply(mark.reply)).error is not None:
            return outcome_of(first)
        if (second := self._marks.get(second_id(message.command_id))) is None:
            note = f"{self._stream} took the command, and has ended since; what became of the command is not known any more"
            return Outcome(error=ErrorInfo("AlreadyFinished", note))
        return self._in_words(outcome_of(decode_reply(second.reply)))

    def _is_early(self, message: Send, ledger: Ledger) -> bool:
        before = wanted_before(message, self._ground)
        return before is not None and before not in ledger.commands and before not in self._marks

    def _called_before(
        self,
        item: Item,
        message: Send,
        caller: Caller,
        taken: TakenCommand,
        execution: Execution,
        command: Callable[[Item, Send], Step],
    ) -> Step:
        """Answer a call that is said again, if there is something to tell."""
        outcome = taken.outcome
        if (denied := command(item, message).denied) is not None:
            outcome = outcome_of(denied)  # the id was used for another command
        elif message.told:
            outcome = Outcome()
        return (
            Step() if outcome is None else self._answered(message, caller, self._in_words(outcome), execution.version)
        )

    def _answered(self, message: Send, caller: Caller, outcome: Outcome, version: int) -> Step:
        """Tell an outcome again; only if the state in memory is the log's."""
        commit = Commit(self._ground.partition, self._ground.epoch, self._stream, version)
        commit.outbox = [answer_message(message, caller, outcome, self._ground.partitions)]
        return Step(commit)
