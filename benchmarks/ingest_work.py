"""What the contestants of `ingest.py` have in common: the settings, the stage, the frames and the meter."""

import json
import os
import struct
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from jobs.log_insight.settings import IngestSettings, SourceSettings
from udfs.fingerprint import FingerprintRules
from udfs.ingest import Ingest
from udfs.parameterize import load_parameterize_rules
from udfs.redact import Redactor, load_redact_rules

METER_FOLDER_VARIABLE = "BENCH_METER_FOLDER"
FRAMES_VARIABLE = "BENCH_FRAMES"
_LENGTH = struct.Struct(">I")
_COUNT_AT = 8


class Meter:
    """Says when a process began its first record and ended its last, and what CPU time lay between.

    Everything before the first record, such as imports and the start of a job, is thereby left out.
    """

    def __init__(self) -> None:
        self._records = 0
        self._report: dict[str, float] = {}

    def start(self) -> None:
        """Note the beginning, the first time."""
        if not self._report:
            self._report = {"pid": os.getpid(), "first": time.time(), "cpu_first": time.process_time()}

    def add(self, records: int) -> None:
        """Count records that are done."""
        self._records += records
        self._report |= {"records": self._records, "last": time.time(), "cpu_last": time.process_time()}

    def write(self) -> None:
        """Leave the figures for `ingest.py`."""
        folder = os.environ.get(METER_FOLDER_VARIABLE)
        if folder and self._records:
            Path(folder, f"{uuid.uuid4()}.json").write_text(json.dumps(self._report))


def kinesis_stage() -> Ingest:
    """Return the ingest stage as the job has it behind Kinesis."""
    rules = FingerprintRules(load_parameterize_rules())
    return Ingest(SourceSettings(), IngestSettings(), Redactor(load_redact_rules()), rules)


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
