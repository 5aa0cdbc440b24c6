"""`WorkflowTest`: workflows, actors and their tasks in one test, with no servers and a clock that jumps."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.actor import Actor
from actors.app import App
from actors.errors import DefinitionError
from actors.task import Task
from actors.testing.errors import NothingHappens
from actors.testing.faults import NO_FAULTS, Faults
from actors.testing.hosted import Hosted
from actors.testing.instance import Instance
from actors.testing.json_check import JsonCheck
from actors.testing.mocks import Call, Mocks
from actors.testing.world import World
from actors.workflow import Workflow

START = datetime(2026, 1, 1, tzinfo=UTC)


class WorkflowTest:
    """Runs an app in a test. What comes about at once, comes about at once; time passes only while the test waits for
    something (`result`, `call`, `until`) or says so (`advance`), and then a month takes no time.

        run = WorkflowTest(app, tasks={charge: "payment-1", write_to: None})
        order = run.start(Order, "1", customer="ada", cents=4200)
        order.call("ship", "T-7")
        assert order.result() == "payment-1"
        assert [call.args["text"] for call in run.calls(write_to)] == ["thank you", "shipped as T-7"]

    A mistake in the code of a workflow or an actor fails the test where it shows, with its own traceback.
    """

    def __init__(
        self,
        *app: App | type[Actor] | type[Workflow],
        tasks: Mapping[Any, Any] | None = None,
        real: bool = False,
        at: datetime = START,
        faults: Faults = NO_FAULTS,
        check_json: bool = False,
    ) -> None:
        """Begin.

        Args:
            app: one `App`; or the classes that the test needs (then the tasks are those that `tasks` names).
            tasks: what each task (or its name) does: a result; an exception to raise; a function to call with the task's arguments
                (async or not; its sleeps take virtual time); several of these `in_turn`; `must_not_run`; or the task
                itself, to run its own function.
            real: whether tasks that are not named there run their own functions. If not, calling one fails the test.
            at: the time at which it begins; aware.
            faults: what goes wrong on purpose; see `crash_everywhere`, which tries all of it.
            check_json: whether every argument, result, event and state must come back from JSON as it is; a value that
                does not raises `NotPreserved`.

        Raises:
            DefinitionError: a class or a task can't work.
        """
        if at.tzinfo is None:
            raise DefinitionError(f"at={at!r} has no time zone; give an aware datetime")
        given = dict(tasks or {})
        made = _app(app, given)
        self._world = World(made, Mocks(given, real=real), at, faults, JsonCheck(made) if check_json else None)
        # Coroutines that are left to the garbage collector would run their clean-up outside of the test.
        self._dispose = weakref.finalize(self, _dispose, self._world.instances)
        self._dispose.atexit = False
        self._commands = 0

    def start(
        self,
        workflow: type[Workflow] | str,
        id: str,
        /,
        *args: Any,
        command_id: str | None = None,
        search_attributes: Mapping[str, Any] | None = None,
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> Instance:
        """Start a workflow, or find the one that was started so before. The options are a client's.

        Raises:
            UnknownName, InvalidArguments, InvalidId: as a client would.
            CommandRefused: the id was used with other arguments.
            InstanceStuck: a mistake in its code.
        """
        __tracebackhide__ = True
        instance = self.get(workflow, id)
        instance.start(
            *args, command_id=command_id, search_attributes=search_attributes, run_timeout=run_timeout, **kwargs
        )
        return instance

    def get(self, type: type[Actor] | type[Workflow] | str, id: str, /) -> Instance:
        """Give an instance to talk to: an actor, or a workflow that was started before, such as a child."""
        return Instance(self._world, type, id, self._next_command_id)

    @property
    def now(self) -> datetime:
        """The virtual time, in UTC."""
        return self._world.moment

    def advance(self, seconds: float = 0.0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let this much time pass, and happen what happens in it."""
        __tracebackhide__ = True
        passed = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days).total_seconds()
        self._world.run_to(self._world.now + passed)

    def until(self, condition: Callable[[], Any]) -> None:
        """Let time pass until a condition holds.

        Raises:
            NothingHappens: nothing is left to happen, and it does not hold.
        """
        __tracebackhide__ = True
        if not self._world.run_until(lambda: bool(condition())):
            raise NothingHappens(f"the condition does not hold, and nothing is left to happen\n{self.waiting()}")

    def settle(self) -> None:
        """Let time pass until nothing is left to happen.

        Raises:
            NoEnd: something goes on for ever; use `advance` or `until`.
        """
        __tracebackhide__ = True
        self._world.run_until(lambda: False)

    def task(self, task: Task[..., Any] | str, does: Any) -> None:
        """Say what a task does from now on; see `tasks` of the class."""
        self._world.mocks.set(task, does)

    def calls(self, task: Task[..., Any] | str | None = None) -> list[Call]:
        """Give the attempts of a task, or of all of them, that ran so far, in order."""
        name = task.name if isinstance(task, Task) else task
        return [call for call in self._world.mocks.calls if name is None or call.task == name]

    @property
    def logs(self) -> list[str]:
        """What the workflows logged: `Order/1 info shipped tracking='T-7'`."""
        return [
            " ".join([stream, line.level, line.event, *(f"{name}={value!r}" for name, value in line.fields.items())])
            for stream, line in self._world.logs
        ]

    @property
    def put_aside(self) -> list[str]:
        """The commands that were told, or sent for later, and could not be taken, in words: on a node people see to them."""
        return list(self._world.put_aside)

    @property
    def steps(self) -> list[str]:
        """The durable steps so far, in words: where a node could have died."""
        return list(self._world.steps)

    @property
    def attempts(self) -> list[str]:
        """The attempts of tasks so far, in words: where a worker could have died."""
        return list(self._world.attempts)

    def instances(self) -> Iterator[Instance]:
        """Give every instance that anything happened to."""
        for stream in list(self._world.instances):
            type_, _, id_ = stream.partition("/")
            yield self.get(type_, id_)

    def waiting(self) -> str:
        """Say what all the workflows that have not ended wait for, a line each."""
        open_ = [instance for instance in self.instances() if instance.status == "running"]
        return "\n".join(f"{instance.stream} waits for {instance.waiting_for()}" for instance in open_)

    def close(self) -> None:
        """Drop everything; happens by itself when the test lets go of it."""
        self._dispose()

    def _next_command_id(self) -> str:
        self._commands += 1
        return f"command-{self._commands}"


def _app(given: tuple[Any, ...], tasks: Mapping[Any, Any]) -> App:
    if len(given) == 1 and isinstance(given[0], App):
        app = given[0]
        for task in tasks:
            app.task(task.name if isinstance(task, Task) else task)
        return app
    return App(actors=given, tasks=[task for task in tasks if isinstance(task, Task)])


def _dispose(instances: dict[str, Hosted]) -> None:
    for hosted in instances.values():
        hosted.drop()
