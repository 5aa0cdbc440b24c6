from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import aio_pika

from runtime.servers.binaries import epmd_binary, rabbitmq_scripts
from runtime.servers.errors import ServerError
from runtime.servers.folder import ServerRecord
from runtime.servers.ports import free_port
from runtime.servers.process import ServerProcess, command_line, descendants, is_alive, send
from runtime.servers.rabbitmq_control import RabbitControl, control_environment
from runtime.servers.server import PrivateServer, run_bounded, wait_until_gone

_USER = "perdure"
# Schedulers that spin while idle would take the CPU away from the program that uses the server.
_CALM_SCHEDULERS = "+sbwt none +sbwtdcpu none +sbwtdio none"


class PrivateRabbitMQ(PrivateServer):
    """A RabbitMQ of our own, from installed binaries; `url` is its administrator's, on the virtual host `/`.

    It has its own node name, cookie, data, distribution port and port mapper (epmd), all on loopback, so it
    neither sees nor disturbs a system RabbitMQ, and it runs as whoever starts it, root included.
    """

    what: ClassVar[str] = "RabbitMQ"
    start_seconds: ClassVar[float] = 90
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]] = ((signal.SIGTERM, 30.0),)
    port_taken: ClassVar[tuple[str, ...]] = ("eaddrinuse", "address already in use", "Address already in use")

    def __init__(
        self, folder: Path | None = None, *, fsync: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: kept for the next start; None for a temporary one.
            fsync: False for tests: quorum queues do not wait for the disk.
            settings: lines of rabbitmq.conf, for example {"vm_memory_high_watermark.relative": "0.1"}.
        """
        super().__init__(folder, fsync=fsync)
        self._lines = dict(settings or {})
        self._epmd: ServerProcess | None = None

    @property
    def control(self) -> RabbitControl:
        """The administrator's commands; also usable from another process by the folder alone."""
        return RabbitControl(self.folder)

    def vhost_url(self, vhost: str) -> str:
        """The administrator's address of one virtual host."""
        return self.url.rpartition("/")[0] + "/" + quote(vhost, safe="")

    async def add_vhost(self, name: str) -> str:
        """Create an empty virtual host and give its address; about a second. `control.add_vhosts` makes many at once."""
        return (await self.control.add_vhosts([name]))[0]

    def _new_record(self) -> ServerRecord:
        node = f"perdure_{secrets.token_hex(6)}@localhost"
        return ServerRecord(password=secrets.token_urlsafe(18), extra={"node": node, "cookie": secrets.token_hex(20)})

    def _choose_ports(self, record: ServerRecord) -> None:
        record.port = free_port()
        record.extra |= {"dist_port": str(free_port()), "epmd_port": str(free_port())}

    def _url(self, record: ServerRecord) -> str:
        return f"amqp://{_USER}:{record.password}@127.0.0.1:{record.port}/%2F"

    async def _end_orphans(self, record: ServerRecord) -> None:
        pid, node = record.pid, record.extra["node"]
        if pid and is_alive(pid) and node in command_line(pid):
            below = descendants(pid)
            send(pid, signal.SIGTERM)
            if not await wait_until_gone([pid], 30):
                for process in (pid, *below):
                    send(process, signal.SIGKILL)
            await wait_until_gone([pid, *below], 10)

    async def _prepare(self, record: ServerRecord) -> None:
        rabbitmq_scripts()
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(record.extra["cookie"])
            cookie.chmod(0o400)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "environment").touch()

    async def _spawn(self, record: ServerRecord) -> ServerProcess:
        self._write_configuration(record)
        await self._start_port_mapper(record)
        return ServerProcess(
            [str(rabbitmq_scripts() / "rabbitmq-server")],
            log=self.log,
            cwd=self.folder,
            env=self._environment(record),
            on_orphaned=signal.SIGTERM,
        )

    def _write_configuration(self, record: ServerRecord) -> None:
        lines = {
            "listeners.tcp.local": f"127.0.0.1:{record.port}",
            "default_user": _USER,
            "default_pass": record.password,
            "log.console": "true",
            "log.file": "false",
            **self._lines,
        }
        file = self.folder / "rabbitmq.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))

    def _environment(self, record: ServerRecord) -> dict[str, str]:
        no_wait_for_disk = "" if self._fsync else " -ra wal_sync_method none"
        return control_environment(self.folder, record) | {
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.folder / "server.pid"),
            "RABBITMQ_DIST_PORT": record.extra["dist_port"],
            # The node name here too, so that its process can be told by its command line.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{_CALM_SCHEDULERS} -kernel inet_dist_use_interface {{127,0,0,1}}"
                f" -perdure node {record.extra['node']}{no_wait_for_disk}"
            ),
            # The script then becomes the server instead of waiting for it: one process, one pid.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    async def _start_port_mapper(self, record: ServerRecord) -> None:
        """Run our own epmd in the foreground: the one that Erlang starts by itself would stay for ever."""
        if self._epmd is not None and self._epmd.exit_status is None:
            return
        self._epmd = ServerProcess(
            [str(epmd_binary()), "-port", record.extra["epmd_port"], "-address", "127.0.0.1"],
            log=self.folder / "epmd.log",
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)},
            on_orphaned=signal.SIGKILL,
        )

    async def _end_at_once(self) -> None:
        await super()._end_at_once()
        if self._epmd is not None:
            await self._epmd.kill()
            self._epmd = None

    async def _trouble(self, record: ServerRecord) -> str | None:
        return await run_bounded(_listens(record.port), 5) or await run_bounded(
            _confirmed_publish(self._url(record)), 10
        )


async def _listens(port: int) -> None:
    """First, because the AMQP client logs each refused connection as an error."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


async def _confirmed_publish(url: str) -> None:
    """A queue declared, a message confirmed and fetched: a port that accepts connections promises none of this."""
    connection = await aio_pika.connect(url, timeout=5)
    try:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await channel.declare_queue(exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(b"ready?"), queue.name)
        if await queue.get(no_ack=True, fail=False) is None:
            raise ServerError("a confirmed message did not come back")
    finally:
        await connection.close()
