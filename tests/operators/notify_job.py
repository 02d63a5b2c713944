"""A bounded job around `notify`, in a process of its own: its Python workers read secrets from its environment.

    notify_job.py FOLDER

FOLDER/input has one JSON object a line, {"routed": …} or {"analysis": …}; FOLDER/output gets the incident documents.
While there is a file FOLDER/hold, analyses do not come and the input does not end.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from pyflink.common import Configuration, Row
from pyflink.datastream import MapFunction, StreamExecutionEnvironment

from jobs.log_insight.settings import load_settings
from schemas.alert import Routed
from schemas.analysis import Analysis
from udfs.operators.notify import INCIDENT_DOCUMENTS, NotifyFunction
from udfs.operators.type_info import BYTES, KEYED, key_of, keyed

CONFIGURATION = {
    "python.executable": sys.executable,
    "python.client.executable": sys.executable,
    "python.fn-execution.bundle.size": "8",
    "python.fn-execution.bundle.time": "100",
    "restart-strategy.type": "none",
}


HOLD_SECONDS = 240


class Hold(MapFunction):  # type: ignore[misc]  # PyFlink is untyped
    """Lets nothing pass while the file is there."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def map(self, value: Row) -> Row:
        deadline = time.monotonic() + HOLD_SECONDS
        while self._file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return value


def main(folder: Path) -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in (folder / "input").read_text().splitlines()]
    routed = [Routed.model_validate(line["routed"]) for line in lines if "routed" in line]
    analyses = [Analysis.model_validate(line["analysis"]) for line in lines if "analysis" in line]
    configuration = Configuration()
    for name, value in CONFIGURATION.items():
        configuration.set_string(name, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(1)
    first = env.from_collection([keyed(one.channel, one) for one in routed], KEYED)
    second = env.from_collection([keyed(one.channel, one) for one in analyses], KEYED)
    second = second.map(Hold(folder / "hold"), KEYED)
    notified = first.connect(second).key_by(key_of, key_of).process(NotifyFunction(load_settings()), BYTES)
    with notified.get_side_output(INCIDENT_DOCUMENTS).execute_and_collect() as results:
        (folder / "output").write_bytes(b"".join(bytes(result) + b"\n" for result in results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
