"""What registration makes of the classes that a user wrote: everything that can be known before the first message."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import FunctionType
from typing import Any

from msgspec import Raw

from actors.actor import Actor, Emitter
from actors.codec import decoder
from actors.errors import DefinitionError, InvalidArguments, UnknownName, UnknownType
from actors.fingerprint import fingerprint
from actors.handlers import Handler, handlers, marked
from actors.journal import ACTOR_JOURNAL_TYPES, InstanceDeleted
from actors.names import TYPE_NAME
from actors.purity import check_purity
from actors.signature import Signature, checked_type, type_hints
from actors.snapshot import SnapshotFormat, Snapshots
from actors.task import Task
from actors.upcasting import EventUpcasters, PayloadUpcasters
from actors.workflow import Surroundings, Workflow

MOST_VERSIONS = 2**31 - 1
MOST_TIMEOUT = 100 * 366 * 86_400  # seconds

# A parent that was not told of a child's end asks again within an hour, and must find it.
LEAST_RETENTION = timedelta(hours=2)


class _Definition:
    """What both sorts of actor have: a name, commands and queries."""

    def __init__(self, cls: type[Actor] | type[Workflow]) -> None:
        self.cls = cls
        self.name = cls.type_name
        if TYPE_NAME.fullmatch(self.name) is None:
            raise DefinitionError(f"{self.name!r} can't name an actor type: use letters, digits, _ or -, at most 64")
        self.commands: dict[str, Handler] = handlers(cls, self.name, "command")
        self.queries: dict[str, Handler] = handlers(cls, self.name, "query")
        self.siblings: Mapping[str, ActorType | WorkflowType] = {}  # whom its code may turn to; the app fills it in

    def command(self, name: str) -> Handler:
        """Find a command; raises `UnknownName` that lists the ones there are."""
        return _find(self.commands, name, f"{self.name} has no command")

    def query(self, name: str) -> Handler:
        """Find a query; raises `UnknownName` that lists the ones there are."""
        return _find(self.queries, name, f"{self.name} has no query")


class WorkflowType(_Definition):
    """A registered workflow class."""

    cls: type[Workflow]

    def __init__(self, cls: type[Workflow]) -> None:
        super().__init__(cls)
        run = getattr(cls, "run", None)
        if not inspect.iscoroutinefunction(run):
            raise DefinitionError(f"{self.name}: a workflow needs `async def run(self, …)`")
        if marked(cls, "event"):
            raise DefinitionError(f"{self.name}: @event is for actors; a workflow's state is rebuilt by running it")
        _check_init(cls, self.name)
        validators = marked(cls, "validator")
        check_purity(cls, Workflow, self.name, ("__init__", "run", *self.commands, *validators, *self.queries))
        self.tasks: dict[str, Task[..., Any]] = {}  # what its code may call; the app fills it in
        self.run_signature = Signature(run, f"{self.name}.run", skip_first=True)
        declared = cls.upcasters
        self.upcasters = PayloadUpcasters(self.name, declared, ("run", *self.commands)) if declared else None
        self.version = _version(cls, self.name)
        self.run_timeout = checked_timeout(cls.run_timeout, self.name)
        self.retention = _retention(cls, self.name)
        self.versions: dict[int, WorkflowType] = {self.version: self}  # all that the app has, this one included

    def of_version(self, version: int, stream: str) -> WorkflowType:
        """Find the code that an instance was started with; raises `UnknownType` when the app does not have it."""
        if (kind := self.versions.get(version)) is None:
            known = ", ".join(map(str, sorted(self.versions)))
            raise UnknownType(stream, 1, f"a run of version {version} of {self.name}", f"has version {known} only")
        return kind

    @property
    def newest(self) -> WorkflowType:
        """The newest version that the app has: where new instances start."""
        return self.versions[max(self.versions)]

    def newest_for(self, input: Raw) -> WorkflowType:
        """Find the newest version whose `run` takes these arguments; this one, if none does."""
        for version in sorted(self.versions, reverse=True):
            try:
                self.versions[version].run_signature.decode(input)
            except InvalidArguments:
                continue
            return self.versions[version]
        return self

    def sibling(self, workflow: type[Workflow] | str) -> WorkflowType:
        """Find a workflow of the same app, by its class or name; raises `DefinitionError` when there is none."""
        name = workflow if isinstance(workflow, str) else workflow.type_name
        kind = self.siblings.get(name)
        if not isinstance(kind, WorkflowType) or not (
            kind.name == workflow or any(version.cls is workflow for version in kind.versions.values())
        ):
            raise DefinitionError(f"workflow {name} is not registered: name its class in App(actors=[…])")
        return kind

    def create(self, surroundings: Surroundings) -> Workflow:
        """Make an instance that reaches its execution from `__init__` on."""
        instance = self.cls.__new__(self.cls)
        instance._perdure = surroundings  # noqa: SLF001 - the seam between a user's class and its execution
        instance.__init__()  # type: ignore[misc]  # in two steps, so that __init__ may use self.now()
        return instance


class AbsentType(WorkflowType):
    """Stands for a type that the app does not know; its instances are parked."""

    def __init__(self, name: str, known: str) -> None:
        self.cls, self.name, self.known = Workflow, name, known
        self.commands, self.queries, self.tasks, self.siblings = {}, {}, {}, {}
        self.run_timeout = None
        self.version, self.versions, self.upcasters = 0, {}, None

    def of_version(self, version: int, stream: str) -> WorkflowType:  # noqa: ARG002 - there is none of any version
        """Raise `UnknownType`."""
        raise self.unknown(stream)

    def unknown(self, stream: str) -> UnknownType:
        """Make the error that says so."""
        return UnknownType(stream, 1, f"an event of the type {self.name}", f"knows no such type (known: {self.known})")


class EventHandler:
    """An `@event` method: the event's type, how to read it, and what it does to the state."""

    def __init__(self, owner: str, name: str, function: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(function).parameters)[1:]
        hints = type_hints(function, f"{owner}.{name}")
        if len(parameters) != 1 or not isinstance(event_type := hints.get(parameters[0]), type):
            raise DefinitionError(
                f"{owner}.{name}: an @event method takes one parameter, annotated with the event's class"
            )
        if inspect.iscoroutinefunction(function):
            raise DefinitionError(f"{owner}.{name}: an @event method changes state from what it is given; not async")
        Signature(function, f"{owner}.{name}", skip_first=True)  # refuses a class that JSON can't make
        self.event_type: type = event_type
        self.function = function
        self.decode: Callable[[bytes], Any] = decoder(event_type)
        self.schema = 1  # of new events


class ActorType(_Definition):
    """A registered actor class."""

    cls: type[Actor]

    def __init__(self, cls: type[Actor]) -> None:
        super().__init__(cls)
        for handler in self.commands.values():
            if handler.carry_over:
                raise DefinitionError(f"{self.name}.{handler.name}: carry_over is for workflows, which continue as new")
        self.tasks: dict[str, Task[..., Any]] = {}  # what its async commands may call; the app fills it in
        waiting = [handler.name for handler in self.commands.values() if handler.is_async]
        self.is_async = bool(waiting)  # it has commands that are carried out step by step
        check_purity(cls, Actor, self.name, waiting)
        _check_init(cls, self.name)
        made = [EventHandler(self.name, name, function) for name, function in marked(cls, "event").items()]
        self.events: dict[str, EventHandler] = {handler.event_type.__name__: handler for handler in made}
        if len(self.events) != len(made):
            raise DefinitionError(f"{self.name}: two @event methods take the same event type")
        if InstanceDeleted.__name__ in self.events:
            raise DefinitionError(f"{self.name}: an event is named InstanceDeleted, as the runtime's own is; rename it")
        if self.is_async and (taken := ACTOR_JOURNAL_TYPES.intersection(self.events)):
            raise DefinitionError(
                f"{self.name}: an actor with async commands has the runtime's own events in its stream; "
                f"rename its event {', '.join(sorted(taken))}"
            )
        self.upcasters = EventUpcasters(self.name, cls.upcasters, self.events)
        for name, fold in self.events.items():
            fold.schema = self.upcasters.newest(name)
        self.state_type = _state_type(cls, self.name)
        self.snapshots: Snapshots | None = _snapshots(cls, self.name)
        self.snapshot_format = self._format()

    def _format(self) -> SnapshotFormat:
        objection = None
        try:
            checked_type(self.state_type, f"{self.name}: the state")
        except DefinitionError as error:
            if self.snapshots not in (None, Actor.snapshots):  # asked for, so that they are missed
                raise DefinitionError(f"{error}; or set `snapshots = None`, and the state is always folded") from None
            objection = str(error)
        handlers = sorted(self.events.items())
        folds = [handler.function for _, handler in handlers] + [self.cls.__init__]
        types = [self.state_type, *(handler.event_type for _, handler in handlers)]
        upcasters = [tuple(getattr(one, name) for name in one.__struct_fields__) for one in self.cls.upcasters]
        code = fingerprint(self.cls, [fold for fold in folds if isinstance(fold, FunctionType)], types, upcasters)
        schema = (self.snapshots or Snapshots()).schema
        self.upcasters.check_states(self.name, schema)
        return SnapshotFormat(self.state_type, schema, code, objection, self.upcasters.states)

    def create(self, emitter: Emitter) -> Actor:
        """Make an instance with a fresh state."""
        instance = self.cls.__new__(self.cls)
        instance._perdure = emitter  # noqa: SLF001 - the seam between a user's class and its entity
        instance.state = self.state_type()
        instance.__init__()  # type: ignore[misc]  # in two steps, so that __init__ may look at the state
        return instance


def _retention(cls: type[Workflow], owner: str) -> timedelta | None:
    retention: object = cls.retention
    if retention is not None and (not isinstance(retention, timedelta) or retention < LEAST_RETENTION):
        raise DefinitionError(
            f"{owner}: retention must be a timedelta of at least {LEAST_RETENTION}, or None for ever; it is {retention!r}"
        )
    return cls.retention


def _version(cls: type[Workflow], owner: str) -> int:
    version: object = cls.type_version
    if type(version) is not int or not 1 <= version <= MOST_VERSIONS:
        raise DefinitionError(f"{owner}: version must be a whole number from 1 to {MOST_VERSIONS}, it is {version!r}")
    return version


def checked_timeout(timeout: object, owner: str) -> float | None:
    """Give a run's timeout back if it is one; raises `DefinitionError`."""
    if timeout is None or (isinstance(timeout, int | float) and 0 < timeout <= MOST_TIMEOUT):
        return timeout
    raise DefinitionError(f"{owner}: timeout must be above 0 and at most {MOST_TIMEOUT} seconds, it is {timeout!r}")


def _state_type(cls: type[Actor], owner: str) -> type:
    state_type = type_hints(cls, owner).get("state", Any)
    if not isinstance(state_type, type) or state_type is Any:
        raise DefinitionError(f"{owner}: annotate its state, for example `state: {owner}State`")
    try:
        state_type()
    except TypeError as error:
        raise DefinitionError(f"{owner}: {state_type.__name__}() must work without arguments: {error}") from error
    return state_type


def _snapshots(cls: type[Actor], owner: str) -> Snapshots | None:
    policy: object = cls.snapshots
    if policy is not None and not isinstance(policy, Snapshots):
        raise DefinitionError(f"{owner}: `snapshots` must be Snapshots(…), or None for none; it is {policy!r}")
    return policy


def _check_init(cls: type, owner: str) -> None:
    needed = [
        name
        for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]  # type: ignore[misc]  # read only
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise DefinitionError(f"{owner}.__init__ must work without arguments, it wants {', '.join(needed)}")


def _find(known: dict[str, Handler], name: str, complaint: str) -> Handler:
    if (handler := known.get(name)) is None:
        raise UnknownName(f"{complaint} {name!r}; it has: {', '.join(sorted(known)) or 'none'}")
    return handler
