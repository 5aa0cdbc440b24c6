"""How a workflow's run is ended from outside: what a request to cancel or to terminate does, and what answers it.

The journal is what makes it idempotent: a run is asked to cancel once, and ends once; the id of the request that did
it is kept there, so that its repetitions get the first answer.
"""

from __future__ import annotations

from msgspec import Raw

from actors.execution import Execution
from actors.turn import LogLine, Turn
from runtime.hosting.replies import REQUESTED, TERMINATED, ended, stuck
from runtime.messages import Cancel, Reply, Status, Terminate


def request_end(stream: str, execution: Execution, message: Cancel | Terminate, at: float) -> tuple[Turn, Reply]:
    """Do what the message asks of an instance that was started; the turn is empty where nothing is left to do."""
    if isinstance(message, Cancel):
        return _cancel(stream, execution, message, at)
    return _terminate(stream, execution, message)


def _cancel(stream: str, execution: Execution, message: Cancel, at: float) -> tuple[Turn, Reply]:
    outcome, ledger = execution.outcome, execution.ledger
    repeated = ledger.cancel_id == message.command_id
    if outcome is not None and not repeated:
        return Turn(), ended(stream, outcome, "and can't be cancelled any more")
    by_this = repeated or ledger.cancel is None
    turn = execution.cancel(message.command_id, message.reason, at, message.by)
    if outcome is None and (broken := execution.broken) is not None:
        return turn, stuck(stream, broken, "the request", "terminate it to end it now")
    return turn, REQUESTED if by_this else Reply(Status.OK, Raw(b'{"requested":false}'))


def _terminate(stream: str, execution: Execution, message: Terminate) -> tuple[Turn, Reply]:
    outcome, terminated = execution.outcome, execution.ledger.terminated
    if outcome is not None and terminated is None:
        return Turn(), ended(stream, outcome, "and can't be terminated any more")
    turn = execution.terminate(message.command_id, message.reason, tree=message.tree, by=message.by)
    if outcome is None:
        turn.logs.append(LogLine("warning", "terminated", {"reason": message.reason, "by": message.by}))
    by_this = terminated is None or terminated.id == message.command_id
    return turn, TERMINATED if by_this else Reply(Status.OK, Raw(b'{"terminated":false}'))
