"""Runs as a script: become another account, ask to end with the parent, then become the server.

A process of its own between fork and exec, because code that runs in a fork of a program with threads may
deadlock, and Python warns of it. Standard library only: the account it becomes may not reach anything else.

Arguments: the parent's pid, the signal for the parent's death, uid and gid (or -1), the command.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def launch(parent: int, on_orphaned: int, uid: int, gid: int, command: list[str]) -> None:
    """Replace this process by the command; it ends with `parent`, where the system can do that."""
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        # After the change of account, which would clear it.
        libc.prctl(_PR_SET_PDEATHSIG, on_orphaned)
    if os.getppid() != parent:  # it died before the call above
        sys.exit("the process that wanted this server is gone")
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"can't run {command[0]}: {error}")


if __name__ == "__main__":
    _parent, _signal, _uid, _gid = map(int, sys.argv[1:5])
    launch(_parent, _signal, _uid, _gid, sys.argv[5:])
