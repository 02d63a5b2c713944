"""The same in Bytewax: frames in, every output to a sink that discards it. Run by `bytewax.testing`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from benchmarks.ingest_work import FRAMES_VARIABLE, Meter, outputs, read_frames, records_in
from local.ingest_stage import kinesis_stage
from udfs.worker import settle_garbage

stage = kinesis_stage()
meter = Meter()
settle_garbage()


class FramePartition(StatefulSourcePartition[bytes, None]):
    """The frames of one file, one a batch."""

    def __init__(self, path: Path) -> None:
        self._frames = read_frames(path)

    def next_batch(self) -> Iterable[bytes]:
        """Return the next frame; the end of the file ends the partition."""
        return [next(self._frames)]

    def snapshot(self) -> None:
        """Keep no state."""


class Frames(FixedPartitionedSource[bytes, None]):
    """The frame files of a folder; Bytewax spreads them over its workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_parts(self) -> list[str]:
        """Return the names of the files."""
        return sorted(path.name for path in self._folder.iterdir())

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> FramePartition:  # noqa: ARG002 - Bytewax's
        """Open one file."""
        return FramePartition(self._folder / for_part)


class DiscardPartition(StatelessSinkPartition[Any]):
    """Drops what it is given."""

    def write_batch(self, items: list[Any]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Leave the meter's figures."""
        meter.write()


class Discard(DynamicSink[Any]):
    """A sink to nowhere."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> DiscardPartition:  # noqa: ARG002 - Bytewax's
        """Return the sink of one worker."""
        return DiscardPartition()


def ingest(frame: bytes) -> list[Any]:
    """Process one frame."""
    meter.start()
    result = outputs(stage.process(frame))
    meter.add(records_in(frame))
    return result


flow = Dataflow("ingest")
frames = op.input("frames", flow, Frames(Path(os.environ[FRAMES_VARIABLE])))
op.output("discard", op.flat_map("ingest", frames, ingest), Discard())
