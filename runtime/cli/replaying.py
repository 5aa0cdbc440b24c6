"""`perdure replay`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.choosing import Sample, Since, StatusOption, TypeOption, Until, read_subject
from runtime.cli.connecting import Servers, app_reference
from runtime.cli.errors import WrongInput
from runtime.cli.options import AppOption, Json
from runtime.cli.output import console, duration, json_text, local_time, print_json, print_table

if TYPE_CHECKING:
    from runtime.debugging.instance import Instance
    from runtime.debugging.replaying import Replayer, Step


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(replay)


def replay(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TYPE/ID|FILE",
            help="The instance, or a file of `perdure export`. With --check: any number, folders too.",
        ),
    ] = None,
    app: AppOption = None,
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="VERSION", min=1, help="The state at a version, and where the code waits there."),
    ] = None,
    diff: Annotated[
        tuple[int, int] | None,
        typer.Option("--diff", metavar="VERSION VERSION", help="What is different between two versions; 0: the start."),
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Step forwards and backwards at a prompt.")] = False,
    pdb: Annotated[
        bool,
        typer.Option(
            "--pdb", help="Stop in your code: where the event --at is fed; without --at, where replay goes wrong."
        ),
    ] = False,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="MODULE:APP",
            help="Replay many with this application. Status 0: all do; 1: not all; 2: not known.",
        ),
    ] = None,
    type: TypeOption = None,
    status: StatusOption = None,
    since: Since = None,
    until: Until = None,
    sample: Sample = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Run an instance's code over its history; nothing is changed.

    It shows the state after each event, or what the options ask for.

    A file of `perdure export` needs no server. --check replays a set of histories with the code that is here, so that
    a change is known to suit the instances that run: chosen by --type, --status, --since, --until and --sample, or
    files and folders.
    """
    if sum((at is not None and not pdb, diff is not None, step, pdb, check is not None)) > 1:
        raise WrongInput("one of --at, --diff, --step, --pdb and --check at a time; only --pdb takes --at, too")
    if check is not None:
        from runtime.cli.checking import check_histories

        check_histories(servers, check, subjects or [], (type, status, since, until, sample), json=json)
        return
    _refuse_choice({"--type": type, "--status": status, "--since": since, "--until": until, "--sample": sample})
    subject = _only(subjects or [])
    if json and (step or pdb):
        raise WrongInput("--step and --pdb are for people; --json goes with the others")
    instance = read_subject(servers, subject)
    replayer = _replayer(servers, instance, app)
    try:
        _show(replayer, instance, at=at, diff=diff, step=step, pdb=pdb, json=json)
    finally:
        replayer.dispose()


def _refuse_choice(filters: Mapping[str, object]) -> None:
    if given := [name for name, value in filters.items() if value is not None]:
        raise WrongInput(f"{given[0]} chooses histories for --check; without it name one instance")


def _only(subjects: Sequence[str]) -> str:
    if len(subjects) != 1:
        raise WrongInput("name one instance, TYPE/ID, or one file of `perdure export`; --check takes many")
    return subjects[0]


def _replayer(servers: Servers, instance: Instance, app: str | None) -> Replayer:
    from actors.names import split_stream
    from runtime.cli.loading import load_app
    from runtime.debugging.replaying import Replayer

    kind = load_app(app_reference(app, servers)).type(split_stream(instance.stream)[0])
    return Replayer(kind, instance.stream, instance.events)


def _show(
    replayer: Replayer,
    instance: Instance,
    *,
    at: int | None,
    diff: tuple[int, int] | None,
    step: bool,
    pdb: bool,
    json: bool,
) -> None:
    from runtime.debugging.replaying import replay as steps_of

    for version in (at, *(diff or ())):
        if version is not None and not 0 <= version <= instance.newest:
            raise WrongInput(f"{instance.name} has {instance.newest} events; there is no version {version}")
    if step:
        _step_through(replayer)
    elif pdb:
        _break(replayer, instance, at)
    elif diff is not None:
        _print_difference(replayer, instance, *diff, json=json)
    elif at is not None:
        _print_state(replayer, instance, at, json=json)
    else:
        steps = steps_of(replayer.kind, instance.stream, instance.events)
        if json:
            for one in steps:
                print_json(_step(one))
        else:
            _print_steps(instance.name, steps)


# -- every version -------------------------------------------------------------------------------------------


def _step(step: Step) -> dict[str, Any]:
    return {
        "version": step.version,
        "type": step.type,
        "title": step.title,
        "recorded_at": step.recorded_at,
        "state": step.state,
        "waiting_for": step.waiting_for,
    }


def _print_steps(name: str, steps: Iterator[Step]) -> None:
    from rich.table import Table
    from rich.text import Text

    from actors.errors import Bug, Nondeterminism

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("version", justify="right")
    table.add_column("after", justify="right")
    table.add_column("event", no_wrap=True)
    table.add_column("state", overflow="fold")
    first: Step | None = None
    trouble: Exception | None = None
    try:
        for step in steps:
            first = first or step
            after = (step.recorded_at - first.recorded_at).total_seconds()
            changed = ", ".join(f"{name} = {json_text(value)}" for name, value in step.changed.items())
            table.add_row(
                str(step.version), duration(after), step.title, Text(changed or "·", "" if changed else "dim")
            )
    except (Nondeterminism, Bug) as error:
        trouble = error  # what could be replayed is worth seeing all the same
    print_table(table)
    if trouble is not None:
        raise trouble
    console().print(f"\nreplayed {name} without a difference; the state at one version: --at VERSION")


# -- one version, and two ------------------------------------------------------------------------------------


def _go(replayer: Replayer, version: int) -> None:
    replayer.go(version)
    if replayer.trouble is not None:
        raise replayer.trouble


def _titles(events: Sequence[Any]) -> list[str]:
    from runtime.cli import journal

    titles = journal.Titles()
    return [titles.of(event) for event in events]


def _print_state(replayer: Replayer, instance: Instance, version: int, *, json: bool) -> None:
    from runtime.debugging import showing
    from runtime.debugging.replaying import coroutines

    _go(replayer, version)
    event, title = instance.events[version - 1], _titles(instance.events[:version])[-1]
    stack = coroutines(replayer.stacks)
    if json:
        print_json(
            {
                "version": version,
                "type": event.type,
                "title": title,
                "recorded_at": event.recorded_at,
                "state": replayer.state,
                "waiting_for": replayer.waiting_for,
                "stack": stack,
            }
        )
        return
    out = console()
    out.print(
        f"{instance.name} at version {version} of {instance.newest}, after {title}, {local_time(event.recorded_at)}"
    )
    out.print_json(data=replayer.state, indent=2)
    if waiting := replayer.waiting_for:
        out.print("waits for " + "; ".join(waiting))
    for line in showing.where(stack):
        out.print(line)


def _print_difference(replayer: Replayer, instance: Instance, before: int, after: int, *, json: bool) -> None:
    from runtime.debugging import showing
    from runtime.debugging.difference import differences

    states: dict[int, Any] = {}
    waiting: dict[int, list[str]] = {}
    for version in sorted({before, after}):
        _go(replayer, version)
        states[version], waiting[version] = replayer.state, replayer.waiting_for
    found = differences(states[before], states[after])
    if json:
        print_json(
            {
                "stream": instance.stream,
                "before": before,
                "after": after,
                "state": found,
                "waiting_for": {"before": waiting[before], "after": waiting[after]},
            }
        )
        return
    out = console()
    out.print(f"{instance.name}, from version {before} to {after}")
    for line in showing.differences(found):
        out.print(line)
    for sign, one, other in (("-", before, after), ("+", after, before)):
        for what in waiting[one]:
            if what not in waiting[other]:
                out.print(f"{sign} waits for {what}")


# -- at a prompt ---------------------------------------------------------------------------------------------


def _step_through(replayer: Replayer) -> None:
    from runtime.debugging.stepping import Stepper

    terminal = sys.stdin.isatty()
    if terminal:
        import readline  # noqa: F401 - gives input() its line editing
    out = console()
    stepper = Stepper(replayer, out.print)

    def read() -> str | None:
        try:
            return input(f"({stepper.version}) " if terminal else "")
        except EOFError:
            return None

    stepper.run(read)


def _break(replayer: Replayer, instance: Instance, at: int | None) -> None:
    from actors.errors import Bug
    from runtime.debugging.breaking import debug, examine
    from runtime.debugging.replaying import Replayer

    titles, out = _titles(instance.events), console()

    def announce(version: int) -> None:
        event = instance.events[version - 1]
        out.print(
            f"── version {version} of {instance.newest}: {titles[version - 1]}, {local_time(event.recorded_at)} ──"
        )

    if at is None:
        rehearsal = Replayer(replayer.kind, instance.stream, instance.events)
        try:
            rehearsal.finish()
            trouble, at = rehearsal.trouble, min(rehearsal.version + 1, instance.newest)
            if isinstance(trouble, Bug) and examine(trouble, lambda: out.print(f"── {trouble} ──")):
                return
        finally:
            rehearsal.dispose()
        at = 1 if trouble is None else at
    fact = _fact_of(instance, at)
    if fact != at:
        out.print(f"version {at}, {titles[at - 1]}, was decided when version {fact} was fed: it stops there")
    debug(replayer, fact, announce)
    if replayer.trouble is not None:
        raise replayer.trouble
    if replayer.version == instance.newest:
        out.print(f"{instance.name} was replayed to its end, version {instance.newest}")


def _fact_of(instance: Instance, version: int) -> int:
    """Give the version whose event made the code decide this one: itself, unless it is a workflow's decision."""
    from runtime.cli.journal import readable

    while version > 1:
        event = readable(instance.events[version - 1])
        if event is None or event.is_fact:
            break
        version -= 1
    return version
