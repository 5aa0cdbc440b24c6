"""The command line. Kept light: what a command needs is imported when it runs."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run `perdure` with the process's arguments, and end the process with its status."""
    from runtime.cli.application import run

    sys.exit(run(sys.argv[1:]))
