"""`cali setup opensearch` on a real node: done once it changes nothing, and no sender can make a mapping grow."""

import asyncio
import contextlib
import json
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from opensearchpy import OpenSearch
from typer.testing import CliRunner

from jobs.commands.setup import app
from jobs.log_insight.opensearch import OpenSearchBulkStore, connect
from jobs.log_insight.opensearch_setup import TEMPLATES, install_templates
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import IndexSettings, IngestSettings, Secrets, SourceSettings
from local.generator.manifest import Manifest
from local.generator.records import Record
from local.generator.send import send
from local.generator.story import Options, Story
from local.http import session
from schemas.alert import AlertKind
from schemas.analysis import Analysis, AnalysisStatus, Evidence, KnowledgeKind
from schemas.error_group import Exemplar
from schemas.incident_document import AlertState, AlertStatus, IncidentDocument
from schemas.log_entry import Severity
from udfs.breaker import Breaker
from udfs.chunk import chunk_lines, encode_chunk, hour_of
from udfs.combine import rank
from udfs.fingerprint import load_fingerprint_rules
from udfs.frame import RawRecord, encode_frame
from udfs.index import Hold, IndexTarget, Outcome, UnavailableError, deliver, read_batch
from udfs.ingest import Ingest
from udfs.meters import Meters
from udfs.redact import Redactor, load_redact_rules

pytestmark = pytest.mark.stack

BEFORE = Path(__file__).parents[1] / "data" / "opensearch-without-versions"
ARRIVAL = 1_795_348_800_123  # 2026-11-22T12:00:00.123Z
INDEX = "logs-2026.11.22"
RETRY = {"count": 3, "backoff": "exponential", "delay": "1m"}


class Request(NamedTuple):
    method: str
    path: str


class Front(BaseHTTPRequestHandler):
    """Stands before OpenSearch, keeps what was asked, and answers for the ISM plugin where it is given one.

    It forbids to PUT what ends in `forbidden`, and another is always quicker to PUT `raced`.

    The answers are those of `RestIndexPolicyAction`, `RestGetPolicyAction` and `Policy.parse` of the plugin.
    """

    target: str
    requests: list[Request]
    policies: dict[str, dict[str, Any]] | None
    forbidden: str | None
    raced: str | None

    def do_GET(self) -> None:
        self._answer()

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 - names of http.server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        self.requests.append(Request(self.command, path))
        if self.policies is not None and path.startswith("/_plugins/_ism/policies/"):
            status, reply = self._ism(
                path.rpartition("/")[2], dict(pair.split("=") for pair in query.split("&") if pair), body
            )
            content = orjson.dumps(reply)
        elif self.command == "PUT" and self.forbidden is not None and path.endswith(self.forbidden):
            error = {"type": "security_exception", "reason": "no permissions for [indices:admin/mapping/put]"}
            status, content = 403, orjson.dumps({"error": error, "status": 403})
        else:
            with session() as client:
                for _ in range(2 if self.command == "PUT" and path == self.raced else 1):
                    passed = client.request(
                        self.command, self.target + self.path, data=body, headers={"Content-Type": "application/json"}
                    )
            status, content = passed.status_code, passed.content
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _ism(self, name: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        assert self.policies is not None
        present = self.policies.get(name)
        if self.command == "GET":
            return (200, present) if present else (404, {"error": {"reason": "Policy not found"}, "status": 404})
        sequence = {"if_seq_no": str(present["_seq_no"]), "if_primary_term": "1"} if present else {}
        if query != sequence:
            return 409, {"error": {"type": "version_conflict_engine_exception", "reason": "version conflict"}}
        wanted = orjson.loads(body)["policy"]
        assert wanted.keys() == {"description", "default_state", "states", "ism_template"}
        states = [
            state | {"actions": [{"retry": RETRY} | action for action in state["actions"]]}
            for state in wanted["states"]
        ]
        added = {"policy_id": name, "last_updated_time": ARRIVAL, "schema_version": 21, "error_notification": None}
        templates = [each | {"last_updated_time": ARRIVAL} for each in wanted["ism_template"]]
        self.policies[name] = {
            "_id": name,
            "_version": 1,
            "_seq_no": present["_seq_no"] + 1 if present else 0,
            "_primary_term": 1,
            "policy": wanted | {"states": states, "ism_template": templates} | added,
        }
        return (200 if present else 201), self.policies[name]

    def log_message(self, *_: Any) -> None:
        pass


class Cluster:
    """OpenSearch behind a `Front`, and `cali setup opensearch` against it."""

    def __init__(self, url: str, handler: type[Front], prefix: str, environment: pytest.MonkeyPatch) -> None:
        self.url = url
        self.requests = handler.requests
        self.policies = handler.policies
        self._handler = handler
        environment.setenv("CALI_INDEX__URL", url)
        environment.setenv("CALI_INDEX__PREFIX", prefix)

    def has_ism(self) -> None:
        self._handler.policies = self.policies = {}

    def forbid(self, ending: str | None) -> None:
        self._handler.forbidden = ending

    def race(self, path: str) -> None:
        self._handler.raced = path

    def setup(self, exit_code: int = 0) -> dict[tuple[str, str], dict[str, str]]:
        """Run the command; return its lines by kind and object."""
        self.requests.clear()
        result = CliRunner().invoke(app, ["opensearch"], catch_exceptions=False)
        assert result.exit_code == exit_code, result.output
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return {(line["kind"], line["object"]): line for line in lines}

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method not in {"GET", "HEAD"}]


@pytest.fixture
def opensearch(stack: Any) -> Iterator[OpenSearch]:
    with connect(IndexSettings(url=stack.opensearch.url), Secrets()) as client:
        yield client


@pytest.fixture
def prefix(opensearch: OpenSearch, request: pytest.FixtureRequest) -> Iterator[str]:
    prefix = f"{zlib.crc32(request.node.name.encode())}-"
    yield prefix
    opensearch.indices.delete(index=f"{prefix}*", ignore_unavailable=True)
    for name in (*(f"cali-{each}" for each in TEMPLATES), "other"):
        opensearch.indices.delete_index_template(name=f"{prefix}{name}", ignore=404)


@pytest.fixture
def cluster(stack: Any, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = {"target": stack.opensearch.url, "requests": [], "policies": None, "forbidden": None, "raced": None}
    handler = type("Handler", (Front,), made)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Cluster(f"http://127.0.0.1:{server.server_port}", handler, prefix, monkeypatch)
        server.shutdown()
        thread.join()


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


def incident() -> IncidentDocument:
    """Return an incident document with a value in every field."""
    exemplar = Exemplar(
        record_id="s/shard-0:7:1", rank=rank("s/shard-0:7:1"), timestamp="2026-11-22T12:00:00Z", arrival_time=ARRIVAL,
        content="boom", pod="pay-1", trace_id="t-1",
    )  # fmt: skip
    evidence = Evidence(
        id="rb-7", kind=KnowledgeKind.RUNBOOK, title="Pool", url="https://x.example", date="2026-01-01", score=0.9
    )
    analysis = Analysis(
        incident_id="i-1", channel="alerts", status=AnalysisStatus.GROUNDED, analyst="gpt-4o", cause="c" * 40_000,
        action="restart", evidence=(evidence,), reason="late",
    )  # fmt: skip
    return IncidentDocument(
        id="i-1", environment="test", rules_version="2026-11-22", fingerprint="f" * 16, service="payment-api",
        severity=Severity.ERROR, title="x" * 40_000, template="Connection <number> refused", started=ARRIVAL // 1000,
        first_seen=ARRIVAL, last_seen=ARRIVAL, count=10, revision=1, exception_type="java.sql.SQLException",
        exemplars=(exemplar,), version=1000, channel="alerts", evidence_urls=("https://x.example",), analysis=analysis,
        alert=AlertStatus(id="a", kind=AlertKind.FIRING, state=AlertState.FAILED, at=ARRIVAL, reason="400"),
    )  # fmt: skip


def index(url: str, prefix: str, lines: list[bytes], target: IndexTarget = IndexTarget.LOGS) -> Outcome:
    element = encode_chunk(hour_of(ARRIVAL), lines) if target is IndexTarget.LOGS else lines[0]

    async def run() -> Outcome:
        async with contextlib.aclosing(OpenSearchBulkStore(IndexSettings(url=url, prefix=prefix), Secrets())) as store:
            return await deliver(read_batch(target, element, prefix), store, Breaker(1, 3600), Hold(30, 10))

    return asyncio.run(run())


def ingest(records: list[bytes]) -> list[bytes]:
    """Return the archive lines of records, which are the documents of the index."""
    rules = load_fingerprint_rules()
    stage = Ingest(
        SourceSettings(),
        IngestSettings(),
        Redactor(load_redact_rules()),
        rules,
        meters=Meters(OperatorId.INGEST),
        clock=time.time,
    )
    frame = encode_frame("s/0", [RawRecord(f"{place:056d}", ARRIVAL, data) for place, data in enumerate(records)])
    return [line for result in stage.process(frame) for chunk in result.archive for line in chunk_lines(chunk)]


def count(client: OpenSearch, index: str, query: dict[str, Any]) -> int:
    client.indices.refresh(index=index)
    found: int = client.count(index=index, body={"query": query})["count"]
    return found


def mapping_of(client: OpenSearch, index: str) -> bytes:
    """Return the mapping's bytes as the node sends them."""
    node = client.transport.hosts[0]
    with session() as http:
        return http.get(f"http://{node['host']}:{node['port']}/{index}/_mapping").content


def block_writes(client: OpenSearch, index: str, *, is_on: bool) -> None:
    client.indices.put_settings(index=index, body={"index.blocks.write": is_on})


def state_version(client: OpenSearch) -> int:
    version: int = client.cluster.state(metric="version")["version"]
    return version


def actions(lines: dict[tuple[str, str], dict[str, str]]) -> set[str]:
    return {line["action"] for line in lines.values()}


def test_set_up_twice_changes_nothing_the_second_time(cluster, opensearch, prefix):
    first = cluster.setup()
    assert [(line["kind"], line["action"]) for line in first.values()] == [
        *[("index_template", "created")] * 3,
        ("ism_policy", "skipped"),
        *[("mapping", "created")] * 2,
    ]
    assert "no ISM plugin" in first["ism_policy", f"{prefix}cali-logs"]["reason"]
    index(cluster.url, prefix, [document(1, attributes={"a": 1})])
    before = opensearch.indices.get_index_template(name=f"{prefix}cali-*"), state_version(opensearch)

    second = cluster.setup()

    assert ("mapping", f"{prefix}{INDEX}") in second
    assert actions(second) == {"unchanged", "skipped"}
    assert cluster.writes() == []
    assert (opensearch.indices.get_index_template(name=f"{prefix}cali-*"), state_version(opensearch)) == before


def test_a_policy_is_made_once_and_follows_the_retention(cluster, prefix, monkeypatch):
    cluster.has_ism()
    name = ("ism_policy", f"{prefix}cali-logs")
    assert cluster.setup()[name]["action"] == "created"
    assert cluster.setup()[name]["action"] == "unchanged"
    assert cluster.writes() == []
    monkeypatch.setenv("CALI_INDEX__RETENTION_DAYS", "30")
    assert cluster.setup()[name]["action"] == "upgraded"
    assert cluster.setup()[name]["action"] == "unchanged"
    policy = cluster.policies[name[1]]
    assert policy["policy"]["ism_template"][0]["index_patterns"] == [f"{prefix}logs-19*.*.*", f"{prefix}logs-20*.*.*"]
    assert policy["policy"]["states"][0]["transitions"][0]["conditions"] == {"min_index_age": "30d"}
    assert policy["_seq_no"] == 1


def install_before(client: OpenSearch, prefix: str, name: str) -> None:
    """Install a template of before there were versions."""
    body = orjson.loads((BEFORE / f"{name}.json").read_bytes())
    body["index_patterns"] = [f"{prefix}{pattern}" for pattern in body["index_patterns"]]
    client.indices.put_index_template(name=f"{prefix}cali-{name}", body=body)


def test_an_index_with_the_templates_of_before_gets_the_new_fields_and_keeps_its_documents(cluster, opensearch, prefix):
    for name in TEMPLATES:
        install_before(opensearch, prefix, name)
    opensearch.index(index=f"{prefix}{INDEX}", id="old", body=orjson.loads(document(1)))
    opensearch.index(index=f"{prefix}incidents", id="old", body=orjson.loads(incident().to_bytes()))
    opensearch.index(index=f"{prefix}alert-ledger", id="old", body={"status": "posted", "owner": "o", "analysed": True})
    block_writes(opensearch, f"{prefix}{INDEX}", is_on=True)  # which is none for mappings

    assert {line["action"] for (kind, _), line in cluster.setup().items() if kind != "ism_policy"} == {"upgraded"}

    assert {line["action"] for (kind, _), line in cluster.setup().items() if kind != "ism_policy"} == {"unchanged"}
    assert cluster.writes() == []
    block_writes(opensearch, f"{prefix}{INDEX}", is_on=False)
    assert index(cluster.url, prefix, [document(2, **{"exception.type": "a.b.PoolException"})]).accepted == 1
    assert count(opensearch, f"{prefix}{INDEX}", {"match_all": {}}) == 2
    assert count(opensearch, f"{prefix}{INDEX}", {"match": {"exception.type.text": "PoolException"}}) == 1
    for name in (INDEX, "incidents", "alert-ledger"):
        answer = opensearch.index(index=f"{prefix}{name}", id="new", body={"unknown": 1}, params={"ignore": 400})
        assert answer["error"]["type"] == "strict_dynamic_mapping_exception"


STRANGERS = ("logs-nginx-2026.11.22", "logs-2026.11.22-nginx", "logs-20x-foo.1.2")


def test_indices_of_others_are_not_written_to_by_setup_and_by_the_job(cluster, opensearch, prefix):
    for name in STRANGERS:
        opensearch.index(index=f"{prefix}{name}", id="1", body={"request": "GET /"})
    opensearch.index(index=f"{prefix}incidents", id="1", body={"title": "A bad day", "assignee": "ann"})
    opensearch.index(index=f"{prefix}alert-ledger", id="1", body={"id": "a"})
    names = [f"{prefix}{name}" for name in (*STRANGERS, "incidents", "alert-ledger")]
    before = [mapping_of(opensearch, name) for name in names]

    assert index(cluster.url, prefix, [document(1)]).accepted == 1
    assert [mapping_of(opensearch, name) for name in names] == before

    lines = cluster.setup(exit_code=1)
    assert [mapping_of(opensearch, name) for name in names] == before
    assert {name for kind, name in lines if kind == "mapping"} == {
        f"{prefix}{name}" for name in (INDEX, "incidents", "alert-ledger")
    }
    for name, reason in (("incidents", "assignee is no field of CALI's"), ("alert-ledger", "id is no field of CALI's")):
        line = lines["mapping", f"{prefix}{name}"]
        assert line["action"] == "refused"
        assert reason in line["reason"]


def test_a_new_index_of_another_has_a_mapping_of_its_own(cluster, opensearch, prefix):
    cluster.setup()
    opensearch.index(index=f"{prefix}logs-nginx-2026.11.23", id="1", body={"request": "GET /"})
    assert b'"request"' in mapping_of(opensearch, f"{prefix}logs-nginx-2026.11.23")


@pytest.mark.parametrize("day", ["1970.01.01", "1999.12.31", "2026.11.22", "2099.12.31"])
def test_the_index_of_every_day_has_the_template(cluster, opensearch, prefix, day):
    cluster.setup()
    answer = opensearch.index(index=f"{prefix}logs-{day}", id="1", body={"unknown": 1}, params={"ignore": 400})
    assert answer["error"]["type"] == "strict_dynamic_mapping_exception"


def test_what_only_a_new_index_can_have_is_named_and_not_tried_again(cluster, opensearch, prefix):
    opensearch.index(index=f"{prefix}alert-ledger", id="1", body={"status": "posted", "posted_at": ARRIVAL})
    name = ("mapping", f"{prefix}alert-ledger")
    for _ in range(2):
        line = cluster.setup(exit_code=1)[name]
        assert line["action"] == "refused"
        assert "status is text and should be keyword" in line["reason"]
    assert cluster.writes() == []


def test_templates_of_a_newer_release_are_left_alone_and_nothing_is_written(cluster, opensearch, prefix):
    cluster.setup()
    name = f"{prefix}cali-incidents"
    (found,) = opensearch.indices.get_index_template(name=name)["index_templates"]
    opensearch.indices.put_index_template(name=name, body=found["index_template"] | {"version": 99})
    (line,) = cluster.setup(exit_code=1).values()
    assert (line["object"], line["action"]) == (name, "refused")
    assert "version 99 is installed" in line["reason"]
    assert cluster.writes() == []


def test_a_template_that_opensearch_refuses_is_named_and_no_index_is_made_without_it(cluster, opensearch, prefix):
    body = {"index_patterns": [f"{prefix}inc*"], "priority": 200, "template": {"settings": {"number_of_shards": 1}}}
    opensearch.indices.put_index_template(name=f"{prefix}other", body=body)
    line = cluster.setup(exit_code=1)["index_template", f"{prefix}cali-incidents"]
    assert line["action"] == "refused"
    assert f"{prefix}other" in line["reason"]
    assert not opensearch.indices.exists(index=f"{prefix}incidents")


def test_the_job_leaves_what_setup_installed_alone(cluster, prefix):
    cluster.setup()
    cluster.requests.clear()
    assert index(cluster.url, prefix, [document(1)]).accepted == 1
    assert [request.path.rpartition("/")[2] for request in cluster.writes()] == ["_bulk"]


def test_the_job_brings_a_cluster_up_to_date_that_nobody_has_set_up(cluster, opensearch, prefix):
    install_before(opensearch, prefix, "incidents")
    opensearch.indices.create(index=f"{prefix}incidents")
    assert index(cluster.url, prefix, [incident().to_bytes()], IndexTarget.INCIDENTS).accepted == 1
    assert count(opensearch, f"{prefix}incidents", {"match": {"service.text": "payment"}}) == 1
    cluster.setup()
    assert all(not request.path.startswith("/_index_template") for request in cluster.writes())


def prepare(url: str, prefix: str) -> None:
    """Do what the job does at its start."""

    async def run() -> None:
        async with contextlib.aclosing(OpenSearchBulkStore(IndexSettings(url=url, prefix=prefix), Secrets())) as store:
            await store.prepare()

    asyncio.run(run())


def test_the_job_tries_again_after_a_mapping_was_refused(cluster, opensearch, prefix):
    install_before(opensearch, prefix, "incidents")
    opensearch.indices.create(index=f"{prefix}incidents")
    cluster.forbid("/_mapping")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="AuthorizationException"):
            prepare(cluster.url, prefix)
    cluster.forbid(None)
    assert index(cluster.url, prefix, [incident().to_bytes()], IndexTarget.INCIDENTS).accepted == 1
    assert count(opensearch, f"{prefix}incidents", {"match": {"service.text": "payment"}}) == 1


def test_a_clash_does_not_stop_the_job_as_only_a_new_index_with_the_new_template_mends_it(cluster, opensearch, prefix):
    install_before(opensearch, prefix, "logs")
    opensearch.indices.create(
        index=f"{prefix}logs-2026.11.21", body={"mappings": {"properties": {"body": {"type": "keyword"}}}}
    )
    assert index(cluster.url, prefix, [document(1, **{"exception.type": "a.b.PoolException"})]).accepted == 1
    assert count(opensearch, f"{prefix}{INDEX}", {"match": {"exception.type.text": "PoolException"}}) == 1
    cluster.requests.clear()
    prepare(cluster.url, prefix)
    assert cluster.writes() == []


def test_setup_puts_a_template_behind_the_mappings_of_its_indices(cluster, opensearch, prefix):
    for name in TEMPLATES:
        install_before(opensearch, prefix, name)
        opensearch.indices.create(index=f"{prefix}{name if name != 'logs' else INDEX}")
    cluster.setup()
    writes = [request.path for request in cluster.writes()]
    for name, made in (("logs", INDEX), ("incidents", "incidents"), ("alert-ledger", "alert-ledger")):
        assert writes.index(f"/{prefix}{made}/_mapping") < writes.index(f"/_index_template/{prefix}cali-{name}")


def test_an_index_that_the_running_job_makes_first_is_as_it_should_be(cluster, prefix):
    cluster.race(f"/{prefix}incidents")
    lines = cluster.setup()
    assert lines["mapping", f"{prefix}incidents"]["action"] == "unchanged"
    assert lines["mapping", f"{prefix}alert-ledger"]["action"] == "created"


def test_setup_puts_no_template_where_a_mapping_was_refused(cluster, opensearch, prefix):
    install_before(opensearch, prefix, "incidents")
    opensearch.indices.create(index=f"{prefix}incidents")
    cluster.forbid("/_mapping")
    lines = cluster.setup(exit_code=1)
    refused = {name: line["reason"] for name, line in lines.items() if line["action"] == "refused"}
    assert refused == {
        ("mapping", f"{prefix}incidents"): "403: no permissions for [indices:admin/mapping/put]",
        ("index_template", f"{prefix}cali-incidents"): "not before the mapping of each of its indices",
    }
    cluster.forbid(None)
    again = cluster.setup()
    assert {again[name]["action"] for name in refused} == {"upgraded"}
    assert actions(cluster.setup()) == {"unchanged", "skipped"}


def test_keys_of_senders_never_reach_the_mapping_and_can_be_searched(stack, opensearch, prefix):
    install_templates(opensearch, prefix)
    opensearch.indices.create(index=f"{prefix}{INDEX}")
    before = mapping_of(opensearch, f"{prefix}{INDEX}")
    known = {"timestamp": "2026-11-22T12:00:00Z", "level": "INFO", "service": "cart", "log_content": "x"}
    hostile = [orjson.dumps(known | {f"key.{number}": f"value {number}" for number in range(10_000)})]
    hostile += [orjson.dumps(known | {f"k{part}x{key}": [{"deep": key}] for key in range(20)}) for part in range(200)]
    outcome = index(stack.opensearch.url, prefix, ingest(hostile))
    assert (outcome.accepted, outcome.rejected, outcome.missing) == (201, (), ())
    assert mapping_of(opensearch, f"{prefix}{INDEX}") == before
    for query in (
        {"attributes.key.9999": "value 9999"},
        {"attributes.k199x7.deep": "7"},
        {"attributes.key.0": "value 0"},
    ):
        assert count(opensearch, f"{prefix}{INDEX}", {"term": query}) == 1, query


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"k": 1}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


#: The most that a path and its value take together, bytes: Lucene's 32,766 for a term, less what OpenSearch adds.
LONGEST = 32_743

ACCEPTED = {
    "50,000 keys": {f"k{number}": 1 for number in range(50_000)},
    "200 levels": nested(200),
    "empty key": {"": 1},
    "dots": {".": 1, "..": 2, "a.": 3, ".a": 4, "a..b": 5},
    "one path twice": {"a.b": 1, "a": {"b": 2}},
    "value and object": {"a": 1, "a.b": 2},
    "objects in an array": {"a": [{"b": 1}, {"b": {"c": 2}}, 3, None, [4, [5]], {}]},
    "nothing": {"a": None, "b": [], "c": {}},
    "names of OpenSearch's own": {"_id": 1, "_source": 2, "type": "keyword", "properties": {"a": {"type": "text"}}},
    "control characters": {"a\x00\n\u202e": "\x00"},
    "longest value": {"k": "v" * (LONGEST - 1)},
    "longest key": {"k" * (LONGEST - 1): 1},
}
REFUSED = {
    "value too long": {"k": "v" * LONGEST},
    "key too long": {"k" * LONGEST: 1},
    "key of nearly a megabyte": {"k" * 900_000: 1},
    "value of letters with three bytes": {"k": "한" * 11_000},
}


def test_hostile_attributes_cost_their_own_document_at_most_and_never_the_mapping(stack, opensearch, prefix):
    install_templates(opensearch, prefix)
    opensearch.indices.create(index=f"{prefix}{INDEX}")
    before = mapping_of(opensearch, f"{prefix}{INDEX}")
    for hostile, status in ((ACCEPTED, None), (REFUSED, 400)):
        lines = [document(0, id=name, attributes=attributes) for name, attributes in hostile.items()]
        outcome = index(stack.opensearch.url, prefix, lines)
        refused = {orjson.loads(each.document.line)["id"]: each.status for each in outcome.rejected}
        assert refused == (dict.fromkeys(hostile, status) if status else {})
        assert outcome.missing == ()
    assert mapping_of(opensearch, f"{prefix}{INDEX}") == before


def test_a_field_that_no_mapping_has_is_refused_with_its_document(stack, opensearch, prefix):
    lines = [document(1), document(2, unknown=1), document(3, **{"service.other": "x"}), document(4)]
    outcome = index(stack.opensearch.url, prefix, lines)
    assert outcome.accepted == 2
    assert {(each.status, each.error_type) for each in outcome.rejected} == {(400, "strict_dynamic_mapping_exception")}
    assert b"unknown" not in mapping_of(opensearch, f"{prefix}{INDEX}")


class Kept:
    """A target that keeps records."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    def put(self, records: list[Record], manifest: Manifest) -> None:
        self.records += [record.data for record in records]
        for record in records:
            manifest.put(record, ARRIVAL)


def test_every_document_of_the_story_is_accepted(stack, opensearch, prefix):
    target = Kept()
    send(Story(Options(seed=7, lines=6_000, seconds=60.0, start_ms=ARRIVAL)), target, paced=False)
    lines = ingest(target.records)
    for start in range(0, len(lines), 500):
        outcome = index(stack.opensearch.url, prefix, lines[start : start + 500])
        assert (outcome.rejected, outcome.missing) == ((), ())
    assert count(opensearch, f"{prefix}{INDEX}", {"match_all": {}}) == len(lines) > 6_000
    assert count(opensearch, f"{prefix}{INDEX}", {"exists": {"field": "exception.type"}}) > 0


def test_an_incident_with_every_field_is_accepted_and_found_by_its_words(stack, opensearch, prefix):
    assert index(stack.opensearch.url, prefix, [incident().to_bytes()], IndexTarget.INCIDENTS).accepted == 1
    for query in (
        {"match": {"service.text": "payment"}},
        {"match": {"exception_type.text": "sqlexception java"}},
        {"match": {"template": "refused"}},
        {"term": {"template.keyword": "Connection <number> refused"}},
        {"term": {"analysis.action.keyword": "restart"}},
        {"term": {"analysis.evidence.url": "https://x.example"}},
    ):
        assert count(opensearch, f"{prefix}incidents", query) == 1, query
