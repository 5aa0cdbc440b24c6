"""How somebody outside settles a workflow's promise: what it does, and what answers it.

The journal is what makes the first one win: it holds what settled a promise, and the id of the request that did, so
that its repetitions get the first answer and all others are told what won.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

from actors import InvalidInput
from actors.codec import plain_encode
from actors.execution import Execution
from actors.journal import ErrorInfo, PromiseRejected, PromiseResolved
from actors.promise import MAX_NAME, is_promise_name
from actors.turn import Turn
from runtime.hosting.replies import RESOLVED, ended
from runtime.messages import Reply, Resolve, Status, error_reply


class _Answer(Struct, omit_defaults=True):
    resolved: bool
    result: Raw | UnsetType = UNSET  # what won, if it was another one
    error: ErrorInfo | UnsetType = UNSET


def settle(stream: str, execution: Execution, message: Resolve, at: float) -> tuple[Turn, Reply]:
    """Settle a promise of an instance that was started; the turn is empty where that was done, or can't be."""
    if (won := execution.ledger.promises.get(message.name)) is not None:
        return Turn(), _told(won, message)
    if execution.outcome is not None:
        return Turn(), ended(stream, execution.outcome, "and waits for no promise any more")
    try:
        fact = _fact(message)
        execution.check_promise(fact)
    except InvalidInput as error:
        return Turn(), error_reply(Status.INVALID, error)
    return execution.settle_promise(fact, at), RESOLVED


def _fact(message: Resolve) -> PromiseResolved | PromiseRejected:
    if not is_promise_name(message.name):
        raise InvalidInput(f"{message.name!r} can't name a promise: expected 1 to {MAX_NAME} printable characters")
    if message.error is not None and message.result is UNSET:
        return PromiseRejected(message.name, message.error, message.command_id)
    if message.error is None and isinstance(message.result, Raw):
        return PromiseResolved(message.name, message.result, message.command_id)
    raise InvalidInput("a promise is settled with `result` or with `error`: one of them")


def _told(won: PromiseResolved | PromiseRejected, message: Resolve) -> Reply:
    answer = _Answer(won.by == message.command_id)
    if not answer.resolved:
        if isinstance(won, PromiseResolved):
            answer.result = won.result
        else:
            answer.error = won.error
    return Reply(Status.OK, Raw(plain_encode(answer)))
