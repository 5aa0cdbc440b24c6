"""What processes cost, read from /proc: CPU time and resident memory of whole process trees."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from runtime.servers.process import descendants

_TICKS = os.sysconf("SC_CLK_TCK")  # per second
_PAGE = os.sysconf("SC_PAGE_SIZE")
_IDLE = (3, 4)  # idle, and waiting for the disk: the columns of /proc/stat in which no process runs


class Usage(Struct, frozen=True):
    """CPU seconds until now: of each role's processes, and of the whole machine."""

    roles: dict[str, float]
    machine: float

    def since(self, before: Usage) -> Usage:
        """Give what was used since another reading; roles that it does not have count from 0."""
        return Usage(
            {role: used - before.roles.get(role, 0.0) for role, used in self.roles.items()},
            self.machine - before.machine,
        )

    @property
    def foreign(self) -> float:
        """What the machine spent on anything but these roles; never below 0 (the kernel rounds)."""
        return max(0.0, self.machine - sum(self.roles.values()))


def read_usage(roles: Mapping[str, list[int]]) -> Usage:
    """Read the CPU time of the trees under some processes.

    Args:
        roles: the ids of each role's processes; their descendants count with them.
    """
    return Usage({role: sum(map(_tree_seconds, pids)) for role, pids in roles.items()}, _machine_seconds())


def resident_bytes(pid: int) -> int:
    """Give the memory that a process holds now, in bytes; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _tree_seconds(pid: int) -> float:
    return sum(map(_seconds, [pid, *descendants(pid)]))


def _seconds(pid: int) -> float:
    """User and system time, that of children which have ended and were waited for included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it ended while we looked: its parent has its time now, or will
    return sum(map(int, fields[11:15])) / _TICKS


def _machine_seconds() -> float:
    columns = [int(column) for column in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks for place, ticks in enumerate(columns) if place not in _IDLE) / _TICKS
