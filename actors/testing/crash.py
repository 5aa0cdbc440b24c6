"""The same story with a crash at every place where a node or a worker can die, and with every message twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct

from actors.actor import Actor
from actors.app import App
from actors.codec import builtins
from actors.failures import describe
from actors.testing.difference import difference
from actors.testing.errors import EndsOtherwise, StoryFailed
from actors.testing.faults import NO_FAULTS, Faults
from actors.testing.runner import START, WorkflowTest
from actors.workflow import Workflow

Story = Callable[[WorkflowTest], Any]

MODES: Mapping[str, Faults] = {
    "every activation is dropped after every message": Faults(passivate=True),
    "every activation is dropped after every message, and actors have a snapshot at every event": Faults(
        passivate=True, snapshots=True
    ),
    "every message comes twice": Faults(twice=True),
    "every message comes twice, and every activation is dropped after each": Faults(
        twice=True, passivate=True, snapshots=True
    ),
}


class Ending(Struct):
    """How a story ended: what it gave, what each instance came to, and which tasks were called, with which arguments."""

    result: Any
    instances: dict[str, dict[str, Any]]
    calls: dict[str, Any]  # by key, attempt and task


def crash_everywhere(
    app: App | type[Actor] | type[Workflow] | Sequence[type[Actor] | type[Workflow]],
    story: Story,
    *,
    tasks: Mapping[Any, Any] | None = None,
    real: bool = False,
    at: datetime = START,
    check_json: bool = False,
) -> int:
    """Tell a story without a fault, and then again for each place where something can die; it must always end the same.

        def story(run):
            order = run.start(Order, "1", "ada", 4200)
            order.call("ship", "T-7")
            return order.result()

        crash_everywhere(app, story, tasks={charge: "payment-1", write_to: None})

    The node dies just before and just after each durable step: the activation is dropped, rebuilt from its journal so far,
    and the message comes again. The worker dies after each attempt of a task: that attempt runs again, with the same key.
    Then there are the `MODES`. Compared are what the story returns, the end and the state of every instance, and the
    tasks' keys and arguments.

    Args:
        app: as for `WorkflowTest`; several classes as a list.
        story: uses the run that it is given and nothing that another run has touched. May assert; what it returns is
            compared, so return what the world has come to (a fake bank's bookings, for example).
        tasks: as for `WorkflowTest`; functions that change something must do it once a key, as in the world.
        real: as for `WorkflowTest`.
        at: likewise.
        check_json: likewise.

    Returns:
        How many times the story was told.

    Raises:
        EndsOtherwise: names the fault, the step, and the first difference.
        Whatever the story raises without a fault.
    """
    __tracebackhide__ = True
    given = (app,) if isinstance(app, App | type) else tuple(app)

    def tell(faults: Faults) -> tuple[Ending, WorkflowTest]:
        __tracebackhide__ = True
        run = WorkflowTest(*given, tasks=tasks, real=real, at=at, faults=faults, check_json=check_json)
        try:
            return _ending(story(run), run), run
        finally:
            run.close()

    expected, run = tell(NO_FAULTS)
    if not run.steps:
        raise StoryFailed("the story has no durable step: nothing was started, and no command was sent")
    told = 1
    for when, faults in _all_faults(run.steps, run.attempts):
        _compare(expected, when, partial(tell, faults))
        told += 1
    return told


def _compare(expected: Ending, when: str, tell: Callable[[], tuple[Ending, WorkflowTest]]) -> None:
    """Tell the story with a fault; raises `EndsOtherwise`."""
    __tracebackhide__ = True
    try:
        actual, _ = tell()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # pytest's own failures are no Exception
        raise EndsOtherwise(f"when {when}, the story fails: {describe(error)}") from error
    if (found := _difference(expected, actual)) is not None:
        raise EndsOtherwise(f"when {when}, the story ends otherwise (expected: without a fault)\n  {found}")


def _all_faults(steps: Sequence[str], attempts: Sequence[str]) -> Iterator[tuple[str, Faults]]:
    yield "it is told again without any fault", NO_FAULTS
    for number, step in enumerate(steps, 1):
        yield f"the node dies before step {number} ({step}) is durable", Faults(crash_before=number)
        yield f"the node dies after step {number} ({step}), and its message comes again", Faults(crash_after=number)
    for number, attempt in enumerate(attempts, 1):
        yield f"the worker dies after it ran {attempt}, which runs again", Faults(rerun=number)
    yield from MODES.items()


def _ending(result: Any, run: WorkflowTest) -> Ending:
    instances = {one.stream: {"end": one.end(), "state": _portrait(one.state)} for one in run.instances()}
    calls = {f"{call.key}, attempt {call.attempt}, {call.task}": _portrait(call.args) for call in run.calls()}
    return Ending(result, instances, calls)


def _difference(expected: Ending, actual: Ending) -> str | None:
    return (
        difference(expected.result, actual.result, "what the story returns")
        or difference(expected.instances, actual.instances, "instances")
        or difference(expected.calls, actual.calls, "task calls")
    )


def _portrait(value: Any) -> Any:
    """Give a value as builtin values; what has no such form by its type: `asyncio.Event` has no content to compare."""
    if isinstance(value, dict):
        return {str(name): _portrait(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portrait(item) for item in value]
    try:
        return builtins(value)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
