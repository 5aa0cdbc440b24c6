"""Connections to RabbitMQ. One connection object is one epoch: it is never revived, only replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import aio_pika
from aiormq import Connection
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from yarl import URL

from runtime.transport.backoff import CredentialsRefused
from runtime.transport.port import TransportUnavailable

# Everything that a lost or refused connection or channel may raise from aiormq. `RuntimeError` is what it raises
# for a channel on a connection that closed meanwhile, `StopAsyncIteration` where the server's end comes in the
# middle of the handshake.
BROKER_LOST = (AMQPError, OSError, TimeoutError, RuntimeError, StopAsyncIteration)
HEARTBEAT = 10  # seconds; a frozen broker is noticed after three of them


def describe(url: str) -> str:
    """Name a broker in one line, without its password."""
    parts = URL(url)
    return f"virtual host {parts.path.lstrip('/') or '/'!r} on {parts.host}:{parts.port or 5672}"


C = TypeVar("C", bound=aio_pika.abc.AbstractConnection)


async def connect(url: str, kind: type[C], *, name: str, timeout: float, heartbeat: int = HEARTBEAT) -> C:
    """Open a connection that dies whole. The broker ends it when it hears nothing for two to three heartbeats (seconds).

    Raises:
        CredentialsRefused: the broker does not know the user, the password or the virtual host.
        TransportUnavailable: no answer.
    """
    address = URL(url)
    address = address.update_query({"heartbeat": str(heartbeat), "name": name} | dict(address.query))
    try:
        connection = kind(address)
        await connection.connect(timeout=timeout)
    except (AuthenticationError, ProbableAuthenticationError, ConnectionNotAllowed) as error:
        raise CredentialsRefused(
            f"RabbitMQ refuses user {address.user!r} for {describe(url)}; check user, password and permissions"
        ) from error
    except InvalidFrameError as error:
        # A missing virtual host is answered with a close where an open-ok was due.
        raise CredentialsRefused(
            f"RabbitMQ does not open {describe(url)} for user {address.user!r}; check that the virtual host exists"
        ) from error
    except BROKER_LOST as error:
        raise TransportUnavailable(
            f"RabbitMQ does not answer for {describe(url)}: {reason(error)}; check that it runs and the broker URL"
        ) from error
    return connection


def channels_of(connection: aio_pika.abc.AbstractConnection) -> Connection:
    """Give the aiormq connection below, for channels of our own.

    Raises:
        TransportUnavailable: it is closed already.
    """
    underlay = connection.transport.connection if connection.transport is not None else None
    if not isinstance(underlay, Connection) or underlay.is_closed:
        raise TransportUnavailable("the connection to RabbitMQ was lost")
    return underlay


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Turn a connection that is lost in the middle into `TransportUnavailable`.

    aiormq ends calls on a lost connection with `CancelledError` too; a caller that nobody cancelled must not see one.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise TransportUnavailable(f"{what}: the connection was lost") from error
    except BROKER_LOST as error:
        raise TransportUnavailable(f"{what}: {reason(error)}") from error


def reason(error: BaseException | None) -> str:
    """Say what an error says, and its kind when it says nothing."""
    if error is None:
        return "closed"
    return str(error) or type(error).__name__
