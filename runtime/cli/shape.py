"""The shape of the command line, given to all commands in one place: panels of commands, and options that they share.

A command that talks to servers has one parameter, `servers: Servers`; on the command line it is three options.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from runtime.cli.connecting import Servers
from runtime.cli.options import BrokerUrl, Data, DatabaseUrl

_TYPES = {"str": "TEXT", "list[str]": "TEXT", "int": "N", "int range": "N", "float range": "NUMBER", "path": "FILE"}
_CHOICE = re.compile(r"<([a-z_|]+)>")
_NOTES = [
    (re.compile(r"(\d+)\.0\b"), r"\1"),
    (re.compile(r"(\d+)<=x<=(\d+)"), r"\1 to \2"),
    (re.compile(r";? ?x>=[\d.]+(?=\])"), ""),
    (re.compile(r" *\[\]"), ""),
]
_FLAGS = {"database_url": DatabaseUrl, "broker_url": BrokerUrl, "data": Data}


class Command(TyperCommand):
    """A command whose help lists its own options first, and those that name servers apart."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of arguments and options."""
        records: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Servers": []}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                kind = "Arguments" if param.param_type_name == "argument" else "Options"
                records["Servers" if param.name in _FLAGS else kind].append(
                    _plain(*record, argument=kind == "Arguments")
                )
        for heading, rows in records.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


class Commands(TyperGroup):
    """Commands whose help lists them by panels, in the order of their first ones."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click calls it so
        """Write a section a panel."""
        width = max(map(len, self.commands), default=0)
        panels: dict[str, list[tuple[str, str]]] = {}
        for command in self.commands.values():
            if not command.hidden:
                row = f"{command.name:{width}}", command.get_short_help_str(formatter.width - 6 - width)
                panels.setdefault(getattr(command, "rich_help_panel", None) or "Commands", []).append(row)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def _plain(name: str, text: str, *, argument: bool) -> tuple[str, str]:
    """Put a row of the help into words for people: types of Python, and bounds that nobody would try to pass, say nothing."""
    for type_, word in _TYPES.items():
        name = name.replace(f" <{type_}>", "" if argument else f" {word}")
    name = _CHOICE.sub(r"\1", name)
    for pattern, replacement in _NOTES:
        text = pattern.sub(replacement, text)
    return name, text


def shaped(application: typer.Typer) -> Iterator[typer.models.CommandInfo | typer.models.TyperInfo]:
    """Give commands and groups that have no shape yet theirs; gives what stands at the top, to be put into a panel."""
    for info in application.registered_commands:
        if info.cls is not Command and info.callback is not None:
            info.cls, info.callback = Command, with_servers(info.callback)
            yield info
    for group in application.registered_groups:
        if group.cls is not Commands and group.typer_instance is not None:
            group.cls = Commands
            list(shaped(group.typer_instance))
            yield group


def with_servers(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command with a parameter `servers` the options that say which those are, in its place."""
    signature = inspect.signature(command, eval_str=True)
    if "servers" not in signature.parameters:
        return command

    @wraps(command)
    def spread(database_url: Any, broker_url: Any, data: Any, **others: Any) -> Any:
        return command(servers=Servers(database_url, broker_url, data), **others)

    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name == "servers":
            parameters += (parameter.replace(name=flag, default=None, annotation=_FLAGS[flag]) for flag in _FLAGS)
        else:
            parameters.append(parameter)
    spread.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what `inspect` asks for
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread
