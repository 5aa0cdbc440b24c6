"""How a workflow instance takes a start: it begins, or is there already, or has ended and begins again."""

from __future__ import annotations

from actors import InvalidInput
from actors.codec import canonical
from actors.definition import AbsentType
from actors.failures import cancelled, error_info, terminated
from actors.journal import Caller, Correction, ErrorInfo, RunStarted, Stop
from actors.turn import CANCELLED, TERMINATED, LogLine, Outcome
from eventstore import InboxMark
from runtime.hosting.calls import outcome_of
from runtime.hosting.former_runs import second_id, start_id, start_mark, start_marks
from runtime.hosting.ground import answers, fingerprint, refusal
from runtime.hosting.instance import WorkflowInstance
from runtime.hosting.item import Item, Step
from runtime.hosting.replies import CREATED, THERE, conflict, ended, missing
from runtime.hosting.requests import request_marks
from runtime.messages import Reply, ReplyWhen, Reuse, Start, Status, decode_reply, error_reply


def start(instance: WorkflowInstance, item: Item, message: Start) -> Step:
    """Take a start."""
    if (started := instance.execution.ledger.start) is None:
        return _create(instance, item, message) if instance.version == 0 else _begin_anew(instance, item, message)
    if message.caller is not None:
        if message.caller != started.caller and message.command_id is not None and instance.has_past:
            if (mark := instance.marks.get(start_id(message.command_id))) is not None:  # that one was deleted since
                return _started_before(instance, item, message, mark)
            if not item.looked:
                return Step(look=True)
        return _called_again(instance, message, message.caller, started)
    is_first = message.command_id is not None and message.command_id == started.command_id
    if message.reuse is not Reuse.ATTACH and instance.finished and not is_first:
        return _reuse(instance, item, message, started)
    if canonical(started.input) != canonical(message.input):
        return refusal(item, conflict(f"{instance.stream} was started with other input"))
    return _started(instance, item, message, Step(), created=is_first)


def _create(instance: WorkflowInstance, item: Item, message: Start) -> Step:
    if isinstance(instance.kind, AbsentType):  # what has ended here is not begun again by who does not know it
        return refusal(item, Reply(Status.STUCK, error=error_info(instance.kind.unknown(instance.stream))))
    try:
        instance.kind.run_signature.decode(message.input)
    except InvalidInput as error:
        if message.caller is None:  # another workflow is not to blame for code that differs here: stuck it will be
            return refusal(item, error_reply(Status.INVALID, error))
    return _started(instance, item, message, begin(instance, message), created=True)


def begin(instance: WorkflowInstance, message: Start, correction: Correction | None = None) -> Step:
    """Start an instance, for the first time or again; its arguments were looked at."""
    now = instance.ground.clock.now()
    instance.correlation_id = message.correlation_id or message.command_id or instance.stream
    instance.started_at, instance.row = now, None
    turn = instance.execution.start(
        message.input,
        message.command_id,
        now.timestamp(),
        message.caller,
        message.stop,
        attributes=message.attributes,
        memo=message.memo,
        timeout=message.timeout,
        correction=correction,
    )
    if correction is not None:
        turn.logs.append(LogLine("warning", "restart", {"reason": correction.reason, "by": correction.by}))
    return instance.step(turn, now, message.command_id if correction is None else correction.id)


def _started(instance: WorkflowInstance, item: Item, message: Start, step: Step, *, created: bool) -> Step:
    """Answer a start, now or when the run has ended."""
    if message.reply_when is ReplyWhen.COMPLETED:
        instance.answer_result(item, step)
    else:
        step.replies += answers(item, CREATED if created else THERE)
    return step


def _reuse(instance: WorkflowInstance, item: Item, message: Start, started: RunStarted) -> Step:
    """Start an instance again that has ended, or refuse to. A start that was heard before does neither."""
    if message.command_id is None:
        note = "a start with `reuse` needs a command_id, for else its repetition would be another start"
        return refusal(item, Reply(Status.INVALID, error=ErrorInfo("InvalidInput", note)))
    if (mark := instance.marks.get(start_id(message.command_id))) is not None:
        if mark.digest != fingerprint("", message.input):
            return refusal(item, conflict(f"command id {message.command_id} was used to start {instance.stream}"))
        if canonical(started.input) != canonical(message.input):  # its run's result would be another's
            return refusal(item, conflict(f"{instance.stream} was started again since, with other input"))
        return _started(instance, item, message, Step(), created=True)
    if not item.looked or instance.ended_here:  # who waits for this run's end must not be told that one
        return Step(look=True)
    outcome = instance.execution.outcome
    if message.reuse is Reuse.REFUSE and outcome is not None:
        return refusal(item, ended(instance.stream, outcome, "and is not started again"))
    if started.caller is not None:
        return refusal(
            item, conflict(f"{instance.stream} is the child of {started.caller.stream}, for which it has ended")
        )
    marks = start_marks(started, message.command_id, message.input) + request_marks(instance.execution.ledger)
    step = _create(instance, item, message)
    if step.commit is not None:
        step.commit.inbox += marks
        instance.marks.update((mark.command_id, mark) for mark in marks)  # for what waits behind it
    return step


def _begin_anew(instance: WorkflowInstance, item: Item, message: Start) -> Step:
    """Start an instance whose name had one that was deleted. A start that one had heard is answered as it was."""
    if message.command_id is None:
        return _create(instance, item, message)
    if (mark := instance.marks.get(start_id(message.command_id))) is not None:
        return _started_before(instance, item, message, mark)
    if not item.looked:
        return Step(look=True)
    if message.caller is not None and message.stop is not None:
        # It need not be created for that: the mark tells the start that comes too late.
        return _never_started(instance, message, message.caller, message.stop, message.command_id)
    step = _create(instance, item, message)
    if step.commit is not None:
        step.commit.inbox.append(start_mark(message.command_id, message.input))
    return step


def _started_before(instance: WorkflowInstance, item: Item, message: Start, mark: InboxMark) -> Step:
    """Answer a start that an instance has heard which was deleted since."""
    mark = instance.marks.get(second_id(mark.command_id), mark)
    reply = decode_reply(mark.reply) if mark.reply else missing(instance.stream)
    if mark.digest not in (0, fingerprint("", message.input)):
        reply = conflict(f"command id {message.command_id} was used to start {instance.stream}")
    elif message.caller is None and message.reply_when is not ReplyWhen.COMPLETED:
        reply = CREATED
    if message.caller is None:
        return Step(replies=answers(item, reply))
    commit = instance.no_events()
    commit.outbox = [instance.told(message.caller, outcome_of(reply), message.correlation_id)]
    return Step(commit)


def _never_started(instance: WorkflowInstance, message: Start, caller: Caller, stop: Stop, command_id: str) -> Step:
    if stop.how == "cancel":
        outcome = Outcome(error=cancelled(stop.reason), ended=CANCELLED)
    else:
        outcome = Outcome(error=terminated(stop.reason), ended=TERMINATED)
    commit = instance.no_events()
    commit.inbox = [start_mark(command_id, message.input, outcome)]
    commit.outbox = [instance.told(caller, outcome, message.correlation_id)]
    instance.marks[commit.inbox[0].command_id] = commit.inbox[0]
    return Step(commit)


def _called_again(instance: WorkflowInstance, message: Start, caller: Caller, started: RunStarted) -> Step:
    """Answer a workflow that asks for this instance as its child, and finds it there."""
    outcome = instance.execution.outcome
    if caller != started.caller or canonical(started.input) != canonical(message.input):
        note = f"{instance.stream} was started by somebody else; a child's id is its own: take another one"
        outcome = Outcome(error=ErrorInfo("Conflict", note))
    if outcome is None:  # the journal knows whom to tell
        return Step() if message.stop is None else _stop(instance, message.stop, caller)
    commit = instance.no_events()
    commit.outbox = [instance.told(caller, outcome, message.correlation_id)]
    return Step(commit)


def _stop(instance: WorkflowInstance, stop: Stop, caller: Caller) -> Step:
    now = instance.ground.clock.now()
    return instance.step(instance.execution.stop(stop, caller.key, now.timestamp()), now, caller.key)
