"""How a whole instance leaves the log: when somebody deletes it, or its type's retention has passed.

Invariants, and who keeps them:
* only its partition's owner does it, and only at the version that it has in memory: an ordinary commit, fenced as any other;
* nothing is lost that somebody still waits for: a workflow goes only when its run has ended, an actor when no command is
  under way. What they have told others lies in rows of their own, which stay until they have done their duty; an outcome
  that comes for an instance which is gone closes its row;
* nothing of before is written into the stream of the next instance of that name: no instance is deleted while a commit of
  its stream, whose answer was lost, may still come true (`unsettled.py`); those of former owners are fenced;
* whatever comes meanwhile finds the log as it is: the activation is loaded anew before it handles the next message;
* a command that comes again is not run again: inbox marks stay until they are older than any repetition. The journal was
  the inbox of a workflow's first run, so the deletion marks what that has heard;
* a request that comes again deletes nothing that began anew, and nothing that it was told is kept: it leaves a mark, too;
* no number is used again, for numbers are idempotency keys of the outside world, and names of rows: the stream keeps one
  event, `InstanceDeleted`, which tells how far they have come. Being version 1, it refuses a start that believes that
  there never was such an instance. It goes when a repetition can't come any more (`outlived`), unless a child or another
  actor still owed the instance an answer: that one's row has such a number for its name.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Raw

from actors.journal import ErrorInfo, InstanceDeleted, encode_event
from eventstore import Commit, InboxMark, LoadedStream, NewEvent, TimerKey
from runtime.hosting.ground import Ground, answers, refusal
from runtime.hosting.item import Content, Expire, Item, Step, TimerDue
from runtime.messages import Delete, Reply, Status, encode_message

REST = 2**31 - 1  # the number of the timer that ends what is left of an instance; no operation's is so high
_LONGER = timedelta(days=2)  # than a command id is remembered: marks go an hour or a day after their time
DELETED = Reply(Status.OK, Raw(b'{"deleted":true}'))


class Instance(Protocol):
    """What is asked of an instance in memory."""

    stream: str

    @property
    def version(self) -> int:
        """The stream's version."""
        ...

    @property
    def exists(self) -> bool:
        """Whether there is such an instance, and not just what is left of one."""
        ...

    @property
    def broken(self) -> bool:
        """Whether it can't go on."""
        ...

    @property
    def finished(self) -> bool:
        """Whether its run has ended."""
        ...

    @property
    def at_rest(self) -> bool:
        """Whether its run has ended, or no command is under way."""
        ...

    @property
    def busy(self) -> bool:
        """Whether work for it is under way that only memory knows of."""
        ...

    def open_tasks(self) -> list[str]:
        """Give the outbox ids of what an outcome is owed for."""
        ...

    def deleted(self) -> InstanceDeleted:
        """Give what is left of it."""
        ...

    def last_marks(self) -> list[InboxMark]:
        """Give what the inbox has to remember of it."""
        ...


def forget(
    ground: Ground, instance: Instance, item: Item, retention: timedelta | None, *, unsettled: bool = False
) -> Step:
    """Make the step that deletes an instance, or says why it can't be. After a commit that forgets it is of no use any more.

    Args:
        ground: its partition.
        instance: it.
        item: the request, or that its `retention` has passed.
        retention: of its type.
        unsettled: a commit of its stream may still come true; see `unsettled.py`.
    """
    if (obstacle := _obstacle(instance, unsettled=unsettled)) is not None:
        return _refused(ground, instance, item, obstacle)
    commit = Commit(ground.partition, ground.epoch, instance.stream, instance.version, forget=True)
    is_outlived = retention is not None and retention >= ground.command_horizon and isinstance(item.content, Expire)
    is_owed = bool(instance.open_tasks())
    if is_owed or not is_outlived:
        now, request = ground.clock.now(), item.content
        id = request.command_id if isinstance(request, Delete) else None
        commit.events = [NewEvent(InstanceDeleted.__name__, encode_event(instance.deleted()), now, causation_id=id)]
        commit.inbox = instance.last_marks()
        if not is_owed:
            commit.timers_set = [TimerKey(now + ground.command_horizon + _LONGER, instance.stream, REST)]
    if isinstance(item.content, Delete):
        commit.inbox.append(InboxMark(mark_id(item.content), 0, encode_message(DELETED)))
    return Step(commit, answers(item, DELETED))


def _refused(ground: Ground, instance: Instance, item: Item, obstacle: Reply) -> Step:
    """Refuse a request for good: whoever was told that the instance is still there must not lose it to a repetition."""
    if not isinstance(item.content, Delete) or item.reply_to is None or obstacle.status is Status.STUCK:
        return refusal(item, obstacle)
    commit = Commit(ground.partition, ground.epoch, instance.stream, instance.version)
    commit.inbox = [InboxMark(mark_id(item.content), 0, encode_message(obstacle))]
    return Step(commit, answers(item, obstacle))


def outlived(ground: Ground, instance: Instance, due: TimerDue, gone_since: datetime | None) -> Step:
    """Make the step that takes away what is left of an instance; only the timer, when another one has begun since then.

    `gone_since` is when it was deleted last, if nothing has begun since.
    """
    commit = Commit(ground.partition, ground.epoch, instance.stream, instance.version, timers_clear=[due.timer])
    if gone_since is not None and not instance.exists:
        commit.forget = due.timer.due_at - gone_since >= ground.command_horizon
    return Step(commit)


def deleted_at(stream: LoadedStream) -> datetime | None:
    """Give when a stream's instance was deleted, if nothing has begun since; else None."""
    last = stream.events[-1] if stream.events else None
    return None if last is None or last.type != InstanceDeleted.__name__ else last.recorded_at


def is_rest(content: Content) -> bool:
    """Say whether the time has come for what is left of an instance."""
    return isinstance(content, TimerDue) and content.timer.number == REST


def mark_id(request: Delete) -> str:
    """Give the id of the mark that a request leaves. No command id holds a vertical tab."""
    return f"\v{request.command_id}"


def _obstacle(instance: Instance, *, unsettled: bool) -> Reply | None:
    stream = instance.stream
    if not instance.exists:
        return Reply(Status.NOT_FOUND, error=ErrorInfo("NotFound", f"there is no {stream}, or not any more"))
    if instance.broken and not instance.finished:  # its version may not be the log's either
        note = f"{stream} is stuck or parked, and what it waits for is not known; terminate it first, or mend its code"
        return Reply(Status.STUCK, error=ErrorInfo("Stuck", note))
    if not instance.at_rest:
        note = f"{stream} still has something to do; wait for the end, cancel or terminate it, and then delete it"
        return Reply(Status.CONFLICT, error=ErrorInfo("StillRunning", note))
    if instance.busy:
        note = f"{stream} still waits for a local task; delete it later"
        return Reply(Status.CONFLICT, error=ErrorInfo("StillWaiting", note))
    if unsettled:
        note = f"the database gave no answer about {stream} a moment ago, and may still write; delete it in a minute"
        return Reply(Status.CONFLICT, error=ErrorInfo("StillWaiting", note))
    return None
