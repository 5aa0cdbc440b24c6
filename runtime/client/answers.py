"""What an answer says to a caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from actors.codec import decoder
from actors.journal import ErrorInfo
from runtime.errors import command_error
from runtime.messages import Reply, Status


class Created(msgspec.Struct):
    """What answers a start."""

    created: bool


class Requested(msgspec.Struct):
    """What answers a request for cancellation."""

    requested: bool


class Terminated(msgspec.Struct):
    """What answers a termination."""

    terminated: bool


class Corrected(msgspec.Struct):
    """What answers a correction: whether it was this request that did it, or it was so before."""

    corrected: bool


class CommandCancelled(msgspec.Struct):
    """What answers a request that a delayed command be cancelled."""

    cancelled: bool


class Resolution(msgspec.Struct):
    """What answers who settles a promise: whether that did it, else what did before: `result`, or `error`."""

    resolved: bool
    result: Any = None
    error: ErrorInfo | None = None


decode_resolution: Callable[[Raw], Resolution] = decoder(Resolution)
decode_requested: Callable[[Raw], Requested] = decoder(Requested)
decode_terminated: Callable[[Raw], Terminated] = decoder(Terminated)
decode_corrected: Callable[[Raw], Corrected] = decoder(Corrected)
decode_command_cancelled: Callable[[Raw], CommandCancelled] = decoder(CommandCancelled)
decode_created: Callable[[Raw], Created] = decoder(Created)


def result_of(reply: Reply) -> Raw:
    """Give the result that an answer carries, or raise the error that it tells of, a `CommandError`."""
    if reply.error is not None:
        raise command_error(reply.status, reply.error)
    if reply.status is not Status.OK:
        raise command_error(reply.status, ErrorInfo("", "the answer tells no reason"))
    return reply.result if isinstance(reply.result, Raw) else Raw(b"null")
