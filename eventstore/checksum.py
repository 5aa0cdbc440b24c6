"""A snapshot's checksum: a damaged one must be noticed, because state would be built on it."""

from __future__ import annotations

from hashlib import blake2b

from eventstore.records import Snapshot


def checksum(stream: str, snapshot: Snapshot) -> bytes:
    """Give 8 bytes over everything that a reader relies on, the snapshot's place included."""
    head = f"{stream}\n{snapshot.version}\n{snapshot.schema}\n{snapshot.code}\n".encode()
    return blake2b(snapshot.data, key=blake2b(head, digest_size=16).digest(), digest_size=8).digest()
