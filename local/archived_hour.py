"""An hour of archive, receipts, marker and dead letters in a folder, made of a story by the job's own stages.

Flink is not part of it, so it takes seconds: for checks of what is stored, and to measure them. As a module it makes an
hour, and prints the settings with which `cali quality` reads it.
"""

import argparse
import gzip
import random
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from jobs.log_insight.operator_ids import OperatorId
from local.generator.manifest import Manifest
from local.generator.story import Options, Story
from local.ingest_stage import kinesis_stage
from schemas.receipt import Receipt
from udfs.chunk import HEADER_SIZE, HOUR_MS, chunk_lines, hour_folder
from udfs.frame import RawRecord, encode_frame
from udfs.seal import SHARD_SILENCE_MS, Seal, SealMaps

#: The sub-folders, as the local stack names them, and the prefix of the files in each.
FOLDERS = {
    "logs": OperatorId.ARCHIVE_SINK,
    "receipts": OperatorId.RECEIPT_SINK,
    "dlq": OperatorId.DEAD_LETTER_SINK,
    "markers": OperatorId.MARKER_SINK,
}
#: The settings that lead to the sub-folders; reports are written beside them.
VARIABLES = {
    "CALI_STORE__ARCHIVE": "logs",
    "CALI_STORE__RECEIPTS": "receipts",
    "CALI_STORE__DEAD_LETTERS": "dlq",
    "CALI_STORE__MARKERS": "markers",
    "CALI_QUALITY__REPORTS": "quality",
}
STREAM = "cali-logs"

_FRAMES_IN_A_FILE = 3
#: The last record arrives so long before the hour's end, milliseconds.
_MARGIN_MS = 30_000
_GZIP_LEVEL = 6


class _Sinks:
    """The files of an hour, a new one of each kind after so many frames, as after a checkpoint."""

    def __init__(self, root: Path, hour: int) -> None:
        self._root = root
        self._folder = hour_folder(hour)

    def write(self, folder: str, frame: int, chunks: Iterable[bytes]) -> None:
        """Add chunks to the file of a frame."""
        name = f"{FOLDERS[folder]}-{frame // _FRAMES_IN_A_FILE}.ndjson.gz"
        path = self._root / folder / self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = b"".join(chunk[HEADER_SIZE:] for chunk in chunks)
        if content:
            with path.open("ab") as file, gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_GZIP_LEVEL) as lines:
                lines.write(content)


class _Shard:
    """A shard, as a reader of it: frames that say what had been read before."""

    def __init__(self, number: int) -> None:
        self._origin = f"{STREAM}/shardId-{number:012}"
        self._after = ""
        self._records: list[RawRecord] = []
        self.size = 0

    def put(self, sequence: int, arrival: int, data: bytes) -> None:
        self._records.append(RawRecord(f"{10**55 + sequence}", arrival, data))
        self.size += len(data)

    def take(self) -> bytes:
        """Return what is not in a frame yet as one."""
        frame = encode_frame(self._origin, self._records, after=self._after)
        self._after = self._records[-1].sequence
        self._records, self.size = [], 0
        return frame


def write_hour(
    root: Path, hour: int, lines: int, *, seed: int = 1, shards: int = 2, frame_bytes: int = 1024 * 1024
) -> Manifest:
    """Write an hour that begins at `hour`, epoch milliseconds, with about `lines` log lines; return the ledger of it.

    The time-line of the story fills the hour; a frame has so many bytes of a shard. `FOLDERS` are those of `root`.
    """
    ingest = kinesis_stage()
    story = Story(Options(seed, lines, (HOUR_MS - _MARGIN_MS) / 1000, hour))
    manifest = story.manifest()
    sinks = _Sinks(root, hour)
    seal = Seal(None, SealMaps({}, {}, {}), SHARD_SILENCE_MS)
    rng = random.Random(seed)  # noqa: S311 - partition keys
    readers = [_Shard(number) for number in range(shards)]
    frame = sequence = 0

    def emit(shard: _Shard) -> None:
        nonlocal frame
        for result in ingest.process(shard.take()):
            sinks.write("logs", frame, result.archive)
            sinks.write("receipts", frame, result.receipts)
            sinks.write("dlq", frame, result.dead_letters)
            for line in (line for chunk in result.receipts for line in chunk_lines(chunk)):
                seal.apply(Receipt.model_validate_json(line))
        frame += 1

    for part in story.slices():
        arrival = hour + round(part.offset_seconds * 1000)
        for record in part.records:
            manifest.put(record, arrival)
            sequence += 1
            shard = rng.choice(readers)
            shard.put(sequence, arrival, record.data)
            if shard.size >= frame_bytes:
                emit(shard)
    for shard in readers:
        if shard.size:
            emit(shard)
    markers = seal.advance(hour + HOUR_MS)
    sinks.write("markers", 0, [b"\0" * HEADER_SIZE + marker.to_bytes() + b"\n" for marker in markers])
    return manifest


def main() -> None:
    """Make an hour."""
    parser = argparse.ArgumentParser(prog="local.archived_hour", description="Make an hour of archive to be checked.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hour", default="2026-11-22T11:00", help="its start, ISO-8601")
    parser.add_argument("--lines", type=int, default=20_000)
    arguments = parser.parse_args()
    start = datetime.fromisoformat(arguments.hour)
    hour = round(start.replace(tzinfo=start.tzinfo or UTC).timestamp() * 1000)
    write_hour(arguments.folder, hour, arguments.lines)
    for variable, folder in VARIABLES.items():
        print(f"export {variable}={shlex.quote(str(arguments.folder.resolve() / folder))}")  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
