from __future__ import annotations

from typing import Any

from msgspec import UNSET

from actors import Failure
from actors.failures import error_info
from actors.journal import ErrorInfo
from runtime.client.answers import decode_corrected
from runtime.client.calls import Address, Correcting
from runtime.client.subject import Subject
from runtime.messages import Correction


class Corrections(Subject):
    """Putting workflows right by hand. Each correction is an event of the instance's history: who did it, why, and what.

    `client.corrections.pause("Order", "1", "the bank is down", by="ann")`. In all of them:

    Args:
        type: workflow class or type name.
        id: the instance's id.
        reason: for people; kept in the history.
        by: who does it; kept in the history.
        command_id: identifies this very request: repeating it does nothing again, and gives the first answer.
        timeout: seconds to wait for the answer.

    Raises:
        NotFound: there is no such workflow instance.
        CommandInvalid: it is an actor, or can't be corrected in this way; the message says why.
        Conflict: the command id was used for another correction.
        AnswerTimeout: no answer in time; ask again with the same command id.
    """

    async def pause(
        self, type: Address, id: str, reason: str = "", *, by: str = "", command_id: str | None = None,
        timeout: float = 30.0,
    ) -> bool:  # fmt: skip
        """Hold a workflow: what comes to it is recorded, and its code hears of it when it is resumed.

        Tasks and children that are under way go on, and their outcomes are kept; timers fire, commands are accepted, queries are
        answered from the state of that moment. Its timeout and a termination still end it. A stuck one is not tried again.

        Returns:
            True when this request did it, False when it was paused before.

        Raises:
            AlreadyFinished: the run has ended.
        """
        return await self._correct(self._calls.pause(type, id, Correcting(reason, by, command_id)), timeout)

    async def resume(
        self, type: Address, id: str, reason: str = "", *, by: str = "", command_id: str | None = None,
        timeout: float = 30.0,
    ) -> bool:  # fmt: skip
        """Let a paused workflow go on. Its code hears of what came meanwhile, in order, and as if it had come now.

        Returns:
            True when this request did it, False when it was not paused.

        Raises:
            AlreadyFinished: the run has ended.
            InstanceStuck: it is not paused, but stuck.
        """
        return await self._correct(self._calls.resume(type, id, Correcting(reason, by, command_id)), timeout)

    async def retry(
        self, type: Address, id: str, reason: str = "", *, by: str = "", command_id: str | None = None,
        timeout: float = 30.0,
    ) -> bool:  # fmt: skip
        """Have a failed workflow go on from its failed step: a task out of attempts, or a child, whose failure ended the run.

        The step is open again under the same number, its idempotency key, with all of its attempts before it; so is everything else
        that was open. Timers, and its timeout, are as much later as the run had ended. Who was told of the failure was told. A child
        gives the same failure again, unless it was retried before. A stuck instance is tried at once, and not after its pause.

        Returns:
            True when this request did it, False when it runs.

        Raises:
            CommandInvalid: it is paused, or can't go on there: no step made it fail, or its code went on after that.
            AlreadyFinished: it has ended, and not by a failure.
            InstanceStuck: it is still stuck.
        """
        return await self._correct(self._calls.retry(type, id, Correcting(reason, by, command_id)), timeout)

    async def restart(
        self, type: Address, id: str, reason: str = "", *, input: Any = None, by: str = "", command_id: str | None = None,
        timeout: float = 30.0,
    ) -> None:  # fmt: skip
        """Have a workflow that has ended begin again from its start, in its own stream and with the newest code.

        It gets what its last start recorded: arguments, memo, first search attributes, and the timeout that it gave; not what a
        run handed on by `continue_as_new`. It stays in its business flow. What came to its former runs is over, answers included.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            reason: for people; kept in the history.
            input: other arguments for `run`, in one value, as of `start`.
            by: who does it.
            command_id: identifies this very request.
            timeout: seconds to wait for the answer.

        Raises:
            CommandInvalid: it has not ended, or is a child, or the arguments do not fit today's code. Nothing was stored.
            InstanceStuck: nobody there knows its type.
        """
        await self._correct(self._calls.restart(type, id, input, Correcting(reason, by, command_id)), timeout)

    async def skip(
        self, type: Address, id: str, step: int, *, result: Any = UNSET, fail: str | None = None, error: str = "Rejected",
        details: Any = None, reason: str = "", by: str = "", command_id: str | None = None, timeout: float = 30.0,
    ) -> None:  # fmt: skip
        """Settle by hand what a workflow waits for, also one that is stuck or paused. What comes of it later counts no more.

        A worker is told that nobody waits for the task any more. A child is left alone, and a command to another actor is
        delivered all the same: only its outcome is not waited for.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            step: its number, as in `perdure show`: #7 is 7.
            result: what it gives; None is a result. A timer has none.
            fail: why it fails, in place of a result: what the code sees as the failure's message.
            error: the failure's type.
            details: what the failure carries for programs.
            reason: as in all corrections, and so are the others.
            by: who does it.
            command_id: identifies this very request.
            timeout: seconds to wait for the answer.

        Raises:
            CommandInvalid: no such step is open, or the result does not fit what it should give. Nothing was stored.
            AlreadyFinished: the run has ended.
            InstanceStuck: its code is not there, so nobody can judge what fits.
        """
        failure = None
        if fail is not None:
            info = error_info(Failure(fail, details))
            failure = ErrorInfo(error, info.message, info.details)
        message = self._calls.skip(type, id, step, result, failure, Correcting(reason, by, command_id))
        await self._correct(message, timeout)

    async def _correct(self, message: Correction, timeout: float) -> bool:
        return decode_corrected(await self._ask(message, timeout)).corrected
