"""Operators one behind the other, as a job in a process of its own; event time is under the caller's control.

    event_time_job.py PORT PARALLELISM CHECKPOINTS OPERATOR...

Elements come from PORT, one a line: event time in epoch milliseconds, key and JSON, separated by tabs. The watermark
follows right behind the largest event time; the end of the connection is the end of the run. An element without a body
fails the job, which then starts again from its latest checkpoint with a new connection; CHECKPOINTS is their folder.
The last operator's output goes to standard output as it comes, one JSON object a line: {"tag": …, "key": …, "body": …}.
Settings come from the environment.
"""

import json
import sys

from pyflink.common import Configuration, Row, WatermarkStrategy
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import DataStream, StreamExecutionEnvironment

from jobs.log_insight.settings import load_settings
from udfs.chunk import chunk_hour, chunk_lines, encode_chunk
from udfs.operators.admit import AdmitFunction
from udfs.operators.gate import ANALYSIS_REQUESTS, GateFunction
from udfs.operators.seal import SealFunction, all_hours
from udfs.operators.track import TrackFunction
from udfs.operators.type_info import BYTES, KEYED, key_of

CONFIGURATION = {
    "python.executable": sys.executable,
    "python.client.executable": sys.executable,
    "python.fn-execution.bundle.size": "8",
    "python.fn-execution.bundle.time": "100",
    "pipeline.auto-watermark-interval": "10 ms",
    "execution.checkpointing.interval": "200 ms",
    "execution.checkpointing.storage": "filesystem",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1",
    "restart-strategy.fixed-delay.delay": "10 ms",
}
OPERATORS = {"admit": AdmitFunction, "track": TrackFunction, "gate": GateFunction}


class EventTime(TimestampAssigner):
    def extract_timestamp(self, value: str, record_timestamp: int) -> int:
        del record_timestamp
        return int(value.partition("\t")[0])


def to_row(line: str) -> Row:
    _, key, body = line.split("\t")
    if not body:
        raise ValueError("asked to fail")
    return Row(key=key, body=body.encode())


def source(env: StreamExecutionEnvironment, port: int) -> DataStream:
    lines = DataStream(env._j_stream_execution_environment.socketTextStream("127.0.0.1", port))
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(EventTime())
    return lines.assign_timestamps_and_watermarks(strategy).map(to_row, KEYED)


def processed(stream: DataStream, operator: str) -> DataStream:
    if operator != "seal":
        return stream.key_by(key_of).process(OPERATORS[operator](load_settings()), KEYED)
    receipts = stream.map(lambda row: encode_chunk(0, [row.body]), BYTES)
    markers = receipts.key_by(all_hours).process(SealFunction(load_settings()), BYTES)
    return markers.map(lambda chunk: Row(key=str(chunk_hour(chunk)), body=chunk_lines(chunk)[0]), KEYED)


def tagged(tag: str, stream: DataStream) -> DataStream:
    return stream.map(lambda row: Row(key=f"{tag}\t{row.key}", body=row.body), KEYED)


def main(port: int, parallelism: int, checkpoints: str, operators: list[str]) -> None:
    configuration = Configuration()
    for name, value in CONFIGURATION.items():
        configuration.set_string(name, value)
    configuration.set_string("execution.checkpointing.dir", f"file://{checkpoints}")
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(parallelism)
    stream = source(env, port)
    for operator in operators:
        stream = processed(stream, operator)
    output = tagged("main", stream)
    if operators[-1] == "gate":
        output = output.union(tagged("analysis", stream.get_side_output(ANALYSIS_REQUESTS)))
    with output.execute_and_collect() as results:
        for row in results:
            tag, _, key = row[0].partition("\t")
            sys.stdout.write(json.dumps({"tag": tag, "key": key, "body": json.loads(bytes(row[1]))}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
