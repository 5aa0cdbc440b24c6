"""What a person is told when a command can't be carried out: one line, and a status that is not zero."""

from __future__ import annotations

from collections.abc import Iterator


class CommandLineError(Exception):
    """What was asked on the command line can't be done; the message says why and what to do."""


class WrongInput(CommandLineError):
    """What was given is wrong as it stands, whatever the servers would say to it: status 2, as for an unknown option."""


class Interrupted(Exception):
    """Somebody wants the command to end at once."""


def explain(error: BaseException) -> str | None:
    """Say in a line what went wrong; None for an error that no user can cause, which is a mistake of ours."""
    leaves = list(_leaves(error))
    known = [leaf for leaf in leaves if isinstance(leaf, _known())]
    if not known or len(known) < len(leaves):
        return None
    return _sentence(known[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _known() -> tuple[type[BaseException], ...]:
    from actors import ActorsError, Failure
    from eventstore.errors import StoreError
    from runtime.errors import PerdureError
    from runtime.servers.errors import ServerError
    from runtime.shadowing import ShadowedPackage
    from runtime.transport.port import TransportError

    return (
        CommandLineError, PerdureError, ActorsError, Failure, StoreError, TransportError, ServerError, ShadowedPackage,
    )  # fmt: skip


def _sentence(error: BaseException) -> str:
    from runtime.errors import CommandError

    message = str(error) or type(error).__name__
    if isinstance(error, CommandError) and error.type:
        return f"{error.type}: {message}"
    return message
