"""The job's ingest functions in a bare loop, on one core: `python -m benchmarks.ingest_loop FILE…`."""

import sys
from pathlib import Path

from benchmarks.ingest_work import Meter, outputs, read_frames, records_in
from local.ingest_stage import kinesis_stage
from udfs.worker import settle_garbage


def main() -> None:
    """Process all frames of the given files."""
    stage, meter = kinesis_stage(), Meter()
    settle_garbage()
    for path in sys.argv[1:]:
        for frame in read_frames(Path(path)):
            meter.start()
            outputs(stage.process(frame))
            meter.add(records_in(frame))
    meter.write()


if __name__ == "__main__":
    main()
