from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from actors import RunCancelled, RunFailed, RunTerminated, RunTimedOut
from actors.parent import Runs
from runtime.client.answers import decode_created, decode_requested, decode_terminated, result_of
from runtime.client.calls import Address, Correcting, Given, StartOptions
from runtime.client.subject import Subject
from runtime.messages import Inbound, Reply, ReplyWhen, Status

R = TypeVar("R")
_FAILED = {
    Status.FAILED: RunFailed, Status.CANCELLED: RunCancelled, Status.TERMINATED: RunTerminated,
    Status.TIMED_OUT: RunTimedOut,
}  # fmt: skip


class Instances(Subject):
    """The life of an instance: its start, its end and its result, its copies, its deletion."""

    async def start(
        self,
        type: Address,
        id: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float = 30.0,
        input: Any = None,
        search_attributes: Mapping[str, Any] | None = None,
        memo: Any = None,
        run_timeout: float | None = None,
        reuse: str = "attach",
        **kwargs: Any,
    ) -> bool:
        """Start a workflow; comes back when its start is durable.

        The id is the idempotency key: a second start with the same input attaches to the instance that is there.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            args: arguments of `run`; by position only where a class is given.
            command_id: identifies this very request; repeating it says True again.
            correlation_id: names the business flow; kept with every event. Default: the command id, or the stream name without one.
            timeout: seconds to wait for the answer.
            input: all arguments as one JSON-like value, instead of args and kwargs.
            search_attributes: what `list` finds it by: text, numbers, bools and times by name; `run` may set others.
            memo: anything JSON-like, noted in the history for people.
            run_timeout: seconds after which the instance is ended, unless it has ended by then; None: its class's, if it has one.
            reuse: what to do when the id's instance has ended: "attach" to it and its result, "refuse" (`AlreadyFinished`), or
                "restart" it: a new run begins in its stream.
            kwargs: arguments of `run`.

        Returns:
            True when this request created the instance, False when it was there.

        Raises:
            CommandInvalid: unknown type, or arguments that do not fit.
            Conflict: the id was used before with other input.
            AnswerTimeout: no answer in time.
        """
        given = Given(type, id, args, kwargs, input, command_id, correlation_id)
        options = StartOptions(search_attributes, memo, run_timeout, reuse)
        message = self._calls.start(given, options, ReplyWhen.ACCEPTED)
        return decode_created(await self._ask(message, timeout)).created

    @overload
    async def execute(
        self,
        type: builtins.type[Runs[..., R]],
        id: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = None,
        input: Any = None,
        search_attributes: Mapping[str, Any] | None = None,
        memo: Any = None,
        run_timeout: float | None = None,
        reuse: str = "attach",
        **kwargs: Any,
    ) -> R: ...

    @overload
    async def execute(self, type: Address, id: str, *args: Any, **options: Any) -> Any: ...

    async def execute(
        self,
        type: Any,
        id: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = None,
        input: Any = None,
        search_attributes: Mapping[str, Any] | None = None,
        memo: Any = None,
        run_timeout: float | None = None,
        reuse: str = "attach",
        **kwargs: Any,
    ) -> Any:
        """Start a workflow and wait for its result: one message there, one back. Raises like `start` and `result`."""
        given = Given(type, id, args, kwargs, input, command_id, correlation_id)
        options = StartOptions(search_attributes, memo, run_timeout, reuse)
        message = self._calls.start(given, options, ReplyWhen.COMPLETED)
        return self._result(type, message, await self._asker.ask(message, timeout))

    @overload
    async def result(self, type: builtins.type[Runs[..., R]], id: str, *, timeout: float | None = None) -> R: ...

    @overload
    async def result(self, type: Address, id: str, *, timeout: float | None = None) -> Any: ...

    async def result(self, type: Any, id: str, *, timeout: float | None = None) -> Any:
        """Wait for a workflow's result, for ever if need be.

        Raises:
            RunFailed: the run ended with a declared failure; `.type` names it.
            RunCancelled, RunTerminated, RunTimedOut: it ended by that; each is a RunFailed.
            NotFound: there is no such instance.
            AnswerTimeout: no result in time.
        """
        message = self._calls.await_result(type, id)
        return self._result(type, message, await self._asker.ask(message, timeout))

    async def cancel(
        self, type: Address, id: str, reason: str = "", *, by: str = "", command_id: str | None = None,
        timeout: float = 30.0,
    ) -> bool:  # fmt: skip
        """Ask a workflow to cancel: asyncio's cancellation reaches its `run`, whose clean-up may take its time.

        It comes back when the request is durable; `result` tells how the run ended. A run is asked once: further
        requests change nothing. One that does not listen can be terminated. `reason` and `by`, who it is that asks, are kept
        in the history.

        Returns:
            True when it was this request that asked, False when another one had asked before.

        Raises:
            NotFound: there is no such workflow instance.
            AlreadyFinished: the run has ended.
            InstanceStuck: the request is kept until the instance goes on.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.cancel(type, id, Correcting(reason, by, command_id))
        return decode_requested(await self._ask(message, timeout)).requested

    async def terminate(
        self,
        type: Address,
        id: str,
        reason: str = "",
        *,
        tree: bool = False,
        by: str = "",
        command_id: str | None = None,
        timeout: float = 30.0,
    ) -> bool:
        """End a workflow at once, without running its code: no clean-up. Also one that is stuck.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            reason: for people; kept in the history.
            tree: terminate its children and theirs, too, but for those that are to outlive their parents.
            by: who does it; kept in the history.
            command_id: identifies this very request.
            timeout: seconds to wait for the answer.

        Returns:
            True when it was this request that ended it, False when another one had terminated it before.

        Raises:
            NotFound: there is no such workflow instance.
            AlreadyFinished: the run has ended in another way.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.terminate(type, id, Correcting(reason, by, command_id), tree=tree)
        return decode_terminated(await self._ask(message, timeout)).terminated

    async def fork(
        self,
        type: Address,
        source: str,
        id: str,
        *,
        at: int,
        changes: Mapping[int, Any] | None = None,
        timeout: float = 30.0,
    ) -> bool:
        """Make a new instance that begins with another one's events up to a version, and lives on from there.

        The other one is never changed. What it has open at that version (tasks, timers, children, commands) the new one
        opens anew, under its own keys: its tasks run, so their effects in the world happen again.

        Args:
            type: of both: class or type name.
            source: the other one's id.
            id: the new one's id, and the idempotency key: the same fork again changes nothing.
            at: the last version that is copied.
            changes: by version, fields of that event's data with the values that the new one is to have there.
            timeout: seconds to wait for the answer.

        Returns:
            True when this request made it, False when it was there, forked the same way.

        Raises:
            NotFound: there is no such instance to fork.
            CommandInvalid: no such version, or the code can't live on from there, as after a change that makes it go
                another way than the copied events.
            Conflict: the id belongs to another instance.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.fork(type, source, id, at, changes or {})
        return decode_created(await self._ask(message, timeout)).created

    async def delete(self, type: Address, id: str, *, timeout: float = 30.0) -> None:
        """Delete an instance with all of its history: an actor at rest, or a workflow that has ended.

        Commands that it has handled are remembered for a while: one that comes again is not run again. What it has told
        others stands. Its id is free at once: numbers, of which keys are made, count on.

        Raises:
            NotFound: there is none, or not any more.
            Conflict: it still runs, or waits for what it has asked for, or the database left it open what it has written
                of it within the last minute.
            InstanceStuck: what it waits for is not known; a stuck workflow can be terminated first.
            AnswerTimeout: no answer in time; delete it again to learn it.
        """
        await self._ask(self._calls.delete(type, id), timeout)

    def _result(self, type: Address, message: Inbound, reply: Reply) -> Any:
        if (failed := _FAILED.get(reply.status)) is not None and (error := reply.error) is not None:
            raise failed(message.stream, error.type, error.message, error.details_value())
        return self._calls.value(result_of(reply), type, "run", "run")
