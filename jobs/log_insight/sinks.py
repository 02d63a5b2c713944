"""The file sinks of the job: a thin wrapper of the Java module in `connectors/`, as in `sources`."""

from pyflink.datastream.connectors.base import Sink
from pyflink.java_gateway import get_gateway


def chunk_file_sink(path: str, prefix: str) -> Sink:
    """Return a sink for chunks (`udfs/chunk.py`): gzip NDJSON in `path/dt=YYYY-MM-DD/hour=HH/`, UTC arrival hour.

    A file is named `prefix-<subtask's id>-<number>.ndjson.gz`, and committed with the checkpoint after its last line:
    an hour makes one file a checkpoint and subtask that wrote to it.
    """
    return Sink(get_gateway().jvm.dev.cali.connectors.Sinks.chunks(path, prefix))
