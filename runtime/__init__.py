"""The machine that hosts actors: it joins the model and the log.

async with connect(load_settings()) as client:
    await client.start(ProcessOrder, "10248", user, order)
    receipt = await client.result(ProcessOrder, "10248")
"""

from runtime.shadowing import check_own_packages

check_own_packages()

from runtime.assembly import connect, migrate, run_node, run_projections, run_worker  # noqa: E402 - a shadowed package must be told first
from runtime.client import Client  # noqa: E402
from runtime.errors import (  # noqa: E402
    AlreadyFinished,
    AnswerTimeout,
    ClientBroken,
    CommandError,
    CommandFailed,
    CommandInvalid,
    CommandQuarantined,
    CommandTooOld,
    ConfigurationError,
    Conflict,
    InstanceStuck,
    InstanceTerminated,
    NotFound,
    PerdureError,
)
from runtime.node import Node  # noqa: E402
from runtime.readers import Projection, Projections, Recorded  # noqa: E402
from runtime.settings import Settings, load_settings  # noqa: E402
from runtime.worker import Worker  # noqa: E402

__all__ = [
    "AlreadyFinished",
    "AnswerTimeout",
    "Client",
    "ClientBroken",
    "CommandError",
    "CommandFailed",
    "CommandInvalid",
    "CommandQuarantined",
    "CommandTooOld",
    "ConfigurationError",
    "Conflict",
    "InstanceStuck",
    "InstanceTerminated",
    "Node",
    "NotFound",
    "PerdureError",
    "Projection",
    "Projections",
    "Recorded",
    "Settings",
    "Worker",
    "connect",
    "load_settings",
    "migrate",
    "run_node",
    "run_projections",
    "run_worker",
]
