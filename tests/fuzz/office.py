"""The app that is fuzzed: arguments of every kind, tasks, timers, commands that wait."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from actors import Actor, App, Rejected, Retry, Workflow, command, event, query, task
from actors.journal import Caller, ErrorInfo
from runtime.messages import (
    Ask,
    AwaitResult,
    Cancel,
    CancelCommand,
    ChildOutcome,
    CommandOutcome,
    Fork,
    Inbound,
    Pause,
    Reply,
    ReplyWhen,
    Resolve,
    Restart,
    Resume,
    Send,
    Skip,
    Start,
    Status,
    TaskMessage,
    TaskOutcome,
    TaskWanted,
    Terminate,
    encode_message,
)
from runtime.messages import Retry as RetryRun

ACTORS = ["a", "b", "c", "d"]  # ids; between them they live in both partitions
RUNS = ["r", "s", "t", "u"]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Line(Struct):
    sku: str
    count: int
    price: Decimal = Decimal(1)
    notes: list[str | None] = []


class Cash(Struct, tag="cash"):
    amount: Decimal


class Card(Struct, tag="card"):
    number: str
    until: date


class Sheet(Struct):
    line: Line
    paid: Cash | Card | None = None
    colour: Colour = Colour.RED
    at: datetime | None = None
    patience: timedelta | None = None
    token: UUID | None = None
    scan: bytes = b""
    more: dict[str, Any] = {}


class Filed(Struct):
    sheet: Sheet


class Cabinet(Struct):
    sheets: int = 0


class Clerk(Actor):
    state: Cabinet

    @command
    def file(self, sheet: Sheet, tags: set[Any] = set(), extra: Any = None) -> int:  # noqa: B006  never changed
        if sheet.line.count < 0:
            raise Rejected("a negative count", {"left": sheet.line.count})
        if sheet.line.count == 13:
            raise ValueError("unlucky")
        self.emit(Filed(sheet))
        return self.state.sheets

    @event
    def filed(self, e: Filed) -> None:
        self.state.sheets += 1

    @query
    def sheets(self, about: Any = None) -> int:
        return self.state.sheets


@task(retry=Retry(max_attempts=3))
async def stamp(number: int, sheet: Sheet | None = None) -> Line:
    return Line("stamped", number)


class Errand(Workflow):
    async def run(self, number: int, sheet: Sheet | None = None) -> int:
        self.steps: list[int] = []
        line = await stamp(number, sheet)
        await self.until(lambda: len(self.steps) >= 3)
        return line.count + sum(self.steps)

    @command
    async def step(self, by: int, wait: bool = False) -> int:
        if wait:
            await self.until(lambda: len(self.steps) > 1)
        self.steps.append(by)
        return sum(self.steps)

    @query
    def walked(self) -> list[int]:
        return getattr(self, "steps", [])


def office() -> App:
    """Make the app."""
    return App(actors=[Errand, Clerk], tasks=[stamp])


SHEET = msgspec.json.encode(
    {
        "line": {"sku": "x", "count": 2, "price": "1.50", "notes": ["n", None]},
        "paid": {"type": "card", "number": "1", "until": "2030-01-31"},
        "colour": "blue",
        "at": "2026-03-01T09:30:00+01:00",
        "patience": "PT5S",
        "token": "5bf0c1a8-7a0c-4d1e-9c6e-6a1d3c6b2f10",
        "scan": "aGVsbG8=",
        "more": {"k": [1, 2.5, {"deep": None}]},
    }
)
FILE = msgspec.Raw(b'{"sheet":' + SHEET + b',"tags":[1,"x"],"extra":{"any":1}}')
RUN = msgspec.Raw(b'{"number":7,"sheet":' + SHEET + b"}")
ERROR = ErrorInfo("Rejected", "no", msgspec.Raw(b'{"left":1}'), "line 1")


def inbound() -> list[Inbound]:
    """Give valid messages of each kind."""
    messages: list[Inbound] = []
    for id in ACTORS:
        messages += [
            Send(type="Clerk", id=id, name="file", command_id="f", input=FILE, correlation_id="flow"),
            Send(type="Clerk", id=id, name="file", command_id="held", input=FILE),
            Send(
                type="Clerk",
                id=id,
                name="file",
                command_id="later",
                input=FILE,
                due_at=datetime(2026, 3, 1, tzinfo=UTC),
            ),
            Ask(type="Clerk", id=id, name="sheets", input=msgspec.Raw(b'{"about":[1]}')),
        ]
    for version in (1, 2):
        changed = {1: msgspec.Raw(b'{"input":' + bytes(RUN) + b"}")} if version == 1 else {}
        messages += [
            Fork(type="Errand", id=f"forked-{version}", source=RUNS[0], version=version, changes=changed),
            Fork(type="Clerk", id=f"forked-{version}", source=ACTORS[0], version=version),
        ]
    for id in [*RUNS, "new", "newer"]:
        messages += [
            Start(type="Errand", id=id, input=RUN, command_id="go", correlation_id="flow"),
            Start(type="Errand", id=id, input=RUN, reply_when=ReplyWhen.COMPLETED),
            Send(type="Errand", id=id, name="step", command_id="s", input=msgspec.Raw(b'{"by":1,"wait":true}')),
            Send(type="Errand", id=id, name="step", command_id="held", input=msgspec.Raw(b"[0]")),
            Send(type="Errand", id=id, name="step", command_id="both", input=msgspec.Raw(b"[0]"), start=RUN),
            Resolve(type="Errand", id=id, name="paper", command_id="p", result=msgspec.Raw(b"[1]")),
            Resolve(type="Errand", id=id, name="paper", command_id="q", error=ERROR),
            Pause(type="Errand", id=id, command_id="hold", reason="why", by="me"),
            Skip(type="Errand", id=id, command_id="skip", step=1, result=msgspec.Raw(b'{"sku":"x","count":1}')),
            Skip(type="Errand", id=id, command_id="skip", step=2, error=ERROR),
            Resume(type="Errand", id=id, command_id="go on"),
            RetryRun(type="Errand", id=id, command_id="again"),
            Restart(type="Errand", id=id, command_id="anew", input=RUN),
            Ask(type="Errand", id=id, name="walked"),
            AwaitResult(type="Errand", id=id),
            TaskWanted(type="Errand", id=id, task=1, partition=0),
            Cancel(type="Errand", id=id, command_id="stop", reason="no more"),
            CancelCommand(type="Errand", id=id, command_id="later"),
            Terminate(type="Errand", id=id, command_id="end", reason="at once", tree=True),
            TaskOutcome(type="Errand", id=id, task=1, attempt=1, result=msgspec.Raw(b'{"sku":"x","count":1}')),
            TaskOutcome(type="Errand", id=id, task=1, attempt=1, error=ERROR),
            TaskOutcome(type="Errand", id=id, task=9, attempt=4, error=ERROR, retryable=False),
            ChildOutcome(type="Errand", id=id, number=1, child="Errand/c", result=msgspec.Raw(b"[1]")),
            ChildOutcome(type="Errand", id=id, number=1, child="Errand/c", error=ERROR),
            CommandOutcome(type="Errand", id=id, number=1, actor="Clerk/a", result=msgspec.Raw(b"[1]")),
            CommandOutcome(type="Errand", id=id, number=1, actor="Clerk/a", told=True),
            Start(type="Errand", id=id, input=RUN, command_id="Errand/p#1", caller=Caller("Errand/p", 1)),
        ]
    return messages


def bodies() -> list[bytes]:
    """Give valid messages as JSON, one with every field."""
    full = {"op": "command", "type": "Clerk", "id": "a", "name": "file", "command_id": "full", "correlation_id": "c"}
    sent = msgspec.json.encode(full | {"sent_at": "2026-03-01T12:00:00Z", "input": FILE, "unknown": {"field": [1]}})
    return [sent, *map(encode_message, inbound())]


def tasks() -> list[bytes]:
    """Give valid task messages."""
    fields: dict[str, Any] = {"stream": "Errand/r", "partition": 0, "task": 1, "attempt": 1, "name": "stamp"}
    return [
        encode_message(TaskMessage(**fields, input=RUN)),
        encode_message(TaskMessage(**fields, input=RUN, correlation_id="c")),
    ]


def replies() -> list[bytes]:
    """Give valid replies of each status."""
    ok = [
        Reply(Status.OK, RUN),
        Reply(Status.OK, msgspec.Raw(b'{"created":true}')),
        Reply(Status.OK, msgspec.Raw(b"3")),
    ]
    return [encode_message(reply) for reply in [*ok, *(Reply(s, error=ERROR) for s in Status if s is not Status.OK)]]
