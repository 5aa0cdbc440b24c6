"""Having a workflow that has ended begin again by hand, in its own stream.

It is the start that `start` with `reuse="restart"` is (see `starting`), with who did it and why. These hold:
* what begins again is what the last start recorded: its arguments, memo, first search attributes, and the timeout that it gave. What a run
  handed on with `continue_as_new` was its own;
* a request is carried out once: it leaves a mark in the inbox, in the commit of the new start. So it is known as long as the inbox
  keeps it, also after other starts, and when the instance was deleted and there is another one; and the ledger knows it, too;
* what can't begin again is refused before anything is recorded.
"""

from __future__ import annotations

from msgspec import Raw

from actors import InvalidInput
from actors.definition import AbsentType
from actors.failures import error_info
from actors.journal import Correction, RunStarted
from runtime.hosting.former_runs import first_start_mark
from runtime.hosting.ground import answers, fingerprint, refusal
from runtime.hosting.instance import WorkflowInstance
from runtime.hosting.item import Item, Step
from runtime.hosting.replies import CORRECTED, conflict
from runtime.hosting.requests import heard_before, request_ids, request_marks, restart_mark
from runtime.hosting.starting import begin
from runtime.messages import Reply, Restart, Start, Status, error_reply


def restart(instance: WorkflowInstance, item: Item, message: Restart) -> Step:
    """Have an instance that has ended begin again, or refuse to."""
    if (before := _heard_before(instance, item, message)) is not None:
        return before
    if instance.finished and (
        not item.looked or instance.ended_here
    ):  # who waits for this end must not be told the next
        return Step(look=True)
    if (started := instance.execution.ledger.start) is None:
        return instance.not_found(item)
    if (reply := _objection(instance, started)) is not None:
        return refusal(item, reply)
    try:
        input = _input(instance, message)
    except InvalidInput as error:
        return refusal(item, error_reply(Status.INVALID, error))
    return _begin(instance, item, message, started, input)


def _heard_before(instance: WorkflowInstance, item: Item, message: Restart) -> Step | None:
    """Answer a request that came before."""
    if (mark := instance.marks.get(request_ids(message)[-1])) is not None:
        if isinstance(message.input, Raw) and mark.digest != fingerprint("", message.input):
            what = f"request {message.command_id} has restarted {instance.stream} with other input"
            return refusal(item, conflict(what))
        return Step(replies=answers(item, mark.reply))
    done = instance.execution.ledger.corrections.get(message.command_id)
    if done is None:
        return heard_before(instance, item, message)
    if done != "restart":
        return refusal(item, conflict(f"request {message.command_id} was carried out on {instance.stream}: {done}"))
    if isinstance(message.input, Raw) and not item.looked:
        return Step(look=True)  # its mark knows with what
    return Step(replies=answers(item, CORRECTED))


def _objection(instance: WorkflowInstance, started: RunStarted) -> Reply | None:
    """Say why it can't begin again, whatever its arguments are."""
    if isinstance(instance.kind, AbsentType):
        return Reply(Status.STUCK, error=error_info(instance.kind.unknown(instance.stream)))
    note = ""
    if not instance.finished:
        note = (
            f"{instance.stream} is {instance.listed()[0]}, and only what has ended begins again: terminate it first "
            "(`perdure terminate`)"
        )
    elif started.caller is not None:
        note = (
            f"{instance.stream} is the child of {started.caller.stream}, for which it has ended: start its input under another id "
            "(`perdure rerun`); if it failed, `retry` has it go on, and then its parent"
        )
    return error_reply(Status.INVALID, InvalidInput(note)) if note else None


def _input(instance: WorkflowInstance, message: Restart) -> Raw:
    """Give the arguments; raises `InvalidInput` when they do not fit the newest code."""
    if isinstance(message.input, Raw):
        instance.kind.newest.run_signature.decode(message.input)
        return message.input
    try:
        return instance.execution.input_again()
    except InvalidInput as error:
        note = f"the arguments that {instance.stream} was started with do not fit any more: {error}; give others (`--input`)"
        raise InvalidInput(note) from error


def _begin(instance: WorkflowInstance, item: Item, message: Restart, started: RunStarted, input: Raw) -> Step:
    marks = [restart_mark(message, input), *first_start_mark(started), *request_marks(instance.execution.ledger)]
    again = Start(
        type=message.type,
        id=message.id,
        correlation_id=message.correlation_id or instance.correlation_id,
        input=input,
        attributes=started.attributes,
        memo=started.memo,
        timeout=started.timeout,
    )
    step = begin(instance, again, Correction(message.command_id, message.reason, message.by))
    if step.commit is not None:
        step.commit.inbox += marks
    instance.marks.update((mark.command_id, mark) for mark in marks)  # for what waits behind it
    step.replies += answers(item, CORRECTED)
    return step
