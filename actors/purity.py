"""A look at workflow code before it ever runs: calls that a replay can't repeat are refused when the app is made.

The bytecode of the methods that a workflow can reach is read for loads of a global, or of a variable of an enclosing
function, and the attributes that follow. What they lead to *now* is compared with the known offenders: so an alias is
found, and a user's own variable that happens to be called `time` is not. What is reached in other ways is not seen;
replay's comparison with the journal stays the last word.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from types import BuiltinMethodType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

from actors.errors import DefinitionError

_NOW = "use self.now()"
_CHANCE = "use self.random"
_UUID = "use self.uuid()"
_WAIT = "use asyncio.sleep(), which is a durable timer"
_TASK = "put it into a @task function and await that"
_SECRET = f"{_TASK}, as self.random is not for secrets"
_ASYNC = "use asyncio's own primitives; workflow code runs in one thread"
_EMPTY_CELL = CellType()

# Named, not imported: this package touches none of them, and what nobody imported is in nobody's code.
_OFFENDERS: dict[str, dict[str, tuple[str, ...]]] = {
    "time": {
        _NOW: ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"),
        _WAIT: ("sleep",),
    },
    "random": {
        _CHANCE: (
            "random", "uniform", "triangular", "randint", "choice", "randrange", "sample", "shuffle", "choices", "gauss",
            "normalvariate", "lognormvariate", "expovariate", "vonmisesvariate", "gammavariate", "betavariate",
            "binomialvariate", "paretovariate", "weibullvariate", "getrandbits", "randbytes", "seed", "SystemRandom",
        ),
    },
    "uuid": {_UUID: ("uuid1", "uuid4", "uuid6", "uuid7")},
    "os": {_CHANCE: ("urandom", "getrandom"), _TASK: ("system", "popen")},
    "secrets": {_SECRET: ("token_bytes", "token_hex", "token_urlsafe", "choice", "randbelow", "randbits")},
    "threading": {_ASYNC: ("Thread", "Timer", "Lock", "RLock", "Event", "Condition", "Semaphore", "Barrier")},
    "builtins": {_TASK: ("open", "input")},
}  # fmt: skip
_CLOCKS = (vars(date)["today"], vars(datetime)["now"], vars(datetime)["utcnow"])
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_CLOSURE_LOADS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})


def check_purity(cls: type, base: type, owner: str, roots: Iterable[str]) -> None:
    """Read the methods named in `roots` and those that they name in turn, as far as they are not `base`'s own.

    Raises:
        DefinitionError: one uses what can't be replayed; names the method, the line and what to use instead.
    """
    offenders = _offenders()
    names, seen = list(roots), set(vars(base)) - {"__init__"}
    while names:
        if (name := names.pop()) in seen:
            continue
        seen.add(name)
        for function in _functions(inspect.getattr_static(cls, name, None)):
            for code, captured in _codes(function.__code__, frozenset(function.__code__.co_freevars)):
                names += code.co_names
                for line, path, instead in _found(code, _variables(function, captured), offenders):
                    raise DefinitionError(
                        f"{owner}.{name} uses {path} (line {line} of {code.co_filename}), "
                        f"which a replay can't repeat: {instead}"
                    )


def _offenders() -> dict[int, str]:
    found = {id(clock): _NOW for clock in _CLOCKS}
    for module_name, names_by_advice in _OFFENDERS.items():
        module = sys.modules.get(module_name)
        for instead, names in names_by_advice.items():
            found |= {id(vars(module)[name]): instead for name in names if module is not None and name in vars(module)}
    return found


def _functions(member: Any) -> Iterator[FunctionType]:
    """Give the functions behind a class's member. A @task is none of them: it runs elsewhere."""
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    for part in (member.fget, member.fset) if isinstance(member, property) else (member,):
        inner = inspect.unwrap(part) if isinstance(part, FunctionType) else None
        if isinstance(inner, FunctionType):
            yield inner


def _codes(code: CodeType, captured: frozenset[str]) -> Iterator[tuple[CodeType, frozenset[str]]]:
    """Give a function's code and that of what is defined inside it, each with the names it has from outside of it all."""
    yield code, captured
    recorded = _recorded(code) if "record" in code.co_names else ()
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and constant not in recorded:
            yield from _codes(constant, captured.intersection(constant.co_freevars))


def _recorded(code: CodeType) -> list[CodeType]:
    """Give the lambdas that stand in `self.record(lambda: …)`: they run once, and no replay repeats them."""
    found, inside = [], False
    for step in dis.get_instructions(code):
        if step.opname in _ATTRIBUTES:
            inside = step.argval == "record"
        elif step.opname.startswith("CALL"):
            inside = False
        elif inside and isinstance(step.argval, CodeType):
            found.append(step.argval)
    return found


def _variables(function: FunctionType, captured: frozenset[str]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closure = {name: cell.cell_contents for name, cell in cells if name in captured and cell != _EMPTY_CELL}
    return ChainMap(function.__globals__, vars(builtins)), closure


def _found(
    code: CodeType, variables: tuple[Mapping[str, Any], Mapping[str, Any]], offenders: dict[int, str]
) -> Iterator[tuple[int | None, str, str]]:
    (everywhere, closure), value, path = variables, None, ""
    for step in dis.get_instructions(code):
        if step.opname in _LOADS:
            value, path = everywhere.get(step.argval), step.argval
        elif step.opname in _CLOSURE_LOADS:
            value, path = closure.get(step.argval), step.argval
        elif step.opname in _ATTRIBUTES:
            value, path = _attribute(value, step.argval), f"{path}.{step.argval}"
        elif step.opname != "EXTENDED_ARG":
            value = None
        if isinstance(value, BuiltinMethodType) and isinstance(value.__self__, type):  # an alias of datetime.now
            value = inspect.getattr_static(value.__self__, value.__name__, None)
        if value is not None and (instead := offenders.get(id(value))) is not None:
            yield step.positions.lineno if step.positions else None, path, instead


def _attribute(value: Any, name: str) -> Any:
    """Look an attribute up without running any code of the user's."""
    if isinstance(value, ModuleType):
        return vars(value).get(name)
    return inspect.getattr_static(value, name, None) if isinstance(value, type) else None
