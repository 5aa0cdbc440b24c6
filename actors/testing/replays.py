"""Golden histories: what really happened, replayed against the code of today."""

from __future__ import annotations

from pathlib import Path

from actors.app import App
from actors.continuation import last_run
from actors.definition import WorkflowType
from actors.errors import Bug, HistoryRefused, Nondeterminism, UnknownName
from actors.failures import describe
from actors.history import SUFFIX, History, read_history
from actors.testing.errors import ReplayDiffers, in_users_code
from actors.testing.watched import WatchedEntity, WatchedExecution


def assert_replays(app: App, path: str | Path) -> None:
    """Replay a history file, or every one in a folder, and assert that the code does what was recorded.

    Files come from `perdure export`, or from `Instance.history()` of a test. Of a workflow the code is run over the
    recorded facts and must decide what it decided then; of an actor each event must be known and be folded.

    Args:
        app: with the types that the histories are of.
        path: a file, or a folder that is searched for `*.jsonl`, folders in it included.

    Raises:
        ReplayDiffers: names the file, the version, what was recorded there and what the code wants now; its cause is
            the error, or the exception that the code raised.
        HistoryRefused: a file is damaged or cut off, or the folder holds none.
        OSError: it can't be read.
    """
    __tracebackhide__ = True
    path = Path(path)
    files = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise HistoryRefused(str(path), None, f"no history is in this folder: expected *{SUFFIX}")
    for file in files:
        with file.open("rb") as lines:
            replay_history(app, read_history(lines, str(file)), str(file))


def replay_history(app: App, history: History, name: str) -> None:
    """Replay one history that was read; raises `ReplayDiffers`. `name` is for its message."""
    __tracebackhide__ = True
    try:
        kind = app.type(history.type)
    except UnknownName as error:
        raise ReplayDiffers(f"{name}: {error}") from None
    if isinstance(kind, WorkflowType):
        _replay_workflow(WatchedExecution(kind, history.stream), history, name)
        return
    entity = WatchedEntity(kind, history.stream)
    try:
        entity.replay(history.events)
    except (Nondeterminism, Bug) as error:
        cause = in_users_code(error.__cause__ or error)
        raise _differs(name, error, cause) from cause
    finally:
        entity.dispose()


def _replay_workflow(execution: WatchedExecution, history: History, name: str) -> None:
    __tracebackhide__ = True
    try:
        run, before = last_run(history.events)  # as a node does: the code of former runs may be gone
        execution.replay(history.events[before:], run)
    except (Nondeterminism, Bug) as error:
        raise _differs(name, error, execution.trouble or error) from execution.trouble or error
    finally:
        execution.dispose()


def _differs(name: str, error: Nondeterminism | Bug, cause: BaseException) -> ReplayDiffers:
    if isinstance(error, Nondeterminism):
        return ReplayDiffers(
            f"{name}: {error.stream} does not replay\n  at version {error.version} the history has: {error.recorded}\n"
            f"  the code now: {error.wanted}"
        )
    return ReplayDiffers(f"{name}: does not replay, the code raised {describe(cause)}\n  {error}")
