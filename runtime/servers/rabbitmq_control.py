from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from runtime.servers.binaries import rabbitmq_scripts
from runtime.servers.errors import ServerError
from runtime.servers.folder import ServerRecord, read_record

_TIMEOUT = 60.0
_VHOST = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class RabbitControl:
    """The administrator's commands of a private RabbitMQ that runs, known by its folder.

    Each command boots an Erlang machine, which takes about a second: do many things with one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, *arguments: str) -> str:
        """Run `rabbitmqctl` with these arguments and give what it prints.

        Raises:
            ServerError: the command failed; the message holds its output.
        """
        record = self._read()
        process = await asyncio.create_subprocess_exec(
            str(rabbitmq_scripts() / "rabbitmqctl"),
            *("--quiet", "--node", record.extra["node"], *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=control_environment(self._folder, record),
            cwd=self._folder,
        )
        try:
            async with asyncio.timeout(_TIMEOUT):
                output, errors = await process.communicate()
        except BaseException:
            if process.returncode is None:
                process.kill()
                await asyncio.shield(process.wait())
            raise
        if process.returncode != 0:
            shown = (errors or output).decode(errors="replace").strip()
            raise ServerError(f"rabbitmqctl {arguments[0]} ended with status {process.returncode}: {shown}")
        return output.decode(errors="replace").strip()

    async def evaluate(self, expression: str) -> str:
        """Evaluate an Erlang expression inside the server and give its value as Erlang prints it."""
        return await self.run("eval", expression)

    async def add_vhosts(self, names: Sequence[str], *, delete: Sequence[str] = ()) -> list[str]:
        """Create virtual hosts, delete others, all with one command; give the new ones' addresses, in order.

        Raises:
            ServerError: a name is not 1 to 100 letters, digits, `_`, `.` or `-`, or the command failed.
        """
        user = '<<"perdure">>'
        new = ",".join(f'<<"{_checked(name)}">>' for name in names)
        old = ",".join(f'<<"{_checked(name)}">>' for name in delete)
        await self.evaluate(
            f"[catch rabbit_vhost:delete(V, {user}) || V <- [{old}]], "
            f"[begin ok = rabbit_vhost:add(V, {user}), "
            f'ok = rabbit_auth_backend_internal:set_permissions({user}, V, <<".*">>, <<".*">>, <<".*">>, {user}) end'
            f" || V <- [{new}]], ok."
        )
        base = self._read().url.rpartition("/")[0]
        return [f"{base}/{quote(name, safe='')}" for name in names]

    def _read(self) -> ServerRecord:
        record = read_record(self._folder)
        if record is None or not record.url:
            raise ServerError(f"no RabbitMQ runs in {self._folder}")
        return record


def control_environment(folder: Path, record: ServerRecord) -> dict[str, str]:
    """The variables that name one private node, and nothing of the system's RabbitMQ."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(folder),  # Erlang looks for its cookie here
        "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
        "RABBITMQ_NODENAME": record.extra["node"],
        "ERL_EPMD_PORT": record.extra["epmd_port"],
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def _checked(name: str) -> str:
    if not _VHOST.fullmatch(name):
        raise ServerError(f"{name!r} is no virtual host name; use 1 to 100 letters, digits, `_`, `.` or `-`")
    return name
