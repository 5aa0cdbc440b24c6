"""Getting the peers: a virtual environment each, below `.venv-peers`, and Restate's server from npm."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.servers.errors import log_tail
from runtime.servers.process import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv-peers"
_REQUIREMENTS = Path(__file__).with_name("requirements")
_PATIENCE = 600.0


class NotInstalled(Exception):
    """A peer can't be installed here."""


async def python_of(peer: str) -> Path:
    """Give the Python that has a peer's packages, and install them first where need be. Raises `NotInstalled`."""
    wanted = _REQUIREMENTS / f"{peer}.txt"
    folder = HOME / peer
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    if _is_stamped(stamp, wanted, python):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    await _run(peer, [sys.executable, "-m", "venv", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    await _run(peer, [*pip, "--requirement", str(wanted)])
    stamp.write_text(_digest(wanted))
    return python


async def restate_server() -> Path:
    """Give Restate's server, and install it first where need be. Raises `NotInstalled`."""
    wanted = _REQUIREMENTS / "package.json"
    folder = HOME / "restate-server"
    stamp = folder / "installed"
    if not _is_stamped(stamp, wanted):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(wanted, folder)
        # The package's only script reports that it was installed.
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
        await _run("restate-server", ["npm", "install", *options, "--prefix", str(folder)])
        stamp.write_text(_digest(wanted))
    found = sorted((folder / "node_modules" / "@restatedev").glob("restate-server-*/bin/restate-server"))
    if not found:
        raise NotInstalled(f"npm has installed no restate-server for this machine below {folder}")
    return found[0]


async def version_of(peer: str, package: str) -> str:
    """Give the installed version of a package, as its requirements say it."""
    lines = (_REQUIREMENTS / f"{peer}.txt").read_text().splitlines()
    return next((line.partition("==")[2] for line in lines if line.startswith(package)), "unknown")


def _is_stamped(stamp: Path, wanted: Path, *needed: Path) -> bool:
    return stamp.exists() and stamp.read_text() == _digest(wanted) and all(path.exists() for path in needed)


def _digest(wanted: Path) -> str:
    return hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()


async def _run(what: str, command: Sequence[str]) -> None:
    HOME.mkdir(exist_ok=True)
    log = HOME / f"{what}.log"
    log.unlink(missing_ok=True)
    if shutil.which(command[0]) is None:
        raise NotInstalled(f"{command[0]} is not installed, and {what} comes by it")
    process = ServerProcess(command, log=log, cwd=HOME, env=os.environ)
    try:
        ended = await process.wait(_PATIENCE)
    finally:
        await process.kill()
    if not ended:
        raise NotInstalled(f"installing {what} took more than {_PATIENCE:g} s; the end of its log:\n{log_tail(log)}")
    if process.exit_status != 0:
        raise NotInstalled(f"{what} could not be installed; the end of the log:\n{log_tail(log)}")
