"""Real private servers, for `perdure dev`, the demo, the tests and the benchmarks.

    async with EmbeddedPostgres() as postgres, PrivateRabbitMQ() as rabbitmq:
        database = await postgres.create_database("shop")
        broker = await rabbitmq.add_vhost("shop")

One life cycle for all of them, in `server.py`; the promises that are particular to one server are in its
module. Other processes connect by URL; `running_url(folder)` finds the server of a folder.
"""

from runtime.servers.databases import create_database, database_url, drop_database
from runtime.servers.errors import ServerError, ServerInUse, ServerMissing, ServerStartFailed
from runtime.servers.folder import running_url
from runtime.servers.postgres import EmbeddedPostgres, PrivatePostgres
from runtime.servers.rabbitmq import PrivateRabbitMQ
from runtime.servers.rabbitmq_control import RabbitControl

__all__ = [
    "EmbeddedPostgres",
    "PrivatePostgres",
    "PrivateRabbitMQ",
    "RabbitControl",
    "ServerError",
    "ServerInUse",
    "ServerMissing",
    "ServerStartFailed",
    "create_database",
    "database_url",
    "drop_database",
    "running_url",
]
