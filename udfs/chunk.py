"""Chunks: NDJSON lines of one arrival hour, as one element for a FileSink or a `_bulk` request.

A chunk is the hour's start in epoch milliseconds (8 bytes, big-endian) followed by lines that each end in a newline.
`ArrivalHourBucketAssigner.java` reads the hour, `NdjsonGzipWriter.java` writes what follows it.
"""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime

HOUR_MS = 3_600_000
_HEADER = struct.Struct(">q")
HEADER_SIZE = _HEADER.size


def hour_of(arrival_time: int) -> int:
    """Return the start of the UTC hour, in epoch milliseconds, of an arrival time in epoch milliseconds."""
    return arrival_time - arrival_time % HOUR_MS


def hour_folder(hour: int) -> str:
    """Return the folder of an hour, given by its start in epoch milliseconds, as `ArrivalHourBucketAssigner` does."""
    return datetime.fromtimestamp(hour / 1000, UTC).strftime("dt=%Y-%m-%d/hour=%H")


def encode_chunk(hour: int, lines: Iterable[bytes]) -> bytes:
    """Join lines, given without their newlines, into a chunk."""
    return _HEADER.pack(hour) + b"\n".join((*lines, b""))


def chunk_hour(chunk: bytes) -> int:
    """Return the start of the chunk's hour in epoch milliseconds."""
    hour: int = _HEADER.unpack_from(chunk)[0]
    return hour


def chunk_lines(chunk: bytes) -> list[bytes]:
    """Return the chunk's lines without their newlines."""
    return chunk[HEADER_SIZE:].split(b"\n")[:-1]
