"""The Flink jobs of `ingest.py`: `flink run -pym benchmarks.ingest_flink batches|records`."""

import sys
from pathlib import Path

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.datastream.connectors.base import Sink
from pyflink.datastream.connectors.file_system import FileSource, StreamFormat
from pyflink.java_gateway import get_gateway

from benchmarks.ingest_functions import CombineByKey, MeteredIngest, RecordIngest
from jobs.log_insight.__main__ import configuration
from jobs.log_insight.settings import Settings, SourceKind, load_settings
from jobs.log_insight.sources import file_source
from jobs.log_insight.streams import side_output
from udfs.operators.ingest import ARCHIVE, DEAD_LETTERS, RECEIPTS
from udfs.operators.type_info import BYTES, KEYED, key_of

#: Flink's own defaults, which suit single records: `configuration` is set for batches.
RECORD_BUNDLE_ELEMENTS = 1_000
RECORD_BUNDLE_MILLISECONDS = 1_000


def batches(env: StreamExecutionEnvironment, settings: Settings) -> None:
    """Build the job's own way: a batch an element. The stage is set as it is behind Kinesis."""
    behind_kinesis = settings.model_copy(
        update={"source": settings.source.model_copy(update={"kind": SourceKind.KINESIS})}
    )
    frames = env.from_source(file_source(settings), WatermarkStrategy.no_watermarks(), "frames", BYTES)
    ingested = frames.process(MeteredIngest(behind_kinesis), KEYED)
    discard(ingested)
    for tag in (ARCHIVE, RECEIPTS, DEAD_LETTERS):
        discard(side_output(ingested, tag))


def records(env: StreamExecutionEnvironment, settings: Settings) -> None:
    """Build the usual way: a record an element."""
    (folder,) = settings.source.path or ()
    arrival_ms = int(next(Path(folder).iterdir()).stat().st_mtime * 1000)
    source = FileSource.for_record_stream_format(StreamFormat.text_line_format(), folder).build()
    lines = env.from_source(source, WatermarkStrategy.no_watermarks(), "lines")
    ingested = lines.process(RecordIngest(settings.ingest, arrival_ms), KEYED)
    discard(ingested.key_by(key_of, Types.STRING()).process(CombineByKey(), KEYED))
    for tag in (ARCHIVE, DEAD_LETTERS):
        discard(side_output(ingested, tag))


def discard(stream: DataStream) -> None:
    """Send a stream nowhere."""
    stream.sink_to(Sink(get_gateway().jvm.org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink()))


def main() -> None:
    """Build and submit the job that the argument names."""
    settings = load_settings()
    config: Configuration = configuration(settings)
    config.set_boolean("pipeline.auto-generate-uids", True)
    if sys.argv[1] == "batches":
        env = StreamExecutionEnvironment.get_execution_environment(config)
        batches(env, settings)
    else:
        config.set_integer("python.fn-execution.bundle.size", RECORD_BUNDLE_ELEMENTS)
        config.set_integer("python.fn-execution.bundle.time", RECORD_BUNDLE_MILLISECONDS)
        env = StreamExecutionEnvironment.get_execution_environment(config)
        records(env, settings)
    env.execute(f"benchmark {sys.argv[1]}")


if __name__ == "__main__":
    main()
