"""Send a story somewhere and keep the ledger: into a file of lines, or onto a Kinesis stream."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Protocol

from local.generator.manifest import Manifest
from local.generator.records import Record
from local.generator.story import Story

#: What PutRecords takes in one call, with room for the partition keys.
MAX_BATCH_RECORDS = 500
MAX_BATCH_BYTES = 4_500_000
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_MOST_ATTEMPTS = 20


class NotSentError(Exception):
    """Kinesis refused records again and again."""


class Target(Protocol):
    """Where records go."""

    def put(self, records: Sequence[Record], manifest: Manifest) -> None:
        """Put records and enter each into the ledger."""
        ...


class LineFile:
    """A file of lines, one record each."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def put(self, records: Sequence[Record], manifest: Manifest) -> None:
        """Write records."""
        now = _now_ms()
        self._stream.write(b"".join([record.data + b"\n" for record in records]))
        for record in records:
            manifest.put(record, now)


class KinesisStream:
    """A Kinesis stream. Partition keys are random, as Fluent Bit's are."""

    def __init__(self, client: Any, stream: str, seed: int) -> None:
        self._client = client
        self._stream = stream
        self._rng = random.Random(seed)  # noqa: S311 - partition keys

    def put(self, records: Sequence[Record], manifest: Manifest) -> None:
        """Put records; what Kinesis throttles is put again.

        Raises:
            NotSentError: something was refused too often.
        """
        for batch in batches(records):
            self._put_all(batch, manifest)

    def _put_all(self, records: list[Record], manifest: Manifest) -> None:
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_MOST_ATTEMPTS):
            now = _now_ms()
            refused = self._put(records)
            for record, was_refused in zip(records, refused, strict=True):
                if not was_refused:
                    manifest.put(record, now)
            records = [record for record, was_refused in zip(records, refused, strict=True) if was_refused]
            if not records:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise NotSentError(f"stream {self._stream} refused {len(records)} records {_MOST_ATTEMPTS} times")

    def _put(self, records: list[Record]) -> list[bool]:
        entries = [{"Data": record.data, "PartitionKey": f"{self._rng.getrandbits(64):016x}"} for record in records]
        reply = self._client.put_records(StreamName=self._stream, Records=entries)
        return ["ErrorCode" in result for result in reply["Records"]]


def batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Cut records into batches that PutRecords takes."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if batch and (len(batch) == MAX_BATCH_RECORDS or size + len(record.data) > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.data)
    if batch:
        yield batch


def send(
    story: Story, target: Target, *, paced: bool, progress: Callable[[Manifest], None] = lambda _: None
) -> Manifest:
    """Send a whole story and return its ledger. `paced` sends each slice when its moment has come.

    Raises:
        NotSentError: Kinesis refused records again and again.
    """
    manifest = story.manifest()
    manifest.started_ms = _now_ms()
    start = time.monotonic()
    for part in story.slices():
        if paced:
            time.sleep(max(0.0, start + part.offset_seconds - time.monotonic()))
        target.put(part.records, manifest)
        progress(manifest)
    manifest.finished_ms = _now_ms()
    return manifest


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
