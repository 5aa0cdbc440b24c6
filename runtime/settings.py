"""Configuration: environment variables and flags, validated once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from runtime.errors import ConfigurationError


class Settings(Struct, frozen=True, kw_only=True):
    """What every process of Perdure has to know. Durations are seconds.

    Each field may come from the environment as `PERDURE_` + its name in capitals.
    """

    database_url: str
    broker_url: str | None = None  # None: Postgres carries the messages, too
    projections_url: str | None = None  # the database of the projections' tables; None: the log's own
    publish_events: str = "off"  # nodes publish every event to the broker: "off", "new" or "all", see MESSAGES.md
    node_name: str = ""  # empty: made from the host's name and the process id
    partitions: int | None = None  # only for `migrate`; None: keep what the store has, 8 for a new one
    lease_ttl: float = 3.5  # a node beats four times in it; a killed one is missed up to a beat after it
    prefetch: int = 500  # messages a partition may hold unacknowledged
    activations: int = 10_000  # instances a node keeps in memory
    idle: float = 10.0  # after which an instance that waits is unloaded
    task_concurrency: int = 50  # tasks a worker runs at once
    sweep_after: float = 60.0  # after which an unanswered task is published again
    inbox_days: float = 7.0  # how long a command id is remembered
    shutdown_grace: float = 20.0

    @property
    def tables_url(self) -> str:
        """The database that projections write to."""
        return self.projections_url or self.database_url

    def __post_init__(self) -> None:
        _check_url(self.database_url, ("postgresql", "postgres"), "database_url", "postgresql://user@host/database")
        if self.broker_url is not None:
            _check_url(self.broker_url, ("amqp", "amqps"), "broker_url", "amqp://user:password@host/vhost")
        if self.projections_url is not None:
            _check_url(
                self.projections_url, ("postgresql", "postgres"), "projections_url", "postgresql://user@host/database"
            )
        if self.publish_events not in ("off", "new", "all"):
            raise ConfigurationError(
                f"{variable('publish_events')} must be off, new or all, it is {self.publish_events!r}"
            )
        for name in ("lease_ttl", "prefetch", "activations", "idle", "task_concurrency", "sweep_after", "inbox_days"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{variable(name)} must be above 0, it is {getattr(self, name)}")
        for name, most in _MOST.items():
            if not 0 <= getattr(self, name) <= most:  # so written that NaN is outside, too
                raise ConfigurationError(
                    f"{variable(name)} must be between 0 and {most:,}, it is {getattr(self, name)}"
                )
        if self.partitions is not None and not 1 <= self.partitions <= 1024:
            raise ConfigurationError(f"{variable('partitions')} must be between 1 and 1024, it is {self.partitions}")


# Prefetch counts are 16 bits wide in AMQP; longer times overflow the calendar of Python or Postgres.
_MOST = {
    "lease_ttl": 1_000_000_000,
    "idle": 1_000_000_000,
    "sweep_after": 1_000_000_000,
    "inbox_days": 100_000,
    "shutdown_grace": 1_000_000_000,
    "prefetch": 65_535,
    "task_concurrency": 65_535,
}


def variable(field: str) -> str:
    """Name the environment variable of a setting."""
    return f"PERDURE_{field.upper()}"


def load_settings(environment: Mapping[str, str] | None = None, **flags: object) -> Settings:
    """Read settings from the environment; flags that are not None win.

    Raises:
        ConfigurationError: a value is missing or can't be used.
    """
    source = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for field, type_ in Settings.__annotations__.items():
        if (text := source.get(variable(field))) not in (None, ""):
            values[field] = _converted(field, str(type_), text or "")
    values |= {name: value for name, value in flags.items() if value is not None}
    if "database_url" not in values:
        raise ConfigurationError(
            f"no database: set {variable('database_url')} or --database-url to postgresql://user@host/database, "
            "or use `perdure dev`, which brings its own"
        )
    return Settings(**values)  # type: ignore[arg-type]  # __post_init__ checks the values


def _converted(field: str, type_: str, text: str) -> object:
    try:
        if type_.startswith("int"):
            return int(text)
        return float(text) if type_.startswith("float") else text
    except ValueError:
        raise ConfigurationError(f"{variable(field)} must be a number, it is {text!r}") from None


def _check_url(url: str, schemes: tuple[str, ...], field: str, example: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"{variable(field)} is not a URL: {error}; expected {example}") from None
    if parts.scheme not in schemes:
        raise ConfigurationError(
            f"{variable(field)} must begin with {schemes[0]}://, it begins with {parts.scheme or 'nothing'}://; expected {example}"
        )
