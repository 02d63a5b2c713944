"""A bounded job around `analyze`, in a process of its own: its Python workers read secrets from its environment.

    analyze_job.py INPUT OUTPUT

INPUT has one `AnalysisRequest` a line; OUTPUT gets one line for each analysis: its key, a tab, the analysis.
"""

import sys
from pathlib import Path

from pyflink.common import Configuration
from pyflink.datastream import AsyncDataStream, StreamExecutionEnvironment

from jobs.log_insight.settings import load_settings
from schemas.analysis import AnalysisRequest
from udfs.operators.analyze import CAPACITY, AnalyzeFunction, flink_timeout
from udfs.operators.type_info import KEYED, keyed

CONFIGURATION = {
    "python.executable": sys.executable,
    "python.client.executable": sys.executable,
    "python.fn-execution.bundle.size": "8",
    "python.fn-execution.bundle.time": "100",
    "restart-strategy.type": "none",
}


def main(source: Path, target: Path) -> None:
    requests = [AnalysisRequest.model_validate_json(line) for line in source.read_text().splitlines()]
    configuration = Configuration()
    for name, value in CONFIGURATION.items():
        configuration.set_string(name, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(1)
    rows = env.from_collection([keyed(request.channel, request) for request in requests], KEYED)
    settings = load_settings()
    analyses = AsyncDataStream.unordered_wait(
        rows, AnalyzeFunction(settings), flink_timeout(settings.analyze), CAPACITY, KEYED
    )
    with analyses.execute_and_collect() as results:
        lines = [b"%s\t%s\n" % (key.encode(), unsigned(body)) for key, body in results]
    target.write_bytes(b"".join(lines))


def unsigned(signed: list[int]) -> bytes:
    """Return the bytes that were collected: Java's are signed."""
    return bytes(byte % 256 for byte in signed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
