"""Stepping through a history at a prompt, forwards and backwards."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from runtime.cli import journal
from runtime.debugging import showing
from runtime.debugging.difference import differences
from runtime.debugging.replaying import Replayer, changed, coroutines, plain

HELP = """\
n [COUNT]       the next event                     w            where the code stands, with its variables
b [COUNT]       back by one event                  d [A [B]]    what is different between two versions
g VERSION       go to a version; 0, end            e            this event's data
s [NAME]        the state, or one attribute        p EXPRESSION evaluate, with self and where `run` stands
l               the events around                  h, q         this help; quit (and end of input)
An empty line repeats n or b."""
_AROUND = 4


class Stepper:
    """The prompt's commands. `say` prints a line."""

    def __init__(self, replayer: Replayer, say: Callable[[str], None]) -> None:
        self._replayer, self._say = replayer, say
        titles = journal.Titles()
        self._titles = [titles.of(event) for event in replayer.events]
        self._again = "n"
        self._commands: dict[str, Callable[..., None]] = {
            "n": self._next, "b": self._back, "g": self._go, "s": self._state, "w": self._where, "d": self._difference,
            "e": self._event, "l": self._around, "h": self._help,
        }  # fmt: skip

    @property
    def version(self) -> int:
        """Where it stands."""
        return self._replayer.version

    def run(self, read: Callable[[], str | None]) -> None:
        """Take command after command until `read` gives None or somebody quits."""
        newest = len(self._replayer.events)
        self._say(f"{self._replayer.stream}, {newest} events; h for help")
        self._to(1)
        while (line := read()) is not None:
            line = line.strip() or self._again
            if line in {"q", "quit", "exit"}:
                return
            self._do(line)

    def _do(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        if name == "p":
            self._evaluate(rest.strip())
            return
        command = self._commands.get(name) or self._commands.get(_LONG.get(name, ""))
        if command is None:
            self._say(f"no command {name!r}; h lists them")
            return
        try:
            command(*shlex.split(rest))
        except (ValueError, TypeError):
            self._say(f"{line!r} is not understood; h lists the commands")
        self._again = name if name in {"n", "b"} else self._again

    def _next(self, count: str = "1") -> None:
        if self.version == len(self._replayer.events):
            self._replayer.finish()
            self._trouble() or self._say("this is the newest event")
            return
        self._to(self.version + int(count))

    def _back(self, count: str = "1") -> None:
        if self.version == 0:
            self._say("this is before the first event")
            return
        self._to(self.version - int(count))

    def _go(self, version: str) -> None:
        newest = len(self._replayer.events)
        wanted = newest if version == "end" else int(version)
        if not 0 <= wanted <= newest:
            self._say(f"there is no version {wanted}; from 0 to {newest}")
            return
        self._to(wanted)

    def _to(self, version: int) -> None:
        replayer = self._replayer
        version = max(0, min(version, len(replayer.events)))
        replayer.go(max(0, version - 1))
        before = replayer.state if replayer.version == version - 1 else {}
        replayer.go(version)
        if replayer.version == 0:
            self._say("before the first event")
        else:
            what = ", ".join(f"{name} = {showing.short(v)}" for name, v in changed(before, replayer.state).items())
            self._say(f"{self._line(replayer.version)}{'   ' + what if what else ''}")
        self._trouble()

    def _trouble(self) -> bool:
        if (trouble := self._replayer.trouble) is not None:
            self._say(f"the code gets no further: {trouble}")
        return trouble is not None

    def _state(self, name: str | None = None) -> None:
        state = self._replayer.state
        if name is None:
            self._say(showing.pretty(state))
        elif isinstance(state, dict) and name in state:
            self._say(showing.pretty(state[name]))
        else:
            known = ", ".join(state) if isinstance(state, dict) and state else "none"
            self._say(f"the state has no {name}; it has {known}")

    def _where(self) -> None:
        found = coroutines(self._replayer.stacks)
        for line in showing.where(found):
            self._say(line)
        if not found:
            self._say("no code waits here")

    def _difference(self, first: str | None = None, second: str | None = None) -> None:
        here = self.version
        before = int(first) if first is not None else max(0, here - 1)
        after = int(second) if second is not None else here
        newest = len(self._replayer.events)
        if not (0 <= before <= newest and 0 <= after <= newest):
            self._say(f"versions go from 0 to {newest}")
            return
        states: dict[int, Any] = {}
        for version in sorted({before, after}):
            self._replayer.go(version)
            states[version] = self._replayer.state
        self._replayer.go(here)
        self._say(f"from version {before} to {after}:")
        for line in showing.differences(differences(states[before], states[after])):
            self._say(f"  {line}")

    def _event(self) -> None:
        if self.version:
            self._say(showing.pretty(journal.payload(self._replayer.events[self.version - 1])))

    def _around(self) -> None:
        newest = len(self._replayer.events)
        for version in range(max(1, self.version - _AROUND), min(newest, self.version + _AROUND) + 1):
            self._say(("> " if version == self.version else "  ") + self._line(version))

    def _help(self) -> None:
        self._say(HELP)

    def _evaluate(self, expression: str) -> None:
        """Evaluate where the code stands. It may change the objects of this replay, so the next move makes new ones."""
        replayer = self._replayer

        names: dict[str, Any] = {}
        if replayer.stacks and replayer.stacks[0].frames:
            innermost = replayer.stacks[0].frames[-1]
            names = {**innermost.f_globals, **innermost.f_locals}
        names.setdefault("self", replayer.user_object)

        try:
            value = eval(expression, names)  # noqa: S307 - a debugger's prompt
        except Exception as error:  # noqa: BLE001 - whatever the expression does, the prompt stays
            self._say(f"{type(error).__name__}: {error}")
            return
        self._say(showing.pretty(plain(value)))
        version = replayer.version
        replayer.again()
        replayer.go(version)

    def _line(self, version: int) -> str:
        event = self._replayer.events[version - 1]
        after = (event.recorded_at - self._replayer.events[0].recorded_at).total_seconds()
        return f"{version:>4}  {showing.duration(after):>8}  {self._titles[version - 1]}"


_LONG = {
    "next": "n", "back": "b", "go": "g", "goto": "g", "state": "s", "where": "w", "diff": "d", "event": "e",
    "list": "l", "help": "h", "?": "h",
}  # fmt: skip
