"""Errors of the private servers.

ServerError
├── ServerMissing       no binaries of it on this machine; the message names the package to install
├── ServerInUse         another live process owns the folder
└── ServerStartFailed   it started and ended, or never answered; the message ends with its log's tail
"""

from __future__ import annotations

from pathlib import Path

_TAIL_LINES = 25
_TAIL_BYTES = 16_384


class ServerError(Exception):
    """Base of every error that starting or controlling a private server raises."""


class ServerMissing(ServerError):
    """The server is not installed."""


class ServerInUse(ServerError):
    """The folder belongs to a server that another process runs."""


class ServerStartFailed(ServerError):
    """The server did not get ready."""

    def __init__(self, what: str, reason: str, log: Path) -> None:
        super().__init__(f"{what} {reason}; the end of {log}:\n{log_tail(log)}")
        self.reason, self.log = reason, log


def log_tail(log: Path) -> str:
    """The last lines of a log file, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"  (no log: {error})"
    return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:]) or "  (the log is empty)"
