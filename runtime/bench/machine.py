"""The machine that figures come from."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct

_PACKAGES = ("perdure", "msgspec", "asyncpg", "aio-pika", "aiormq", "uvloop")


class Machine(Struct, kw_only=True):
    """What a reader needs to compare figures with his own."""

    cores: int  # that this process may use
    cpu: str
    memory_gib: float
    system: str
    python: str
    packages: dict[str, str]
    load_before: tuple[float, float, float]  # of 1, 5 and 15 minutes
    load_after: tuple[float, float, float] | None = None
    servers: dict[str, dict[str, str]] = {}  # by engine


def describe_machine() -> Machine:
    """Look at this machine."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_value_in("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=_versions(),
        load_before=os.getloadavg(),
    )


def _value_in(file: str, name: str) -> str | None:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # from a source tree that is not installed
    return found
