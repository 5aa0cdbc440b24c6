"""`perdure schedule`: make, show, change and end schedules, and look at the times that one would have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.connecting import Servers
from runtime.cli.due import moment, seconds
from runtime.cli.errors import WrongInput
from runtime.cli.input import read_input
from runtime.cli.instances import with_client
from runtime.cli.options import CommandId, InputOption, Json, Timeout
from runtime.cli.output import console, json_text, local_time, plain, print_json, print_table

if TYPE_CHECKING:
    from runtime.client import Client
    from runtime.schedules import Described, Overlap, Schedule

Id = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")]
Workflow = Annotated[str, typer.Argument(metavar="TYPE", help="The workflow to start.")]
Cron = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LINE", help="A cron line, such as '0 2 * * MON-FRI'; six fields begin with the second. Repeatable."
    ),
]
Every = Annotated[str | None, typer.Option(metavar="TIME", help="An interval, such as 90s, 5m or 1h30m.")]
Offset = Annotated[str | None, typer.Option(metavar="TIME", help="How much later the interval's times are.")]
Zone = Annotated[
    str | None, typer.Option(metavar="NAME", help="The cron lines' time zone, such as Europe/Berlin; default: UTC.")
]
StartAt = Annotated[str | None, typer.Option(metavar="TIME", help="No time before it, such as 2027-01-01T00:00Z.")]
EndAt = Annotated[str | None, typer.Option(metavar="TIME", help="No time after it.")]
Limit = Annotated[int | None, typer.Option(metavar="N", help="No more starts than that at its own times.")]
Jitter = Annotated[str | None, typer.Option(metavar="TIME", help="Start up to so much later, to spread load.")]
CatchUp = Annotated[
    str | None, typer.Option(metavar="TIME", help="How old a missed time may be to be made up for; default: 1d.")
]
OverlapOption = Annotated[
    str | None,
    typer.Option(
        metavar="POLICY",
        help="When the one before still runs: skip, buffer_one, buffer_all, cancel_other, terminate_other or allow_all.",
    ),
]
TimeArgument = Annotated[
    str | None, typer.Option(metavar="NAME", help="The parameter of `run` that is given the time.")
]
Note = Annotated[str, typer.Option(help="Why, for people; `show` prints it.")]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Start workflows at times.", rich_markup_mode=None, no_args_is_help=True)
    group.command("list")(list_)
    group.command("next")(next_)
    for command in (create, show, pause, unpause, trigger, backfill, update, delete):
        group.command()(command)
    application.add_typer(group, name="schedule")


def create(
    id: Id,
    workflow: Workflow,
    cron: Cron = None,
    every: Every = None,
    offset: Offset = None,
    time_zone: Zone = None,
    start_at: StartAt = None,
    end_at: EndAt = None,
    limit: Limit = None,
    jitter: Jitter = None,
    catch_up: CatchUp = None,
    overlap: OverlapOption = None,
    time_argument: TimeArgument = None,
    input: InputOption = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Make a schedule. Made again just the same, nothing changes."""
    schedule = _schedule(
        {}, cron, every, offset, time_zone, start_at, end_at, limit, jitter, catch_up, overlap, time_argument
    )
    arguments = read_input(input)

    async def work(client: Client) -> tuple[bool, Described]:
        made = await client.schedules.create(
            id, schedule, workflow, input=arguments, command_id=command_id, timeout=timeout
        )
        return made, await client.schedules.describe(id, timeout=timeout)

    made, described = with_client(servers, work)
    if json:
        print_json({"id": id, "created": made, **_shown(described)})
        return
    console().print(f"made schedule {id}" if made else f"schedule {id} was made before, just the same")
    _print_next(described)


def list_(json: Json = False, servers: Servers = Servers()) -> None:
    """List the schedules that have not ended."""
    from rich.table import Table

    async def work(client: Client) -> Any:
        return await client.schedules.list()

    found = with_client(servers, work)
    if json:
        for listed in found:
            print_json(plain(listed))
        return
    if not found:
        console().print("no schedules")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("schedule", "starts", "times", "zone", "status"):
        table.add_column(column, no_wrap=column != "times", overflow="fold")
    for listed in found:
        status = "paused" if listed.paused and listed.status == "running" else listed.status
        table.add_row(listed.id, listed.workflow, listed.times, listed.time_zone, status)
    print_table(table)


def show(
    id: Id,
    count: Annotated[int, typer.Option("--next", min=0, max=100, help="How many of the next times.")] = 5,
    timeout: Timeout = 30.0,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Show a schedule, its last starts and its next times. Also what runs and waits, and its counts."""

    async def work(client: Client) -> Described:
        return await client.schedules.describe(id, next=count, timeout=timeout)

    described = with_client(servers, work)
    if json:
        print_json(_shown(described))
        return
    for name, value in _lines(described).items():
        console().print(f"{name}: {value}")
    for running in described.running:
        console().print(f"runs: {running.type}/{running.id} since {local_time(running.started_at)}")
    for recent in described.recent:
        error = "" if recent.error is None else f" ({recent.error})"
        console().print(f"was: {recent.id} {recent.outcome} {local_time(recent.ended_at)}{error}")
    _print_next(described)


def next_(
    cron: Cron = None,
    every: Every = None,
    offset: Offset = None,
    time_zone: Zone = None,
    start_at: StartAt = None,
    end_at: EndAt = None,
    after: Annotated[str | None, typer.Option(metavar="TIME", help="The times after it; default: now.")] = None,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 5,
    json: Json = False,
) -> None:
    """Print the times that a schedule would have. Nothing is made, and no server is needed."""
    from runtime.schedules import next_times
    from runtime.schedules.schedule import FIRST_YEAR, LAST_YEAR

    schedule = _schedule({}, cron, every, offset, time_zone, start_at, end_at, None, None, None, None, None)
    begin = datetime.now(UTC) if after is None else moment("--after", after)
    if not FIRST_YEAR <= begin.year <= LAST_YEAR:
        raise WrongInput(f"--after is in the years {FIRST_YEAR} to {LAST_YEAR}, not {after}")
    found = next_times(schedule, begin, count)
    if json:
        print_json([each.isoformat() for each in found])
        return
    for each in found:
        console().print(_in_zone(each, schedule))
    if not found:
        console().print("no times")


def pause(
    id: Id,
    note: Note = "",
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    servers: Servers = Servers(),
) -> None:
    """Let a schedule start nothing at its times. Those that pass are not made up for."""

    async def work(client: Client) -> None:
        await client.schedules.pause(id, note, command_id=command_id, timeout=timeout)

    with_client(servers, work)
    console().print(f"paused {id}")


def unpause(
    id: Id,
    note: Note = "",
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    servers: Servers = Servers(),
) -> None:
    """Let a paused schedule go on with its next time."""

    async def work(client: Client) -> None:
        await client.schedules.unpause(id, note, command_id=command_id, timeout=timeout)

    with_client(servers, work)
    console().print(f"unpaused {id}")


def trigger(
    id: Id,
    overlap: OverlapOption = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Start one now, also while the schedule is paused."""
    policy = _overlap(overlap)

    async def work(client: Client) -> str | None:
        return await client.schedules.trigger(id, policy, command_id=command_id, timeout=timeout)

    started = with_client(servers, work)
    if json:
        print_json({"started": started})
    else:
        console().print(f"starts {started}" if started else "skipped: the one before still runs")


def backfill(
    id: Id,
    first: Annotated[str, typer.Option("--from", metavar="TIME", help="The first time, inclusive.")],
    last: Annotated[str, typer.Option("--to", metavar="TIME", help="The last time, inclusive.")],
    overlap: OverlapOption = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Start what the times of a span are for, both ends included. One after the other, unless --overlap says otherwise."""
    policy = _overlap(overlap)
    begin, end = moment("--from", first), moment("--to", last)

    async def work(client: Client) -> Any:
        more = {} if policy is None else {"overlap": policy}
        return await client.schedules.backfill(id, begin, end, **more, command_id=command_id, timeout=timeout)

    filled = with_client(servers, work)
    if json:
        print_json(plain(filled))
    else:
        console().print(
            f"{filled.times} times: {filled.started} started, {filled.waiting} waiting, {filled.skipped} skipped"
        )


def update(
    id: Id,
    workflow: Annotated[str | None, typer.Option("--workflow", metavar="TYPE", help="Start another workflow.")] = None,
    cron: Cron = None,
    every: Every = None,
    offset: Offset = None,
    time_zone: Zone = None,
    start_at: StartAt = None,
    end_at: EndAt = None,
    limit: Limit = None,
    jitter: Jitter = None,
    catch_up: CatchUp = None,
    overlap: OverlapOption = None,
    time_argument: TimeArgument = None,
    input: InputOption = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    servers: Servers = Servers(),
) -> None:
    """Change what the options name, and leave the rest. With --cron or --every these are all of its times."""

    async def work(client: Client) -> Described:
        old = await client.schedules.describe(id, next=0, timeout=timeout)
        kept = {name: getattr(old.schedule, name) for name in old.schedule.__struct_fields__}
        if cron or every is not None:
            kept |= {"cron": [], "every": None, "offset": 0.0}
        schedule = _schedule(
            kept, cron, every, offset, time_zone, start_at, end_at, limit, jitter, catch_up, overlap, time_argument
        )
        starts = workflow if workflow is not None or input is None else old.workflow
        more = {} if starts is None else {"input": old.input if input is None else read_input(input)}
        await client.schedules.update(id, schedule, starts, **more, command_id=command_id, timeout=timeout)
        return await client.schedules.describe(id, timeout=timeout)

    described = with_client(servers, work)
    console().print(f"updated {id}")
    _print_next(described)


def delete(
    id: Id,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    servers: Servers = Servers(),
) -> None:
    """End a schedule. What it has started goes on."""

    async def work(client: Client) -> None:
        await client.schedules.delete(id, command_id=command_id, timeout=timeout)

    with_client(servers, work)
    console().print(f"deleted {id}")


def _schedule(
    kept: dict[str, Any],
    cron: list[str] | None,
    every: str | None,
    offset: str | None,
    time_zone: str | None,
    start_at: str | None,
    end_at: str | None,
    limit: int | None,
    jitter: str | None,
    catch_up: str | None,
    overlap: str | None,
    time_argument: str | None,
) -> Schedule:
    from runtime.schedules import Schedule

    given: dict[str, Any] = {
        "cron": cron or None, "time_zone": time_zone, "limit": limit, "time_argument": time_argument, "overlap": _overlap(overlap)
    }  # fmt: skip
    for name, text in (("every", every), ("offset", offset), ("jitter", jitter), ("catch_up", catch_up)):
        given[name] = None if text is None else seconds(f"--{name.replace('_', '-')}", text)
    for name, text in (("start_at", start_at), ("end_at", end_at)):
        given[name] = None if text is None else moment(f"--{name.replace('_', '-')}", text)
    try:
        return Schedule(**{**kept, **{name: value for name, value in given.items() if value is not None}})
    except ValueError as error:
        raise WrongInput(str(error)) from None


def _overlap(text: str | None) -> Overlap | None:
    from runtime.schedules import Overlap

    if text is None:
        return None
    try:
        return Overlap(text)
    except ValueError:
        raise WrongInput(f"--overlap is one of {', '.join(Overlap)}, not {text!r}") from None


def _shown(described: Described) -> dict[str, Any]:
    shown: dict[str, Any] = plain(described)
    return shown


def _lines(described: Described) -> dict[str, str]:
    """Give what a schedule is, a line a thing; what was left out at its making is left out here."""
    schedule = {name: value for name, value in plain(described.schedule).items() if value not in (None, 0, [])}
    counts = " ".join(f"{name}={value}" for name, value in plain(described.counts).items() if name != "taken")
    state = "deleted" if described.deleted else "paused" if described.paused else "running"
    return {
        "schedule": described.id,
        "starts": f"{described.workflow} {json_text(described.input)}",
        "status": f"{state}{f' ({described.note})' if described.note else ''}",
        **{name: value if isinstance(value, str) else json_text(value) for name, value in schedule.items()},
        "counts": f"{counts} waiting={len(described.waiting)}",
    }


def _print_next(described: Described) -> None:
    for each in described.next:
        console().print(f"next: {_in_zone(each, described.schedule)}")
    if described.warning is not None:
        console(stderr=True).print(f"perdure: {described.warning}")


def _in_zone(at: datetime, schedule: Schedule) -> str:
    from zoneinfo import ZoneInfo

    local = at.astimezone(ZoneInfo(schedule.time_zone)).isoformat(sep=" ")
    return local if schedule.time_zone == "UTC" else f"{local} {schedule.time_zone}"
