from __future__ import annotations

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

    async def _correct(self, message: Correction, timeout: float) -> bool:
        return decode_corrected(await self._ask(message, timeout)).corrected
