"""Which partition a stream belongs to."""

from zlib import crc32


def partition_of(stream: str, partitions: int) -> int:
    """CRC-32 (ISO 3309, as in zlib) of the stream's name in UTF-8, modulo the number of partitions."""
    return crc32(stream.encode()) % partitions
