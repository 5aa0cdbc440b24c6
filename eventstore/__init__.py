"""The append-only log, and what must commit with it."""
