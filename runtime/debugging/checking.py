"""Whether the code that is here replays histories that were recorded: each one, and the first difference of those that do not."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from actors import App
from actors.errors import Bug, InvalidInput, Nondeterminism, PayloadRefused, UnknownType, UpcastFailed
from actors.failures import describe, error_info
from actors.names import split_stream
from runtime.cli import journal
from runtime.debugging.instance import Instance
from runtime.debugging.replaying import Replayer


class Verdict(StrEnum):
    """What became of one history."""

    REPLAYS = "replays"
    DIFFERS = "differs"  # the code does something else than what is recorded
    RAISES = "raises"  # the code raised something undeclared
    UNKNOWN = "unknown"  # it could not be checked: a damaged file, or no such type in the app


class Finding(Struct, frozen=True, omit_defaults=True):
    """A history's verdict. With `differs` and `raises`: at which version, what was recorded there, what the code wants."""

    name: str
    verdict: Verdict
    events: int = 0
    version: int | None = None
    recorded: str | None = None
    wanted: str | None = None
    trace: str | None = None

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        match self.verdict:
            case Verdict.REPLAYS:
                return f"{self.events} events"
            case Verdict.DIFFERS:
                return f"at version {self.version} the journal has {self.recorded}, but the code now {self.wanted}"
            case Verdict.RAISES:
                return f"at version {self.version}, {self.recorded}, the code raises {self.wanted}"
            case Verdict.UNKNOWN:
                return self.wanted or ""


def check(app: App, instance: Instance) -> Finding:
    """Replay one history with the app's code."""
    try:
        kind = app.type(split_stream(instance.stream)[0])
    except InvalidInput as error:
        return unknown(instance.name, error)
    replayer = Replayer(kind, instance.stream, instance.events)
    try:
        replayer.finish()
        return _finding(instance, replayer.version, replayer.trouble)
    finally:
        replayer.dispose()


def unknown(name: str, error: Exception) -> Finding:
    """Say that a history could not be checked."""
    return Finding(name, Verdict.UNKNOWN, wanted=str(error))


def _finding(instance: Instance, reached: int, trouble: Nondeterminism | Bug | None) -> Finding:
    name, newest = instance.name, instance.newest
    if trouble is None:
        return Finding(name, Verdict.REPLAYS, newest)
    if isinstance(trouble, UnknownType):
        return unknown(name, trouble)
    if isinstance(trouble, Nondeterminism):
        return Finding(name, Verdict.DIFFERS, newest, trouble.version, trouble.recorded, trouble.wanted)
    cause = trouble.__cause__ or trouble
    version = min(reached + 1, newest)
    titles = journal.Titles()
    recorded = [titles.of(event) for event in instance.events[:version]][-1]
    return Finding(name, Verdict.RAISES, newest, version, recorded, describe(cause), _place(cause))


def _place(cause: BaseException) -> str | None:
    """Where in the user's code it was raised; None where it is the history that does not fit."""
    if isinstance(cause, UpcastFailed):
        cause = cause.__cause__ or cause
    return None if isinstance(cause, PayloadRefused) else error_info(cause).trace
