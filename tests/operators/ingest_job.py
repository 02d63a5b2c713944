"""Run `ingest` in a real Flink job on the frames of a file, and write what comes out to another. Started by a test."""

import base64
import json
import sys
from pathlib import Path

from pyflink.common import Configuration, Types
from pyflink.datastream import StreamExecutionEnvironment

from jobs.log_insight.settings import IngestSettings, Settings
from udfs.operators.ingest import ARCHIVE, DEAD_LETTERS, RECEIPTS, IngestFunction
from udfs.operators.type_info import BYTES, KEYED

TEXT = Types.STRING()
CONFIGURATION = {
    "python.executable": sys.executable,
    "python.client.executable": sys.executable,
    "python.fn-execution.bundle.size": "8",
    "python.fn-execution.bundle.time": "100",
}


def main(frames_file: Path, results_file: Path) -> None:
    configuration = Configuration()
    for key, value in CONFIGURATION.items():
        configuration.set_string(key, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.set_parallelism(1)
    settings = Settings(ingest=IngestSettings(max_line_bytes=2_048))
    # PyFlink takes no byte arrays in a collection.
    texts = environment.from_collection(frames_file.read_text().splitlines(), TEXT)
    main_output = texts.map(base64.b64decode, BYTES).process(IngestFunction(settings), KEYED)
    everything = main_output.map(lambda row: as_text("main", json.dumps([row.key, row.body.decode()]).encode()), TEXT)
    for tag in (ARCHIVE, RECEIPTS, DEAD_LETTERS):
        chunks = main_output.get_side_output(tag)
        everything = everything.union(chunks.map(lambda chunk, name=tag.tag_id: as_text(name, chunk), TEXT))
    with everything.execute_and_collect() as results:
        results_file.write_text("\n".join(results))


def as_text(name: str, body: bytes) -> str:
    return f"{name}:{base64.b64encode(body).decode()}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
