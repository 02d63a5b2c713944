"""`analyze` in a real Flink job, with Python workers as processes and a real Milvus."""

import asyncio
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from pyflink.common import Row
from pyflink.fn_execution.datastream.process.runtime_context import StreamingRuntimeContext
from pyflink.fn_execution.flink_fn_execution_pb2 import UserDefinedDataStreamFunction
from pyflink.fn_execution.metrics.process.metric_impl import GenericMetricGroup
from pymilvus import MilvusClient

from jobs.commands.analyze import LogText, incident_of, load_rules
from jobs.knowledge import read_documents
from jobs.log_insight.settings import AnalyzeSettings, AwsSettings, MilvusSettings, Settings
from local.llm import LlmStub
from local.milvus import Milvus
from local.ports import free_port
from schemas.analysis import Analysis, AnalysisRequest, AnalysisStatus
from udfs.analyze.embed import load_embedder
from udfs.analyze.sync import promote, stage
from udfs.operators.analyze import AnalyzeFailedError, AnalyzeFunction, flink_timeout
from udfs.operators.type_info import keyed

KNOWLEDGE = Path(__file__).parents[2] / "knowledge"
JOB = Path(__file__).with_name("analyze_job.py")
KNOWN = "redis.exceptions.ResponseError: OOM command not allowed when used memory > 'maxmemory'."
UNKNOWN = "thumbnail of a cat is too cute"


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    with Milvus(tmp_path_factory.mktemp("milvus")) as started:
        client = MilvusClient(started.uri)
        staged = stage(client, "operator", read_documents(str(KNOWLEDGE), AwsSettings()), load_embedder())
        promote(client, "operator", staged.collection, staged.live)
        client.close()
        yield started


def settings(uri: str, **analyze: Any) -> Settings:
    return Settings(milvus=MilvusSettings(uri=uri, collection="operator"), analyze=AnalyzeSettings(**analyze))


def request(content: str, channel: str) -> AnalysisRequest:
    incident = incident_of(LogText(service="auth", log_content=content), load_rules(), "test", 1_795_348_800_000)
    return AnalysisRequest(channel=channel, incident=incident)


def row(content: str, channel: str) -> Row:
    return keyed(channel, request(content, channel))


def runtime_context() -> StreamingRuntimeContext:
    """As PyFlink makes it, without a task around it."""
    return StreamingRuntimeContext.of(UserDefinedDataStreamFunction.RuntimeContext(), GenericMetricGroup(None, None))


def run_job(requests: list[AnalysisRequest], folder: Path, environment: dict[str, str]) -> dict[str, Analysis]:
    """Run the job with Python workers as processes of their own; return the analyses by the key they came with."""
    source, target = folder / "requests", folder / "analyses"
    source.write_bytes(b"".join(request.to_bytes() + b"\n" for request in requests))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALI_")}
    run = subprocess.run(  # noqa: S603 - the job beside this file
        [sys.executable, str(JOB), str(source), str(target)],
        env=kept | {"_python_worker_execution_mode": "process"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = (line.partition(b"\t") for line in target.read_bytes().splitlines())
    return {key.decode(): Analysis.model_validate_json(body) for key, _, body in lines}


def test_a_job_answers_each_request_in_its_channel_with_the_model_whose_key_its_workers_found(
    milvus: Milvus, tmp_path: Path
) -> None:
    with LlmStub(tmp_path) as llm:
        llm.answer({"cause": "Redis is full.", "action": "Free memory.", "evidence": ["rb-redis-out-of-memory"]})
        found = run_job(
            [request(KNOWN, "payments"), request(UNKNOWN, "alerts")],
            tmp_path,
            {"CALI_MILVUS__URI": milvus.uri, "CALI_MILVUS__COLLECTION": "operator"} | llm.environment(),
        )
        asked = len(llm.requests)
    assert set(found) == {"payments", "alerts"}
    assert found["payments"].status is AnalysisStatus.GROUNDED
    assert (found["payments"].analyst, found["payments"].cause) == ("gpt-4o", "Redis is full.")
    assert found["payments"].incident_id == request(KNOWN, "payments").incident.id
    assert [evidence.id for evidence in found["payments"].evidence] == ["rb-redis-out-of-memory"]
    assert found["payments"].channel == "payments"
    assert found["alerts"].status is AnalysisStatus.NO_SIMILAR_INCIDENT
    assert asked == 1


@pytest.fixture
def opened(milvus: Milvus) -> Iterator[AnalyzeFunction]:
    function = AnalyzeFunction(settings(milvus.uri))
    function.open(runtime_context())
    yield function
    function.close()


def invoke(function: AnalyzeFunction, value: Row) -> Analysis:
    [result] = asyncio.run(function.async_invoke(value))
    return Analysis.model_validate_json(result.body)


def test_a_knowledge_base_that_is_down_makes_the_analysis_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALI_MILVUS_TOKEN", "root:not-to-be-seen")
    function = AnalyzeFunction(settings(f"http://127.0.0.1:{free_port()}", retrieval_timeout_seconds=0.2))
    function.open(runtime_context())
    analysis = invoke(function, row(KNOWN, "payments"))
    function.close()
    assert (analysis.status, analysis.channel) == (AnalysisStatus.UNAVAILABLE, "payments")
    assert analysis.reason == "knowledge base did not answer within 0.2 s"


def test_a_milvus_that_hangs_does_not_hold_a_result_back(milvus: Milvus) -> None:
    function = AnalyzeFunction(settings(milvus.uri, retrieval_timeout_seconds=0.3))
    function.open(runtime_context())
    milvus.pause()
    try:
        analysis = invoke(function, row(KNOWN, "payments"))
    finally:
        milvus.resume()
        function.close()
    assert analysis.status is AnalysisStatus.UNAVAILABLE


def test_flink_s_own_time_out_lies_beyond_the_call_s_and_is_answered_with_an_analysis(opened: AnalyzeFunction) -> None:
    [result] = opened.timeout(row(KNOWN, "payments"))
    analysis = Analysis.model_validate_json(result.body)
    assert (result.key, analysis.status) == ("payments", AnalysisStatus.UNAVAILABLE)
    assert flink_timeout(AnalyzeSettings(timeout_seconds=20)).to_milliseconds() > 20_000


def test_a_bug_fails_the_task_without_the_record_in_its_words(opened: AnalyzeFunction) -> None:
    value = Row(key="payments", body=json.dumps({"channel": "secret-log-text"}).encode())
    with pytest.raises(AnalyzeFailedError) as error:
        asyncio.run(opened.async_invoke(value))
    assert "ValidationError" in str(error.value)
    assert "secret-log-text" not in "".join(traceback.format_exception(error.value))
    # Flink adds str(record) to the error that it reports.
    assert "secret-log-text" not in str(value)


def test_the_function_travels_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALI_OPENAI_API_KEY", "sk-not-to-be-seen")
    shipped = cloudpickle.dumps(AnalyzeFunction(settings("http://127.0.0.1:19530")))
    assert b"not-to-be-seen" not in shipped
    assert isinstance(cloudpickle.loads(shipped), AnalyzeFunction)
