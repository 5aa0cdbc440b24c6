from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TypedDict

from msgspec import Struct

from runtime.servers.errors import ServerMissing


class RunAs(TypedDict, total=False):
    """The arguments that make `subprocess` run a command under another account; empty: under our own."""

    user: int
    group: int
    extra_groups: list[int]


class Account(Struct, frozen=True):
    """A system account that a server runs under, because Postgres refuses to run as root."""

    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Make the account the owner of a file or folder."""
        os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether the account may enter this folder, or run this file, through all of its parents."""
        test = shutil.which("test") or "/usr/bin/test"
        done = subprocess.run([test, "-x", str(path)], check=False, cwd="/", **self.run_as())
        return done.returncode == 0

    def run_as(self) -> RunAs:
        """What makes `subprocess` run a command under this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def unprivileged_account() -> Account | None:
    """The account to drop to: None for a normal user, `postgres` or else `nobody` for root.

    Raises:
        ServerMissing: root on a machine with neither account.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ServerMissing(
        "Postgres refuses to run as root, and this machine has neither a `postgres` nor a `nobody` account; "
        "run as a normal user, or create one: useradd --system postgres"
    )
