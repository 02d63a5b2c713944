"""RecordBatch frames: many records of one shard or file in one element.

The layout is shared with `RecordBatchFrame.java`; `tests/data/frame.golden.bin` is read by the tests of both.
All numbers are big-endian. Columns come before texts, so that one `struct` call reads a whole column:

    magic            4 bytes  "CALF"
    version          u8       2
    reserved         u8       0
    origin length    u16
    after length     u16
    records          u32      n
    origin           UTF-8    Kinesis: "stream/shardId-000000000000"; files: the path as it was listed
    after            ASCII    the sequence up to which the origin was read before; empty where its reading began
    arrival times    n x i64  epoch milliseconds; Kinesis: ApproximateArrivalTimestamp; files: modification time
    sequence lengths n x u16
    payload lengths  n x u32
    sequences        ASCII    Kinesis: the sequence number; files: the byte offset of the line, after decompression
    payloads         bytes
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeVar

MAGIC = b"CALF"
VERSION = 2
_HEADER = struct.Struct(">4sBBHHI")

S = TypeVar("S", str, bytes)


class FrameError(Exception):
    """A frame that `KinesisBatchSource` or `RecordBatchFormat` cannot have written: a bug, not bad input."""


class RawRecord(NamedTuple):
    """One record as it lay on the stream. `arrival_time` is epoch milliseconds."""

    sequence: str
    arrival_time: int
    payload: bytes


class RecordBatch(NamedTuple):
    """The records of one frame, in the order of the stream; `after` as in the layout."""

    origin: str
    after: str
    records: list[RawRecord]


class Records(NamedTuple):
    """Some records of a frame, as columns."""

    sequences: list[str]
    arrivals: tuple[int, ...]
    payloads: list[bytes]


class Frame(NamedTuple):
    """A frame whose records are read in blocks, so that not all of them have to be in memory."""

    origin: str
    after: str
    blocks: Iterator[Records]


def decode_frame(frame: bytes) -> RecordBatch:
    """Read a frame as a whole.

    Raises:
        FrameError: as `read_frame`.
    """
    origin, after, blocks = read_frame(frame, block=1_024)
    return RecordBatch(origin, after, [RawRecord(*row) for records in blocks for row in zip(*records, strict=True)])


def read_frame(frame: bytes, block: int) -> Frame:
    """Read a frame, its records in blocks of so many.

    Raises:
        FrameError: the bytes are not a frame of version 2, or their length is not what its columns say.
    """
    try:
        magic, version, _, origin_length, after_length, count = _HEADER.unpack_from(frame)
        if magic != MAGIC or version != VERSION:
            raise FrameError(f"not a version {VERSION} frame")
        position = _HEADER.size
        origin = frame[position : position + origin_length].decode()
        position += origin_length
        after = frame[position : position + after_length].decode("ascii")
        position += after_length
        arrivals = struct.unpack_from(f">{count}q", frame, position)
        position += 8 * count
        sequence_borders = list(accumulate(struct.unpack_from(f">{count}H", frame, position), initial=0))
        position += 2 * count
        payload_lengths = struct.unpack_from(f">{count}I", frame, position)
        position += 4 * count
        payload_borders = list(accumulate(payload_lengths, initial=position + sequence_borders[-1]))
        sequences = frame[position : payload_borders[0]].decode("ascii")
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError("frame is cut short") from error
    if payload_borders[-1] != len(frame):
        raise FrameError("frame length does not match its columns")
    blocks = (
        Records(
            _slices(sequences, sequence_borders[start : start + block + 1]),
            arrivals[start : start + block],
            _slices(frame, payload_borders[start : start + block + 1]),
        )
        for start in range(0, count, block)
    )
    return Frame(origin, after, blocks)


def _slices(whole: S, borders: list[int]) -> list[S]:
    return [whole[start:end] for start, end in pairwise(borders)]


def encode_frame(origin: str, records: Sequence[RawRecord], *, after: str = "") -> bytes:
    """Write a frame, as the Java sources do; for tests and benchmarks."""
    origin_bytes = origin.encode()
    after_bytes = after.encode("ascii")
    count = len(records)
    sequences = [record.sequence.encode("ascii") for record in records]
    return b"".join(
        (
            _HEADER.pack(MAGIC, VERSION, 0, len(origin_bytes), len(after_bytes), count),
            origin_bytes,
            after_bytes,
            struct.pack(f">{count}q", *(record.arrival_time for record in records)),
            struct.pack(f">{count}H", *map(len, sequences)),
            struct.pack(f">{count}I", *(len(record.payload) for record in records)),
            *sequences,
            *(record.payload for record in records),
        )
    )
