"""The smallest job around a source: what it reads goes, line by line, through the job's own file sink.

    source_job.py FOLDER

Reads as the `CALI_…` variables say, writes below FOLDER, says `RUNNING`, and ends with its input; or when its standard
input is closed.
"""

import sys
import threading
from collections.abc import Iterator

from pyflink.common import Configuration, WatermarkStrategy
from pyflink.datastream import RuntimeExecutionMode, StreamExecutionEnvironment

from jobs.log_insight.settings import load_settings
from jobs.log_insight.sinks import chunk_file_sink
from jobs.log_insight.sources import record_source
from local.paths import CONNECTORS_JAR
from udfs.chunk import encode_chunk, hour_of
from udfs.frame import decode_frame
from udfs.operators.type_info import BYTES

CONFIGURATION = {
    "pipeline.jars": f"file://{CONNECTORS_JAR}",
    "python.executable": sys.executable,
    "python.client.executable": sys.executable,
    "python.fn-execution.bundle.size": "8",
    "python.fn-execution.bundle.time": "100",
    "execution.checkpointing.interval": "500 ms",
    "restart-strategy.type": "none",
}


def to_chunks(frame: bytes) -> Iterator[bytes]:
    """Write each record as `origin sequence payload`, in a chunk of its own."""
    batch = decode_frame(frame)
    for record in batch.records:
        line = b" ".join((batch.origin.encode(), record.sequence.encode(), record.payload))
        yield encode_chunk(hour_of(record.arrival_time), [line])


def main(folder: str) -> None:
    configuration = Configuration()
    for name, value in CONFIGURATION.items():
        configuration.set_string(name, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_runtime_mode(RuntimeExecutionMode.STREAMING)
    env.set_parallelism(2)
    frames = env.from_source(record_source(load_settings()), WatermarkStrategy.no_watermarks(), "source", BYTES)
    frames.flat_map(to_chunks, BYTES).sink_to(chunk_file_sink(folder, "part"))
    job = env.execute_async("source")
    print("RUNNING", flush=True)  # noqa: T201 - what the test waits for
    threading.Thread(target=lambda: (sys.stdin.read(), job.cancel()), daemon=True).start()
    job.get_job_execution_result().result()


if __name__ == "__main__":
    main(sys.argv[1])
