"""RecordBatch frames: many records of one shard or file in one element.

The layout is shared with `RecordBatchFrame.java`; `tests/data/frame.golden.bin` is read by the tests of both.
All numbers are big-endian. Columns come before texts, so that one `struct` call reads a whole column:

    magic            4 bytes  "CALF"
    version          u8       1
    reserved         u8       0
    origin length    u16
    records          u32      n
    origin           UTF-8    Kinesis: "stream/shardId-000000000000"; files: the path as it was listed
    arrival times    n x i64  epoch milliseconds; Kinesis: ApproximateArrivalTimestamp; files: modification time
    sequence lengths n x u16
    payload lengths  n x u32
    sequences        ASCII    Kinesis: the sequence number; files: the byte offset of the line, after decompression
    payloads         bytes
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

MAGIC = b"CALF"
VERSION = 1
_HEADER = struct.Struct(">4sBBHI")


class FrameError(Exception):
    """A frame that `KinesisBatchSource` or `RecordBatchFormat` cannot have written: a bug, not bad input."""


class RawRecord(NamedTuple):
    """One record as it lay on the stream. `arrival_time` is epoch milliseconds."""

    sequence: str
    arrival_time: int
    payload: bytes


class RecordBatch(NamedTuple):
    """The records of one frame, in the order of the stream."""

    origin: str
    records: list[RawRecord]


def decode_frame(frame: bytes) -> RecordBatch:
    """Read a frame as a whole.

    Raises:
        FrameError: as `read_frame`.
    """
    origin, records = read_frame(frame)
    return RecordBatch(origin, list(records))


def read_frame(frame: bytes) -> tuple[str, Iterator[RawRecord]]:
    """Read a frame's origin, and its records one by one, so that not all of them have to be in memory.

    Raises:
        FrameError: the bytes are not a frame of version 1, or their length is not what its columns say.
    """
    try:
        magic, version, _, origin_length, count = _HEADER.unpack_from(frame)
        if magic != MAGIC or version != VERSION:
            raise FrameError(f"not a version {VERSION} frame")
        position = _HEADER.size
        origin = frame[position : position + origin_length].decode()
        position += origin_length
        arrivals = struct.unpack_from(f">{count}q", frame, position)
        position += 8 * count
        sequence_lengths = struct.unpack_from(f">{count}H", frame, position)
        position += 2 * count
        payload_lengths = struct.unpack_from(f">{count}I", frame, position)
        position += 4 * count
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError("frame is cut short") from error
    payload_position = position + sum(sequence_lengths)
    if payload_position + sum(payload_lengths) != len(frame):
        raise FrameError("frame length does not match its columns")
    columns = zip(arrivals, sequence_lengths, payload_lengths, strict=True)
    return origin, _read_records(frame, columns, position, payload_position)


def _read_records(
    frame: bytes, columns: Iterable[tuple[int, int, int]], position: int, payload_position: int
) -> Iterator[RawRecord]:
    for arrival, sequence_length, payload_length in columns:
        sequence = frame[position : position + sequence_length].decode("ascii")
        position += sequence_length
        yield RawRecord(sequence, arrival, frame[payload_position : payload_position + payload_length])
        payload_position += payload_length


def encode_frame(origin: str, records: Sequence[RawRecord]) -> bytes:
    """Write a frame, as the Java sources do; for tests, benchmarks and the dead-letter replay."""
    origin_bytes = origin.encode()
    count = len(records)
    sequences = [record.sequence.encode("ascii") for record in records]
    return b"".join(
        (
            _HEADER.pack(MAGIC, VERSION, 0, len(origin_bytes), count),
            origin_bytes,
            struct.pack(f">{count}q", *(record.arrival_time for record in records)),
            struct.pack(f">{count}H", *map(len, sequences)),
            struct.pack(f">{count}I", *(len(record.payload) for record in records)),
            *sequences,
            *(record.payload for record in records),
        )
    )
