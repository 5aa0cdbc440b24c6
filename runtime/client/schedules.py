"""Schedules as a client sees them: `client.schedules`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Raw, Struct

from actors import InvalidId
from runtime.client.calls import Address, Calls, type_name
from runtime.errors import CommandInvalid, Conflict
from runtime.schedules import (
    KEEP,
    MAX_ID,
    TYPE,
    Definition,
    Described,
    Filled,
    Overlap,
    Schedule,
    ScheduleWorkflow,
    next_times,
)

if TYPE_CHECKING:
    from eventstore import ListedExecution
    from runtime.client.client import Client

_PAGE = 500
_SOME_TIME = "2027-01-01T00:00:00Z"


class ListedSchedule(Struct):
    """One line of a listing of schedules, from the database alone. `status` is `running`, or `stuck` or `parked`."""

    id: str
    status: str
    workflow: str
    times: str
    time_zone: str
    paused: bool
    created_at: datetime


class Schedules:
    """Makes, shows, changes and ends schedules; `runtime.schedules.Schedule` says what one is.

    All methods raise `NotFound` for an id that there is none of, `AnswerTimeout` when no answer came in time, and take a
    `timeout` in seconds and a `command_id`, the idempotency key, where they change something.
    """

    def __init__(self, client: Client, calls: Calls) -> None:
        self._client, self._calls = client, calls

    async def create(
        self,
        id: str,
        schedule: Schedule,
        workflow: Address,
        *args: Any,
        input: Any = None,
        command_id: str | None = None,
        timeout: float = 30.0,
        **kwargs: Any,
    ) -> bool:
        """Make a schedule that starts a workflow; comes back when it is durable. Made again the same, nothing changes.

        What it starts has the id `ID-TIME`, such as `nightly-2027-01-01T01:00:00Z`: the time in UTC for which it was started.

        Args:
            id: the schedule's id, at most 140 bytes.
            schedule: its times, and how to deal with them.
            workflow: class or type name; with a class the arguments are checked here.
            args: arguments of its `run`; without the one that `time_argument` names.
            input: all of them as one JSON-like value, instead of args and kwargs.
            command_id: identifies this very request.
            timeout: seconds to wait for the answer.
            kwargs: arguments of its `run` by name.

        Returns:
            True when this request made it, False when it was there.

        Raises:
            CommandInvalid: arguments that do not fit, or no time that is still to come.
            InvalidId: the id is too long, or not allowed.
            Conflict: there is another schedule of that id.
        """
        if len(id.encode("utf-8", "surrogatepass")) > MAX_ID:
            raise InvalidId(f"a schedule's id has at most {MAX_ID} bytes; {id!r} has more")
        if not next_times(schedule, self._calls.now(), 1):
            raise CommandInvalid(
                "the schedule has no time that is still to come: look at its end_at", "InvalidSchedule"
            )
        definition = _definition(schedule, type_name(workflow), self._input(schedule, workflow, args, kwargs, input))
        try:
            return await self._client.start(
                ScheduleWorkflow, id, definition, command_id=command_id, timeout=timeout, reuse="restart"
            )
        except Conflict as error:
            raise Conflict(
                f"there is a schedule {id} that was made with other times or another workflow; update it, or delete it first",
                error.type,
            ) from error

    async def describe(self, id: str, *, next: int = 5, timeout: float = 30.0) -> Described:
        """Say all of one schedule: what it is, what runs, what waits, its counts, and its next times (at most 100)."""
        described: Described = await self._client.query(ScheduleWorkflow, id, "describe", next, timeout=timeout)
        return described

    async def list(self) -> list[ListedSchedule]:
        """List the schedules that have not ended, by id, from the database: no node is asked. Raises `ConfigurationError`."""
        found: list[ListedSchedule] = []
        before: tuple[datetime, str] | None = None
        while page := await self._client.list(TYPE, before=before, limit=_PAGE):
            found += [_listed(each) for each in page if each.execution.closed_at is None]
            before = (page[-1].execution.started_at, page[-1].stream)
        return sorted(found, key=lambda listed: listed.id)

    async def update(
        self,
        id: str,
        schedule: Schedule,
        workflow: Address | None = None,
        *args: Any,
        input: Any = None,
        command_id: str | None = None,
        timeout: float = 30.0,
        **kwargs: Any,
    ) -> None:
        """Give a schedule other times or another policy, and with a `workflow` something else to start.

        What runs goes on, and what waits keeps its time. The counts go on.

        Raises:
            CommandInvalid: as in `create`.
            CommandFailed: the node that has the schedule knows that the arguments do not fit.
        """
        name, given = None, KEEP
        if workflow is None and (kwargs or input is not None):
            raise CommandInvalid(
                "name the workflow that the arguments are for, also if it is the same one", "InvalidInput"
            )
        if workflow is not None:
            name, given = type_name(workflow), self._input(schedule, workflow, args, kwargs, input)
            _definition(schedule, name, given)
        await self._call(id, "update", schedule, name, given, command_id=command_id, timeout=timeout)

    async def pause(self, id: str, note: str = "", *, command_id: str | None = None, timeout: float = 30.0) -> None:
        """Let the schedule start nothing at its times; those that pass until `unpause` are not made up for."""
        await self._call(id, "pause", note, command_id=command_id, timeout=timeout)

    async def unpause(self, id: str, note: str = "", *, command_id: str | None = None, timeout: float = 30.0) -> None:
        """Let it go on with its next time, and with what waited."""
        await self._call(id, "unpause", note, command_id=command_id, timeout=timeout)

    async def trigger(
        self, id: str, overlap: Overlap | None = None, *, command_id: str | None = None, timeout: float = 30.0
    ) -> str | None:
        """Start one now, also while it is paused. Its time is now, its id ends with `-trigger`.

        Returns:
            The id of what is started, perhaps after what runs; None when the policy skips it.
        """
        started: str | None = await self._call(id, "trigger", overlap, command_id=command_id, timeout=timeout)
        return started

    async def backfill(
        self,
        id: str,
        first: datetime,
        last: datetime,
        overlap: Overlap = Overlap.BUFFER_ALL,
        *,
        command_id: str | None = None,
        timeout: float = 30.0,
    ) -> Filled:
        """Start what the schedule's times from `first` to `last` are for, both ends included, also while it is paused.

        One after the other, unless `overlap` says otherwise. A time that was started before is not started again: its id is
        taken, and it counts as not started.

        Raises:
            CommandFailed: the times are the wrong way round, to come, more than 1,000, or more than can wait.
        """
        filled: Filled = await self._call(id, "backfill", first, last, overlap, command_id=command_id, timeout=timeout)
        return filled

    async def delete(self, id: str, *, command_id: str | None = None, timeout: float = 30.0) -> None:
        """End a schedule. What it has started goes on, what waits is dropped. Its history is kept for 30 days.

        Raises:
            AlreadyFinished: it was.
        """
        await self._call(id, "delete", command_id=command_id, timeout=timeout)

    async def _call(self, id: str, command: str, *args: Any, command_id: str | None, timeout: float) -> Any:
        return await self._client.call(ScheduleWorkflow, id, command, *args, command_id=command_id, timeout=timeout)

    def _input(
        self, schedule: Schedule, workflow: Address, args: tuple[Any, ...], kwargs: dict[str, Any], input: Any
    ) -> Raw:
        """Encode the arguments, and check them together with a time where it is an argument."""
        argument = schedule.time_argument
        if argument is None or isinstance(workflow, str):
            return self._calls.arguments(workflow, args, kwargs, input)
        if input is None:
            given = self._calls.arguments(workflow.type_name, args, kwargs, None)
            if args:
                raise CommandInvalid(
                    f"{argument} is given the time, so give the other arguments by name", "InvalidInput"
                )
        else:
            given = self._calls.arguments(workflow.type_name, (), {}, input)
        checked = _definition(schedule, workflow.type_name, given)
        self._calls.arguments(workflow, (), {}, checked.input_at(datetime.fromisoformat(_SOME_TIME)))
        return given


def _definition(schedule: Schedule, workflow: str, input: Raw) -> Definition:
    try:
        return Definition(schedule, workflow, input)
    except ValueError as error:
        raise CommandInvalid(str(error), "InvalidSchedule") from error


def _listed(listed: ListedExecution) -> ListedSchedule:
    execution = listed.execution
    told = execution.attributes or {}
    return ListedSchedule(
        listed.stream.partition("/")[2],
        execution.status,
        str(told.get("workflow", "")),
        str(told.get("times", "")),
        str(told.get("time_zone", "")),
        bool(told.get("paused", False)),
        execution.started_at,
    )
