"""How a whole instance leaves the log: when somebody deletes it, or its type's retention has passed.

Invariants, and who keeps them:
* only its partition's owner does it, and only at the version that it has in memory: an ordinary commit, fenced as any other;
* nothing is lost that somebody still waits for: a workflow goes only when its run has ended, an actor when no command is
  under way. What they have told others lies in rows of their own, which stay until they have done their duty; an outcome
  that comes for an instance which is gone closes its row;
* whatever comes meanwhile finds the log as it is: the activation is loaded anew before it handles the next message;
* a command that comes again is not run again: inbox marks stay until they are older than any repetition;
* a request that comes again deletes nothing that began anew, and nothing that it was told is kept: it leaves a mark, too.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Raw

from actors.journal import ErrorInfo
from eventstore import Commit, InboxMark
from runtime.hosting.ground import Ground, answers, refusal
from runtime.hosting.item import Item, Step
from runtime.messages import Delete, Reply, Status, encode_message

DELETED = Reply(Status.OK, Raw(b'{"deleted":true}'))


class Instance(Protocol):
    """What is asked of an instance in memory."""

    stream: str

    @property
    def version(self) -> int:
        """The stream's version; 0: there is none."""
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


def forget(ground: Ground, instance: Instance, item: Item) -> Step:
    """Make the step that deletes an instance, or says why it can't be; after a commit that forgets it is of no use any more."""
    if (obstacle := _obstacle(instance)) is not None:
        return _refused(ground, instance, item, obstacle)
    commit = Commit(ground.partition, ground.epoch, instance.stream, instance.version, forget=True)
    if isinstance(item.content, Delete):
        commit.inbox = [InboxMark(mark_id(item.content), 0, encode_message(DELETED))]
    return Step(commit, answers(item, DELETED))


def _refused(ground: Ground, instance: Instance, item: Item, obstacle: Reply) -> Step:
    """Refuse a request for good: whoever was told that the instance is still there must not lose it to a repetition."""
    if not isinstance(item.content, Delete) or item.reply_to is None or obstacle.status is Status.STUCK:
        return refusal(item, obstacle)
    commit = Commit(ground.partition, ground.epoch, instance.stream, instance.version)
    commit.inbox = [InboxMark(mark_id(item.content), 0, encode_message(obstacle))]
    return Step(commit, answers(item, obstacle))


def mark_id(request: Delete) -> str:
    """Give the id of the mark that a request leaves. No command id holds a vertical tab."""
    return f"\v{request.command_id}"


def _obstacle(instance: Instance) -> Reply | None:
    stream = instance.stream
    if instance.version == 0:
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
    return None
