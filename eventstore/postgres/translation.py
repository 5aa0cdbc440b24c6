"""The one place where Postgres's and asyncpg's errors become the store's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asyncpg import exceptions as pg

from eventstore.errors import SchemaMismatch, StoreError, StoreUnavailable, UnserialisableInput
from eventstore.postgres.address import address_of

_UNREACHABLE = (
    OSError,  # TimeoutError and ConnectionError are OSErrors
    pg.PostgresConnectionError,
    pg.OperatorInterventionError,  # shut down, starting up, terminated, cancelled
    pg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    pg.PostgresSystemError,
    pg.InternalServerError,
    pg.InvalidTransactionStateError,  # read-only after a failover, idle transaction ended
    pg.ObjectNotInPrerequisiteStateError,  # lock not available in time
    pg.InvalidCachedStatementError,  # the schema changed under a prepared statement: reconnect
    pg.InternalClientError,  # the driver lost its place: the connection broke under it
    pg.TransactionRollbackError,  # rolled back again and again
)
_REFUSED = (pg.InvalidAuthorizationSpecificationError, pg.InvalidCatalogNameError, pg.InsufficientPrivilegeError)
_NO_SCHEMA = (pg.UndefinedTableError, pg.UndefinedColumnError, pg.UndefinedFunctionError, pg.InvalidSchemaNameError)
_BAD_INPUT = (pg.DataError, pg.ProgramLimitExceededError, pg.IntegrityConstraintViolationError)

RETRYABLE = (pg.SerializationError, pg.DeadlockDetectedError)
"""The transaction was rolled back through no fault of its own: running it again is safe and sensible."""


def translate(error: BaseException, dsn: str) -> StoreError:
    """Give the store's error for one of Postgres's, with a one-line message that holds no password."""
    place, said = address_of(dsn), _one_line(error)
    if isinstance(error, StoreError):
        return error
    if isinstance(error, _REFUSED):
        return StoreUnavailable(f"{place} refuses the connection: {said}; check the user, password and database name")
    if isinstance(error, pg.ClientConfigurationError):
        return StoreUnavailable(f"{place}: {said}; a URL looks like postgresql://user:password@host:5432/database")
    if isinstance(error, _NO_SCHEMA):
        return SchemaMismatch(f"{place} lacks a part of Perdure's schema ({said}); run `perdure migrate`")
    if isinstance(error, _UNREACHABLE):
        return StoreUnavailable(f"{place} did not answer: {said}; is the server running and reachable?")
    if isinstance(error, (_BAD_INPUT, OverflowError)) or _is_client_data_error(error):
        return UnserialisableInput(f"the log can't keep this input: {said}")
    if isinstance(error, pg.InterfaceError):
        return StoreUnavailable(f"{place}: the connection is gone: {said}")
    return StoreError(f"{place} answered with an error that the store does not know: {said}")


@contextmanager
def translated(dsn: str) -> Iterator[None]:
    """Let only the store's own errors out of a block that talks to Postgres."""
    try:
        yield
    except (OSError, OverflowError, pg.PostgresError, pg.InterfaceError, pg.InternalClientError) as error:
        raise translate(error, dsn) from error


def _is_client_data_error(error: BaseException) -> bool:
    """Before anything is sent asyncpg refuses an argument with an InterfaceError that is a ValueError too."""
    return isinstance(error, pg.InterfaceError) and isinstance(error, ValueError)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
