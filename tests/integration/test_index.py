"""Indexing against a real OpenSearch: what is written twice is there once, what it cannot take now it gets later."""

import asyncio
import contextlib
import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch
from pyflink.fn_execution.datastream.process.runtime_context import StreamingRuntimeContext
from pyflink.fn_execution.flink_fn_execution_pb2 import UserDefinedDataStreamFunction
from pyflink.fn_execution.metrics.process.metric_impl import GenericMetricGroup
from typer.testing import CliRunner

from jobs.commands.index import app
from jobs.log_insight.opensearch import OpenSearchBulkStore, connect
from jobs.log_insight.opensearch_setup import TEMPLATES, install_templates
from jobs.log_insight.settings import IndexSettings, Secrets
from udfs.breaker import Breaker
from udfs.chunk import chunk_lines, encode_chunk, hour_of
from udfs.index import Hold, IndexTarget, Outcome, dead_letters, deliver, read_batch
from udfs.operators.index import INDEX_BACKLOG, INDEX_DEAD_LETTERS, IndexFailedError, IndexFunction, SplitIndexOutcome

pytestmark = pytest.mark.stack

ARRIVAL = 1_795_348_800_123  # 2026-11-22T12:00:00.123Z
HOUR = hour_of(ARRIVAL)
INDEX = "logs-2026.11.22"
HOLD = Hold(max_seconds=30, request_timeout_seconds=10)


class Gate:
    """A TCP relay in front of a server: it passes connections on, refuses them, or accepts them and stays silent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.silent = False
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.up()

    def up(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self.silent:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def gate(opensearch: OpenSearch) -> Iterator[Gate]:
    node = opensearch.transport.hosts[0]
    gate = Gate(node["host"], node["port"])
    yield gate
    gate.down()


@pytest.fixture
def prefix(opensearch: OpenSearch, request: pytest.FixtureRequest) -> Iterator[str]:
    prefix = f"{zlib.crc32(request.node.name.encode())}-"
    yield prefix
    opensearch.indices.delete(index=f"{prefix}*", ignore_unavailable=True)
    for name in TEMPLATES:
        opensearch.indices.delete_index_template(name=f"{prefix}cali-{name}", ignore=404)


@pytest.fixture
def opensearch(stack: Any) -> Iterator[OpenSearch]:
    client = connect(IndexSettings(url=stack.opensearch.url), Secrets())
    yield client
    client.close()


class CatchUp:
    """`cali index catch-up` over a folder of its own."""

    def __init__(self, folder: str, prefix: str, environment: pytest.MonkeyPatch) -> None:
        self.backlog = f"{folder}/backlog"
        self._environment = environment
        environment.setenv("CALI_INDEX__PREFIX", prefix)
        environment.setenv("CALI_STORE__INDEX_BACKLOG", self.backlog)
        environment.setenv("CALI_STORE__DEAD_LETTERS", f"{folder}/dlq")

    def run(self, url: str, exit_code: int = 0) -> dict[str, int]:
        self._environment.setenv("CALI_INDEX__URL", url)
        result = CliRunner().invoke(app, ["catch-up"], catch_exceptions=False)
        assert result.exit_code == exit_code, result.output
        summary: dict[str, int] = json.loads(result.stdout.splitlines()[-1])
        return summary

    def put(self, number: int, chunk: bytes) -> Path:
        path = Path(self.backlog, "logs", "dt=2026-11-22", "hour=12", f"part-{number}.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(chunk[8:]))
        return path


@pytest.fixture
def catch_up(tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch) -> CatchUp:
    return CatchUp(str(tmp_path), prefix, monkeypatch)


def document(number: int, **fields: Any) -> bytes:
    known = {
        "id": f"s/shard-0:7:{number}",
        "arrival_time": ARRIVAL,
        "severity_text": "INFO",
        "@timestamp": "2026-11-22T12:00:00.000000001Z",
        "service.name": "payment-api",
        "body": f"order {number} was paid",
        "rules_version": "2026-11-22",
    }
    return orjson.dumps(known | fields)


def chunk_of(*lines: bytes) -> bytes:
    return encode_chunk(HOUR, lines)


def index(url: str, prefix: str, chunk: bytes, target: IndexTarget = IndexTarget.LOGS) -> Outcome:
    async def run() -> Outcome:
        async with contextlib.aclosing(OpenSearchBulkStore(IndexSettings(url=url, prefix=prefix), Secrets())) as store:
            return await deliver(read_batch(target, chunk, prefix), store, Breaker(1, 3600), HOLD)

    return asyncio.run(run())


def ids(client: OpenSearch, index: str) -> list[str]:
    client.indices.refresh(index=index)
    hits = client.search(index=index, body={"size": 10_000, "_source": False})["hits"]["hits"]
    return sorted(hit["_id"] for hit in hits)


def drive(function: IndexFunction, element: bytes) -> dict[str, bytes]:
    """Run an element as PyFlink does, on a loop that is gone before `close`; return the chunk of each side output."""
    outcomes = asyncio.run(function.async_invoke(element))
    routed = [pair for outcome in outcomes for pair in SplitIndexOutcome().process_element(outcome, None)]
    return {tag.tag_id: chunk for tag, chunk in routed}


def runtime_context() -> StreamingRuntimeContext:
    """As PyFlink makes it, without a task around it."""
    return StreamingRuntimeContext.of(UserDefinedDataStreamFunction.RuntimeContext(), GenericMetricGroup(None, None))


@contextlib.contextmanager
def opened(function: IndexFunction) -> Iterator[None]:
    function.open(runtime_context())
    try:
        yield
    finally:
        function.close()


def test_templates_may_be_installed_again_and_keep_hostile_attribute_names_out_of_the_mapping(opensearch, prefix):
    install_templates(opensearch, prefix)
    install_templates(opensearch, prefix)
    hostile = {f"key.{number}": number for number in range(2_000)} | {"": 1, ".": {"a": [{"b": None}]}}
    opensearch.index(index=f"{prefix}{INDEX}", id="1", body=orjson.loads(document(1, attributes=hostile)))
    opensearch.index(index=f"{prefix}{INDEX}", id="2", body=orjson.loads(document(2, attributes={"key": {"1": "x"}})))
    (mapping,) = opensearch.indices.get_mapping(index=f"{prefix}{INDEX}").values()
    assert mapping["mappings"]["properties"]["attributes"] == {"type": "flat_object"}


def test_documents_can_be_found_by_word_service_time_and_attribute(stack, opensearch, prefix):
    index(stack.opensearch.url, prefix, chunk_of(document(1, attributes={"log.record.uid": "u-1"}), document(2)))
    opensearch.indices.refresh(index=f"{prefix}*")
    for query, expected in (
        ({"match_phrase": {"body": "order 2"}}, 1),
        ({"term": {"service.name": "payment-api"}}, 2),
        ({"term": {"attributes.log.record.uid": "u-1"}}, 1),
        ({"range": {"@timestamp": {"gte": "2026-11-22T12:00:00Z", "lt": "2026-11-22T12:00:01Z"}}}, 2),
        ({"range": {"arrival_time": {"gte": ARRIVAL, "lte": ARRIVAL}}}, 2),
    ):
        assert opensearch.count(index=f"{prefix}logs-*", body={"query": query})["count"] == expected, query


def test_a_chunk_written_twice_is_there_once(stack, opensearch, prefix):
    chunk = chunk_of(*(document(number) for number in range(500)))
    assert index(stack.opensearch.url, prefix, chunk).accepted == 500
    assert index(stack.opensearch.url, prefix, chunk).accepted == 500
    assert ids(opensearch, f"{prefix}{INDEX}") == sorted(f"s/shard-0:7:{number}" for number in range(500))


def test_a_document_that_opensearch_cannot_read_becomes_a_dead_letter_and_its_neighbours_are_indexed(
    stack, opensearch, prefix
):
    secret = "x" * 40_000
    chunk = chunk_of(document(1), document(2, attributes={"token": secret}), document(3))
    batch = read_batch(IndexTarget.LOGS, chunk, prefix)
    outcome = index(stack.opensearch.url, prefix, chunk)
    (letter,) = map(orjson.loads, chunk_lines(dead_letters(IndexTarget.LOGS, batch, outcome.rejected)))
    assert ids(opensearch, f"{prefix}{INDEX}") == ["s/shard-0:7:1", "s/shard-0:7:3"]
    assert (letter["id"], letter["stage"]) == ("s/shard-0:7:2", "index")
    assert letter["error_type"] == "illegal_argument_exception"
    assert "xxx" not in letter["reason"]


def test_an_id_that_opensearch_refuses_costs_only_its_own_document(stack, opensearch, prefix):
    chunk = chunk_of(document(1), document(2, id="s/" + "p" * 600), document(3))
    outcome = index(stack.opensearch.url, prefix, chunk)
    assert (outcome.accepted, len(outcome.rejected)) == (2, 1)
    assert ids(opensearch, f"{prefix}{INDEX}") == ["s/shard-0:7:1", "s/shard-0:7:3"]


def test_an_older_incident_document_never_replaces_a_newer_one(stack, opensearch, prefix):
    for version, count in ((2000, 20), (1000, 10), (2000, 99)):
        text = orjson.dumps({"id": "0123456789abcdef", "version": version, "last_seen": ARRIVAL, "count": count})
        assert index(stack.opensearch.url, prefix, text, IndexTarget.INCIDENTS).accepted == 1
    assert opensearch.get(index=f"{prefix}incidents", id="0123456789abcdef")["_source"]["count"] == 20


@pytest.mark.parametrize("silent", [False, True], ids=["refusing", "hanging"])
def test_while_opensearch_is_away_chunks_go_to_the_backlog_and_catch_up_completes_the_index(
    gate, opensearch, prefix, catch_up, silent
):
    function = IndexFunction(IndexSettings(url=gate.url, prefix=prefix, max_hold_seconds=4.0), IndexTarget.LOGS)
    chunks = [chunk_of(*(document(part * 100 + number) for number in range(100))) for part in range(4)]
    with opened(function):
        assert drive(function, chunks[0]) == {}
        gate.silent = silent
        if not silent:
            gate.down()
        lost = [drive(function, chunk) for chunk in chunks[1:]]
        assert lost == [{INDEX_BACKLOG.tag_id: chunk} for chunk in chunks[1:]]
    gate.down()
    gate.silent = False
    gate.up()
    assert len(ids(opensearch, f"{prefix}{INDEX}")) == 100
    for number, outcome in enumerate(lost):
        catch_up.put(number, outcome[INDEX_BACKLOG.tag_id])
    assert catch_up.run(gate.url) == {"objects": 3, "indexed": 300, "rejected": 0, "left": 0}
    assert ids(opensearch, f"{prefix}{INDEX}") == sorted(f"s/shard-0:7:{number}" for number in range(400))
    assert catch_up.run(gate.url)["objects"] == 0


def test_when_opensearch_is_back_the_operator_indexes_again_after_its_cool_down(gate, opensearch, prefix, monkeypatch):
    monkeypatch.setattr("udfs.operators.index.COOL_DOWN_SECONDS", 1e-6)
    function = IndexFunction(IndexSettings(url=gate.url, prefix=prefix, max_hold_seconds=4.0), IndexTarget.LOGS)
    with opened(function):
        gate.down()
        assert list(drive(function, chunk_of(document(1)))) == [INDEX_BACKLOG.tag_id]
        gate.up()
        assert drive(function, chunk_of(document(2))) == {}
    assert ids(opensearch, f"{prefix}{INDEX}") == ["s/shard-0:7:2"]


def test_the_operator_routes_rejected_documents_to_the_dead_letters(stack, prefix):
    function = IndexFunction(IndexSettings(url=stack.opensearch.url, prefix=prefix), IndexTarget.LOGS)
    with opened(function):
        routed = drive(function, chunk_of(document(1, attributes={"k": "x" * 40_000})))
    assert list(routed) == [INDEX_DEAD_LETTERS.tag_id]


def test_a_bug_fails_the_task_and_does_not_print_the_record(stack, prefix):
    function = IndexFunction(IndexSettings(url=stack.opensearch.url, prefix=prefix), IndexTarget.LOGS)
    with opened(function), pytest.raises(IndexFailedError, match="ValueError") as failure:
        drive(function, chunk_of(b"card 4111111111111111"))
    assert "4111" not in str(failure.value)


def test_catch_up_keeps_what_it_cannot_read_and_says_so(stack, catch_up):
    whole, cut = catch_up.put(0, chunk_of(document(1))), catch_up.put(1, chunk_of(document(2)))
    cut.write_bytes(cut.read_bytes()[:-9])
    assert catch_up.run(stack.opensearch.url, exit_code=1) == {"objects": 2, "indexed": 1, "rejected": 0, "left": 1}
    assert (whole.exists(), cut.exists()) == (False, True)


def test_catch_up_leaves_the_backlog_alone_while_opensearch_is_away(gate, catch_up, monkeypatch):
    monkeypatch.setattr("jobs.commands.index.HOLD", Hold(max_seconds=0.2, request_timeout_seconds=1))
    gate.down()
    kept = [catch_up.put(number, chunk_of(document(number))) for number in range(3)]
    assert catch_up.run(gate.url, exit_code=1) == {"objects": 3, "indexed": 0, "rejected": 0, "left": 3}
    assert all(path.exists() for path in kept)


def test_catch_up_reads_s3_in_batches_and_writes_refused_documents_as_dead_letters_once(
    stack, opensearch, prefix, monkeypatch
):
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("jobs.commands.index.BATCH_BYTES", 2_000)
    bucket = f"catch-up-{prefix}bucket"
    s3 = stack.moto.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    lines = [document(number) for number in range(50)] + [document(50, attributes={"k": "x" * 40_000})]
    catch_up = CatchUp(f"s3://{bucket}", prefix, monkeypatch)
    for _ in range(2):
        content = gzip.compress(chunk_of(*lines)[8:])
        s3.put_object(Bucket=bucket, Key="backlog/logs/dt=2026-11-22/hour=12/part-0.gz", Body=content)
        assert catch_up.run(stack.opensearch.url) == {"objects": 1, "indexed": 50, "rejected": 1, "left": 0}
    assert len(ids(opensearch, f"{prefix}{INDEX}")) == 50
    (key,) = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert key.startswith("dlq/dt=2026-11-22/hour=12/")
    (letter,) = gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).splitlines()
    assert orjson.loads(letter)["id"] == "s/shard-0:7:50"
