"""What a turn does to the world of a test. One line in the table for each field of `actors.turn.Turn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actors.journal import (
    Caller,
    ChildStarted,
    CommandSent,
    ErrorInfo,
    RunStarted,
    TaskAttemptFailed,
    TaskScheduled,
    decode_event,
)
from actors.testing.errors import NoEnd, StoryFailed
from actors.testing.hosted import Hosted
from actors.testing.mail import ChildEnded, Command, CommandEnded, RunLocal, RunTask, StartRun, TimerDue
from actors.turn import Answer, LocalCall, LogLine, NewRecord, Outcome, StoppedChild, TimerRow, Turn

if TYPE_CHECKING:
    from actors.testing.world import World

MOST_ATTEMPTS = 1_000  # of a task without an end to its retries


def spread(world: World, hosted: Hosted, turn: Turn) -> None:
    """Let the effects of a turn that is durable come about."""
    __tracebackhide__ = True
    for name in _UNKNOWN:
        if value := getattr(turn, name):
            raise StoryFailed(f"{hosted.stream} does what actors.testing does not know yet: {name} = {value!r}")
    for name, effect in EFFECTS.items():
        if value := getattr(turn, name):
            effect(world, hosted, value)


def _events(world: World, hosted: Hosted, records: list[NewRecord]) -> None:
    for record in records:
        if record.type != "TaskAttemptFailed":
            continue
        event = decode_event(record.type, record.data)
        if isinstance(event, TaskAttemptFailed):
            _retry(world, hosted, event)


def _retry(world: World, hosted: Hosted, failed: TaskAttemptFailed) -> None:
    scheduled = world.scheduled[hosted.stream, failed.task]
    if failed.attempt >= MOST_ATTEMPTS:
        raise NoEnd(
            f"task {scheduled.name} of {hosted.stream} has failed {failed.attempt} times, at last with {failed.error.type}: "
            f"{failed.error.message}; its retries have no end: give it Retry(max_attempts=…), or another outcome"
        )
    world.post(hosted.stream, RunTask(scheduled, failed.attempt + 1), failed.retry_at)


def _answers(world: World, hosted: Hosted, answers: list[Answer]) -> None:
    for answer in answers:
        world.answers[hosted.stream, answer.command_id] = answer.outcome
        if (caller := hosted.caller_of(answer.command_id)) is not None:
            outcome = answer.outcome
            if outcome.ended is not None:  # the run was terminated, and took the handler along
                note = f"{hosted.stream} has ended ({outcome.status}) before the command had"
                outcome = Outcome(error=ErrorInfo("AlreadyFinished", note))
            world.post(caller.stream, CommandEnded(caller.number, hosted.stream, outcome))


def _sent(world: World, hosted: Hosted, commands: list[CommandSent]) -> None:
    for sent in commands:
        if sent.type not in world.app.types:
            raise StoryFailed(
                f"{hosted.stream} gives {sent.stream} the command {sent.name}, and this app has no {sent.type}: give the test "
                f"a class of that name, `class Stub(Actor, name={sent.type!r})`"
            )
        caller = Caller(hosted.stream, sent.command)
        world.post(sent.stream, Command(caller.key, sent.name, sent.input, caller, sent.told))


def _tasks(world: World, hosted: Hosted, tasks: list[TaskScheduled]) -> None:
    for scheduled in tasks:
        world.scheduled[hosted.stream, scheduled.task] = scheduled
        world.post(hosted.stream, RunTask(scheduled, 1))


def _tasks_closed(world: World, hosted: Hosted, numbers: list[int]) -> None:
    for number in numbers:
        world.withdraw(hosted.stream, ("task", number))


def _local_calls(world: World, hosted: Hosted, calls: list[LocalCall]) -> None:
    for call in calls:
        world.post(hosted.stream, RunLocal(call, 1))


def _local_given_up(world: World, hosted: Hosted, numbers: list[int]) -> None:
    """Leave them: they come to their end, and nobody hears of it."""


def _children(world: World, hosted: Hosted, children: list[ChildStarted]) -> None:
    for child in children:
        caller = Caller(hosted.stream, child.child)
        world.post(child.stream, StartRun(child.input, caller.key, caller, timeout=child.timeout))


def _stopped(world: World, hosted: Hosted, stopped: list[StoppedChild]) -> None:
    for child in {each.started.child: each for each in stopped}.values():  # the last word counts
        started = child.started
        caller = Caller(hosted.stream, started.child)
        world.post(started.stream, StartRun(started.input, caller.key, caller, child.stop))


def _timers_set(world: World, hosted: Hosted, timers: list[TimerRow]) -> None:
    for timer in timers:
        world.post(hosted.stream, TimerDue(timer.number), timer.due)


def _timers_cleared(world: World, hosted: Hosted, timers: list[TimerRow]) -> None:
    for timer in timers:
        world.withdraw(hosted.stream, ("timer", timer.number))


def _finished(world: World, hosted: Hosted, outcome: Outcome) -> None:
    started = decode_event(hosted.journal[0].type, hosted.journal[0].data)
    if isinstance(started, RunStarted) and (caller := started.caller) is not None:
        world.post(caller.stream, ChildEnded(caller.number, hosted.stream, outcome))


def _logs(world: World, hosted: Hosted, lines: list[LogLine]) -> None:
    world.logs.extend((hosted.stream, line) for line in lines)


def _nothing(world: World, hosted: Hosted, value: object) -> None:
    """For what concerns a store's rows alone."""


def _new_run(world: World, hosted: Hosted, _: object) -> None:
    """Stop what was under way inside the node: it was for a run that is over."""
    world.withdraw(hosted.stream, ("local", 0))


# In this order. What is in no line must not be in a turn.
EFFECTS: dict[str, Callable[[World, Hosted, Any], None]] = {
    "events": _events,
    "new_run": _new_run,
    "answers": _answers,
    "tasks": _tasks,
    "stopped": _stopped,  # before the starts: one that is stopped in the turn of its start never runs
    "children": _children,
    "sent": _sent,
    "tasks_closed": _tasks_closed,
    "local_calls": _local_calls,
    "local_given_up": _local_given_up,
    "timers_set": _timers_set,
    "timers_cleared": _timers_cleared,
    "finished": _finished,
    "logs": _logs,
    "relisted": _nothing,
    "resumed": _nothing,
    "left": _nothing,  # its instance has taken note
    "first_run_left": _nothing,
}
_UNKNOWN = tuple(name for name in Turn.__struct_fields__ if name not in EFFECTS)
