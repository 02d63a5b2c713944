"""What the contestants of `ingest.py` have in common: the frames and the meter."""

import json
import os
import struct
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from udfs.ingest import IngestResult

METER_FOLDER_VARIABLE = "BENCH_METER_FOLDER"
FRAMES_VARIABLE = "BENCH_FRAMES"
_LENGTH = struct.Struct(">I")
_COUNT_AT = 8


class Mark(NamedTuple):
    """What a process had done at a moment: records, in so many CPU seconds."""

    at: float
    records: int
    cpu: float


class Meter:
    """Writes down as it goes how many records a process has done, when, and with what CPU time.

    Everything before the first record, such as imports and the start of a job, is left out.
    """

    def __init__(self) -> None:
        self._marks: list[Mark] = []

    def start(self) -> None:
        """Note the beginning, the first time."""
        if not self._marks:
            self._mark(0)

    def add(self, records: int) -> None:
        """Count records that are done."""
        self._mark(self._marks[-1].records + records)

    def write(self) -> None:
        """Leave the marks for `ingest.py`."""
        folder = os.environ.get(METER_FOLDER_VARIABLE)
        if folder and self._marks:
            Path(folder, f"{uuid.uuid4()}.json").write_text(json.dumps(self._marks))

    def _mark(self, records: int) -> None:
        self._marks.append(Mark(time.time(), records, time.process_time()))


def read_marks(folder: Path) -> list[list[Mark]]:
    """Return what the meters of each process left, oldest mark first."""
    return [[Mark(*mark) for mark in json.loads(path.read_text())] for path in folder.iterdir()]


def outputs(results: Iterable[IngestResult]) -> list[bytes]:
    """Return what leaves the stage, as bytes, as the job sends it on."""
    outputs: list[bytes] = []
    for result in results:
        outputs += (*result.archive, *result.receipts, *result.dead_letters)
        outputs += (second.to_bytes() for second in result.seconds)
    return outputs


def records_in(frame: bytes) -> int:
    """Return the number of records of a frame from its header."""
    return int.from_bytes(frame[_COUNT_AT : _COUNT_AT + 4], "big")


def read_frames(path: Path) -> Iterator[bytes]:
    """Yield the frames of a file, each written behind its length."""
    with path.open("rb") as stream:
        while header := stream.read(_LENGTH.size):
            yield stream.read(_LENGTH.unpack(header)[0])


def framed(frame: bytes) -> bytes:
    """Return a frame behind its length."""
    return _LENGTH.pack(len(frame)) + frame
