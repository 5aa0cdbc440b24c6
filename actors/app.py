"""`App`: everything that a node or a worker should know, registered in one place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from actors.actor import Actor
from actors.definition import AbsentType, ActorType, WorkflowType
from actors.errors import DefinitionError, UnknownName
from actors.task import Task
from actors.workflow import Workflow


class App:
    """The actors, workflows and tasks of one application.

    Args:
        actors: `Actor` and `Workflow` subclasses; of a workflow also several versions.
        tasks: functions decorated with `@task`.

    Raises:
        DefinitionError: one of them can't work; the message names it and says why.
    """

    def __init__(
        self, *, actors: Iterable[type[Actor] | type[Workflow]] = (), tasks: Iterable[Task[..., Any]] = ()
    ) -> None:
        self.types: dict[str, ActorType | WorkflowType] = {}
        self.tasks: dict[str, Task[..., Any]] = {}
        for cls in actors:
            self._add(_definition(cls))
        for function in tasks:
            if not isinstance(function, Task):
                raise DefinitionError(f"{function!r} is not a task; decorate the function with @task")
            if function.name in self.tasks:
                raise DefinitionError(f"two tasks are named {function.name}; give one of them `name=`")
            self.tasks[function.name] = function
        self._built_in: set[str] = set()
        self._introduce()

    def include(self, cls: type[Workflow]) -> None:
        """Add a workflow that the machine brings along, unless it is there already. Messages do not list it among the known.

        Raises:
            DefinitionError: the application has another type of that name.
        """
        if (there := self.types.get(cls.type_name)) is None:
            self._built_in.add(cls.type_name)
            self._add(_definition(cls))
            self._introduce()
        elif there.cls is not cls:
            raise DefinitionError(
                f"{there.cls.__name__} is named {cls.type_name}, which is the name of a type that Perdure has by itself; "
                "give it another `name=`"
            )

    def _introduce(self) -> None:
        """Let each type know the others and the tasks."""
        for kind in self.types.values():
            kind.siblings = self.types
            kind.tasks = self.tasks
            if isinstance(kind, WorkflowType):
                for version in kind.versions.values():
                    version.tasks, version.siblings = self.tasks, self.types

    def _add(self, kind: ActorType | WorkflowType) -> None:
        other = self.types.setdefault(kind.name, kind)
        if other is kind:
            return
        if not isinstance(kind, WorkflowType) or not isinstance(other, WorkflowType) or kind.version in other.versions:
            raise DefinitionError(
                f"two actor types are named {kind.name}; give one of them `name=` in its class line, or `version=` if it "
                "is another version of the same workflow"
            )
        other.versions[kind.version] = kind
        kind.versions = other.versions
        self.types[kind.name] = kind.versions[max(kind.versions)]

    @property
    def task_queues(self) -> frozenset[str]:
        """The queues that the app's tasks are put into; local tasks need none."""
        return frozenset(task.queue for task in self.tasks.values() if not task.local)

    def type(self, name: str) -> ActorType | WorkflowType:
        """Find an actor type, in its newest version; raises `UnknownName` that lists the ones there are."""
        if (kind := self.types.get(name)) is None:
            raise UnknownName(f"no actor type is named {name!r}; known: {self._known}")
        return kind

    def type_or_absent(self, name: str) -> ActorType | WorkflowType:
        """Find an actor type; what stands for it, when there is none."""
        return self.types.get(name) or AbsentType(name, self._known)

    @property
    def _known(self) -> str:
        return ", ".join(sorted(set(self.types) - self._built_in)) or "none"

    def task(self, name: str) -> Task[..., Any]:
        """Find a task; raises `UnknownName` that lists the ones there are."""
        if (task := self.tasks.get(name)) is None:
            raise UnknownName(f"no task is named {name!r}; known: {', '.join(sorted(self.tasks)) or 'none'}")
        return task


def _definition(cls: Any) -> ActorType | WorkflowType:
    if cls is Workflow or cls is Actor:
        raise DefinitionError(f"{cls.__name__} itself can't be registered; pass the classes that you derived from it")
    if isinstance(cls, type) and issubclass(cls, Workflow):
        return WorkflowType(cls)
    if isinstance(cls, type) and issubclass(cls, Actor):
        return ActorType(cls)
    raise DefinitionError(f"{cls!r} is neither an Actor nor a Workflow class")
