"""What every operator promises, whatever it does: one suite over all of them.

Each operator is a `Case`. The script at the bottom puts all cases into one real job, in a process of its own, and
writes down what came out; the tests look at that. To add an operator is to add a case.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import pytest
from pyflink.common import Configuration, Row
from pyflink.common.typeinfo import TypeInformation
from pyflink.datastream import AsyncDataStream, DataStream, OutputTag, StreamExecutionEnvironment
from pyflink.datastream.functions import Function

from jobs.log_insight.settings import (
    AnalyzeSettings,
    IndexSettings,
    MilvusSettings,
    Settings,
    SourceKind,
    SourceSettings,
)
from schemas.alert import Routed
from schemas.analysis import Analysis, AnalysisRequest
from schemas.error_group import ErrorGroup, ServiceSecond
from schemas.hour_marker import HourMarker
from schemas.incident import Incident, IncidentEvent, IncidentUpdate
from schemas.log_entry import Severity
from schemas.receipt import Receipt
from udfs.chunk import chunk_lines, encode_chunk, hour_of
from udfs.operators import analyze
from udfs.operators.admit import AdmitFunction
from udfs.operators.analyze import AnalyzeFunction
from udfs.operators.gate import ANALYSIS_REQUESTS, GateFunction
from udfs.operators.index import (
    CAPACITY,
    INDEX_BACKLOG,
    IndexFunction,
    IndexTarget,
    SplitIndexOutcome,
    flink_timeout,
)
from udfs.operators.seal import SealFunction, all_hours
from udfs.operators.track import TrackFunction
from udfs.operators.type_info import BYTES, KEYED, key_of, keyed

SECOND = 1_763_812_800


class Output(NamedTuple):
    """What an operator emits: main output or side output, its type, and what reads the bytes of an element."""

    tag: OutputTag | None
    declared: TypeInformation
    read: Callable[[bytes], object]


class Case(NamedTuple):
    """An operator, the few elements that make it emit on every output, and how it is put into a job."""

    function: Callable[[], Function]
    elements: list[Any]
    elements_type: TypeInformation
    wire: Callable[[DataStream, Function], DataStream]
    outputs: dict[str, Output]


def by_key(stream: DataStream, function: Function) -> DataStream:
    return stream.key_by(key_of).process(function, KEYED)


def analyzed(stream: DataStream, function: Function) -> DataStream:
    return AsyncDataStream.unordered_wait(
        stream, function, analyze.flink_timeout(AnalyzeSettings()), analyze.CAPACITY, KEYED
    )


def sealed(stream: DataStream, function: Function) -> DataStream:
    chunks = stream.map(lambda row: bytes(row.body), BYTES)
    return chunks.key_by(all_hours).process(function, BYTES)


def indexed(stream: DataStream, function: Function) -> DataStream:
    chunks = stream.map(lambda row: bytes(row.body), BYTES)
    outcomes = AsyncDataStream.unordered_wait(chunks, function, flink_timeout(IndexSettings()), CAPACITY, BYTES)
    return outcomes.process(SplitIndexOutcome(), BYTES)


DOCUMENT = b'{"id":"s/0:1:0","arrival_time":%d,"severity_text":"INFO"}' % (SECOND * 1000)
NOBODY_LISTENS = "http://127.0.0.1:9"
GROUP = ErrorGroup(
    fingerprint="f" * 16,
    service="payment-api",
    second=SECOND,
    severity=Severity.ERROR,
    count=1,
    title="DB timeout",
    template="DB timeout",
    first_seen=SECOND * 1000,
    last_seen=SECOND * 1000,
    rules_version="2026-01-01",
)
INCIDENT = Incident(
    id="1" * 16,
    environment="test",
    started=SECOND,
    revision=1,
    **GROUP.model_dump(include=set(Incident.model_fields)),
)

HOUR = hour_of(SECOND * 1000)
RECEIPT = Receipt(
    origin="s/0",
    hour=HOUR,
    after="",
    first_sequence="1",
    last_sequence="1",
    first_arrival=SECOND * 1000,
    last_arrival=SECOND * 1000,
    records=1,
    lines=1,
    archived=1,
    dead=0,
    severities={"INFO": 1},
    errors={},
    rules_version="2026-01-01",
)

CASES = {
    "seal": Case(
        lambda: SealFunction(Settings(source=SourceSettings(kind=SourceKind.FILE, path="/nowhere"))),
        [Row(key="chunk", body=encode_chunk(HOUR, [RECEIPT.to_bytes()]))],
        KEYED,
        sealed,
        {"main": Output(None, BYTES, lambda chunk: HourMarker.model_validate_json(chunk_lines(chunk)[0]))},
    ),
    "admit": Case(
        lambda: AdmitFunction(Settings()),
        [keyed("payment-api", ServiceSecond(service="payment-api", second=SECOND, groups=(GROUP,)))],
        KEYED,
        by_key,
        {"main": Output(None, KEYED, ErrorGroup.model_validate_json)},
    ),
    "track": Case(
        lambda: TrackFunction(Settings()),
        [keyed(GROUP.fingerprint, GROUP)],
        KEYED,
        by_key,
        {"main": Output(None, KEYED, IncidentUpdate.model_validate_json)},
    ),
    "gate": Case(
        lambda: GateFunction(Settings()),
        [
            keyed(
                INCIDENT.service,
                IncidentUpdate(event=IncidentEvent.OPENED, at=SECOND * 1000, interval=0, incident=INCIDENT),
            )
        ],
        KEYED,
        by_key,
        {
            "main": Output(None, KEYED, Routed.model_validate_json),
            "analysis requests": Output(ANALYSIS_REQUESTS, KEYED, AnalysisRequest.model_validate_json),
        },
    ),
    "analyze": Case(
        lambda: AnalyzeFunction(
            Settings(milvus=MilvusSettings(uri=NOBODY_LISTENS), analyze=AnalyzeSettings(retrieval_timeout_seconds=0.2))
        ),
        [keyed("alerts", AnalysisRequest(channel="alerts", incident=INCIDENT))],
        KEYED,
        analyzed,
        {"main": Output(None, KEYED, Analysis.model_validate_json)},
    ),
    "index": Case(
        lambda: IndexFunction(IndexSettings(url=NOBODY_LISTENS, max_hold_seconds=0.2), IndexTarget.LOGS),
        [Row(key="chunk", body=encode_chunk(HOUR, [DOCUMENT]))],
        KEYED,
        indexed,
        {"backlog": Output(INDEX_BACKLOG, BYTES, lambda chunk: chunk_lines(chunk) == [DOCUMENT])},
    ),
}

OUTPUTS = [(case, output) for case in CASES for output in CASES[case].outputs]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Run all operators to the end of a bounded job; return one object for each element and each output's type."""
    path = tmp_path_factory.mktemp("contract") / "results"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALI_")}
    run = subprocess.run(  # noqa: S603 - this very file
        [sys.executable, __file__, path], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("case", CASES)
def test_an_operator_travels_to_the_workers(case):
    function = CASES[case].function()
    assert type(cloudpickle.loads(cloudpickle.dumps(function))) is type(function)


@pytest.mark.parametrize(("case", "output"), OUTPUTS)
def test_an_output_has_the_declared_type(job, case, output):
    types = [result["type"] for result in job if result["output"] == f"{case}/{output}" and "type" in result]
    assert types == [str(CASES[case].outputs[output].declared)]


@pytest.mark.parametrize(("case", "output"), OUTPUTS)
def test_what_waits_comes_out_at_the_end_of_a_bounded_run_and_reads_as_its_model(job, case, output):
    elements = [result for result in job if result["output"] == f"{case}/{output}" and "body" in result]
    assert elements
    for element in elements:
        assert CASES[case].outputs[output].read(base64.b64decode(element["body"]))


def to_row(name: str, stream: DataStream, declared: TypeInformation) -> DataStream:
    """Label the elements of one output; every element is read as the type says, or the job fails."""
    if declared == KEYED:
        return stream.map(lambda row: Row(key=name, body=bytes(row.body)), KEYED)
    return stream.map(lambda chunk: Row(key=name, body=bytes(chunk)), KEYED)


def unsigned(signed: list[int]) -> bytes:
    """Return the bytes that were collected: Java's are signed."""
    return bytes(byte % 256 for byte in signed)


def main(path: Path) -> None:
    configuration = Configuration()
    configuration.set_string("python.executable", sys.executable)
    configuration.set_string("python.client.executable", sys.executable)
    configuration.set_string("restart-strategy.type", "none")
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(1)
    results: list[dict[str, str]] = []
    labelled: list[DataStream] = []
    for name, case in CASES.items():
        stream = case.wire(env.from_collection(case.elements, case.elements_type), case.function()).name(name)
        for output, (tag, declared, _) in case.outputs.items():
            emitted = stream if tag is None else stream.get_side_output(tag)
            results.append({"output": f"{name}/{output}", "type": str(emitted.get_type())})
            labelled.append(to_row(f"{name}/{output}", emitted, declared))
    with labelled[0].union(*labelled[1:]).execute_and_collect() as rows:
        results += [{"output": row[0], "body": base64.b64encode(unsigned(row[1])).decode()} for row in rows]
    path.write_text("".join(f"{json.dumps(result)}\n" for result in results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
