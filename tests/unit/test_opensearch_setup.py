"""Every field of every document has its place in a mapping, and setting OpenSearch up knows what is there already."""

import copy
import json
import re
import threading
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

import pytest
from opensearchpy.exceptions import ConflictError, SerializationError
from pydantic import BaseModel
from typer.testing import CliRunner

from jobs.cli import VERBS
from jobs.commands.setup import app
from jobs.log_insight.opensearch_mapping import is_same_template, mapping_gap
from jobs.log_insight.opensearch_policy import is_same_policy, load_policy
from jobs.log_insight.opensearch_setup import VersionError, load_templates, outdated, require_version
from local.grafana import data_sources
from local.ports import free_port
from schemas.alert import Alert, AlertKind
from schemas.incident import Incident
from schemas.incident_document import IncidentDocument
from schemas.log_document import LogDocument
from schemas.log_entry import Severity
from udfs.notify.ledger import Ledger
from udfs.notify.outcomes import Told

NOW = 1_795_348_800_000


def template(name: str, prefix: str = "") -> dict[str, Any]:
    (body,) = (each.body for each in load_templates(prefix) if each.name == f"{prefix}cali-{name}")
    return body


def mapping(name: str) -> dict[str, Any]:
    found: dict[str, Any] = template(name)["template"]["mappings"]
    return found


def leaves(properties: dict[str, Any], path: str = "") -> set[str]:
    """Return the paths of all fields that are no objects."""
    found: set[str] = set()
    for name, field in properties.items():
        found |= leaves(field["properties"], f"{path}{name}.") if "properties" in field else {f"{path}{name}"}
    return found


def model_leaves(model: type[BaseModel], path: str = "") -> set[str]:
    """Return the paths of all values that a model can carry."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = next(iter(models_of(field.annotation)), None)
        found |= model_leaves(inner, f"{path}{name}.") if inner else {f"{path}{name}"}
    return found


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_of(argument)


class KeepingClient:
    """Keeps the documents that the ledger writes; everything was claimed before."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []

    def create(self, *, body: Any, **_: Any) -> None:
        self.documents.append(body)
        raise ConflictError(409, "version_conflict_engine_exception", {})

    def get(self, **_: Any) -> dict[str, Any]:
        return {
            "_source": {"status": "claimed", "owner": "another", "analysed": False},
            "_seq_no": 1,
            "_primary_term": 1,
        }

    def index(self, *, body: Any, **_: Any) -> None:
        self.documents.append(body)


def ledger_fields() -> set[str]:
    client = KeepingClient()
    ledger = Ledger(client, "", "this", 1.0)
    incident = Incident(
        id="i", environment="e", rules_version="r", fingerprint="f", service="s", severity=Severity.ERROR, title="t",
        template="t", started=1, first_seen=1, last_seen=1, count=1, revision=1,
    )  # fmt: skip
    alert = Alert(id="a", kind=AlertKind.FIRING, channel="c", incident=incident, interval=0, raised_at=NOW)
    ledger.claim(alert, "1/1", NOW, 0.0)
    ledger.settle(alert, Told(posted=True, analysed=True), NOW, 0.0)
    assert [document["status"] for document in client.documents] == ["claimed", "claimed", "posted"]
    return {name for document in client.documents for name in document}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("logs", lambda: set(LogDocument.__annotations__)),
        ("incidents", lambda: model_leaves(IncidentDocument)),
        ("alert-ledger", ledger_fields),
    ],
)
def test_a_mapping_has_a_place_for_every_field_of_its_document_and_for_nothing_else(
    name: str, fields: Callable[[], set[str]]
):
    assert leaves(mapping(name)["properties"]) == fields()


@pytest.mark.parametrize("name", ["logs", "incidents", "alert-ledger"])
def test_nothing_but_the_senders_attributes_may_grow(name: str):
    text = json.dumps(mapping(name))
    assert re.findall(r'"dynamic": ("?\w+"?)', text) == ['"strict"']
    assert text.count("flat_object") == (name == "logs")
    assert "nested" not in text


@pytest.mark.parametrize("field", ["body", "template.text", "service.name.text", "exception.type.text"])
def test_words_of_logs_can_be_searched(field: str):
    assert field_of(mapping("logs"), field)["type"] in {"text", "match_only_text"}


@pytest.mark.parametrize(
    "field",
    ["title.keyword", "template.keyword", "analysis.cause.keyword", "analysis.action.keyword", "service"],
)
def test_sentences_of_incidents_can_be_counted_whole_and_long_ones_cost_no_document(field: str):
    found = field_of(mapping("incidents"), field)
    assert (found["type"], found["ignore_above"]) == ("keyword", 1024)


def field_of(within: dict[str, Any], path: str) -> dict[str, Any]:
    for name in path.split("."):
        within = (within.get("properties", {}) | within.get("fields", {}))[name]
    return within


def test_templates_and_policy_are_for_the_prefix():
    assert template("incidents", "replay-1-")["index_patterns"] == ["replay-1-incidents"]
    assert (
        load_policy("replay-1-", 14)["policy"]["ism_template"][0]["index_patterns"]
        == template("logs", "replay-1-")["index_patterns"]
    )


def test_dashboards_read_an_index_of_every_day_of_this_century_and_none_of_another():
    pattern = data_sources({"CALI_INDEX__PREFIX": "e-"})["cali-logs"].indices
    assert pattern in template("logs", "e-")["index_patterns"]
    assert fnmatchcase("e-logs-2026.11.22", pattern)
    assert not fnmatchcase("e-logs-nginx-2026.11.22", pattern)


def as_returned(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a template as OpenSearch does."""
    reply = copy.deepcopy(wanted) | {"composed_of": []}
    settings = reply["template"]["settings"]
    reply["template"]["settings"] = {"index": {name: str(value).lower() for name, value in settings.items()}}
    return reply


def test_a_template_that_opensearch_returns_in_its_own_form_is_the_same():
    assert is_same_template(as_returned(template("logs")), template("logs"))


@pytest.mark.parametrize("change", ["version", "_meta", "index_patterns", "priority", "template"])
def test_a_template_with_a_change_is_not_the_same(change: str):
    present = as_returned(template("logs"))
    present[change] = {"version": 0, "_meta": {}, "index_patterns": ["logs-*"], "priority": 1, "template": {}}[change]
    assert not is_same_template(present, template("logs"))


def test_only_missing_and_older_templates_are_outdated():
    versions = {"cali-logs": {"version": 2}, "foreign": {"version": 1}}
    found = [{"name": name, "index_template": body} for name, body in versions.items()]
    reply = {"index_templates": [*found, {"name": "cali-incidents"}]}
    assert [each.name for each in outdated(reply, "")] == ["cali-incidents", "cali-alert-ledger"]
    assert [each.name for each in outdated({}, "r-")] == ["r-cali-logs", "r-cali-incidents", "r-cali-alert-ledger"]
    newer = [{"name": each.name, "index_template": {"version": 99}} for each in load_templates("")]
    assert outdated({"index_templates": newer}, "") == []


@pytest.mark.parametrize("reply", ["busy", [1], {"index_templates": ["x"]}, {"index_templates": [{}]}])
def test_an_answer_of_another_server_is_an_outage_and_no_bug(reply: Any):
    with pytest.raises(SerializationError):
        outdated(reply, "")


KEYWORD = {"type": "keyword"}


@pytest.mark.parametrize(
    ("present", "wanted", "additions"),
    [
        pytest.param({"a": KEYWORD}, {"a": KEYWORD}, {}, id="the same"),
        pytest.param({"a": KEYWORD, "b": KEYWORD}, {"a": KEYWORD}, {}, id="more is left alone"),
        pytest.param({}, {"a": KEYWORD}, {"a": KEYWORD}, id="a new field"),
        pytest.param(
            {"o": {"properties": {"a": KEYWORD}}},
            {"o": {"properties": {"a": KEYWORD, "b": KEYWORD}}},
            {"o": {"properties": {"b": KEYWORD}}},
            id="a new field in an object",
        ),
        pytest.param(
            {"a": KEYWORD},
            {"a": KEYWORD | {"fields": {"text": {"type": "text"}}}},
            {"a": KEYWORD | {"fields": {"text": {"type": "text"}}}},
            id="a new form of a field",
        ),
        pytest.param(
            {"a": KEYWORD | {"ignore_above": 9}},
            {"a": KEYWORD | {"ignore_above": 10}},
            {"a": KEYWORD | {"ignore_above": 10}},
            id="another length",
        ),
    ],
)
def test_what_a_mapping_lacks_and_can_have_is_added(present, wanted, additions):
    gap = mapping_gap({"dynamic": "strict", "properties": present}, {"dynamic": "strict", "properties": wanted})
    assert gap == ({"properties": additions} if additions else {}, ())


@pytest.mark.parametrize("dynamic", [{}, {"dynamic": "false"}, {"dynamic": "true"}])
def test_an_index_that_took_unknown_fields_becomes_strict(dynamic):
    gap = mapping_gap(dynamic | {"properties": {}}, {"dynamic": "strict", "properties": {}})
    assert gap == ({"dynamic": "strict"}, ())


@pytest.mark.parametrize(
    ("present", "wanted", "clash"),
    [
        (KEYWORD, {"type": "text"}, "o.a is keyword and should be text"),
        ({"properties": {"b": KEYWORD}}, {"type": "flat_object"}, "o.a is object and should be flat_object"),
        (
            {"type": "date", "format": "epoch_second"},
            {"type": "date", "format": "epoch_millis"},
            "o.a has format epoch_second and should have epoch_millis",
        ),
        (KEYWORD | {"index": False}, KEYWORD, "o.a has index false and should have None"),
        (
            KEYWORD | {"fields": {"text": KEYWORD}},
            KEYWORD | {"fields": {"text": {"type": "text"}}},
            "o.a.text is keyword and should be text",
        ),
    ],
)
def test_where_a_new_index_is_needed_the_clash_is_named_and_nothing_is_added(present, wanted, clash):
    gap = mapping_gap(
        {"dynamic": "strict", "properties": {"o": {"properties": {"a": present}}}},
        {"dynamic": "strict", "properties": {"o": {"properties": {"a": wanted, "new": KEYWORD}}}},
    )
    assert gap == ({}, (clash,))


@pytest.mark.parametrize("dynamic", [{}, {"dynamic": "false"}])
def test_an_index_that_takes_fields_of_another_stays_open_to_them(dynamic):
    present = dynamic | {"properties": {"a": KEYWORD, "ticket": KEYWORD}}
    gap = mapping_gap(present, {"dynamic": "strict", "properties": {"a": KEYWORD, "new": KEYWORD}})
    assert gap == ({}, ("ticket is no field of CALI's",))


@pytest.mark.parametrize("number", ["2.7.0", "2.19.1", "3.0.0-beta1", "10.0.0", "7.10.2"])
def test_an_opensearch_that_knows_flat_objects_will_do(number: str):
    require_version({"version": {"distribution": "opensearch", "number": number}})


@pytest.mark.parametrize(
    ("info", "named"),
    [
        ({"version": {"number": "8.15.0", "build_flavor": "default"}}, "Elasticsearch 8.15.0 answers"),
        ({"version": {"distribution": "opensearch", "number": "2.6.0"}}, "OpenSearch 2.6.0 answers"),
        ({"version": {"distribution": "opensearch", "number": "1.3.20"}}, "OpenSearch 1.3.20 answers"),
        ({"version": {"distribution": "opensearch", "number": "new"}}, "OpenSearch new answers"),
        ({"message": "hello"}, "what answers is no OpenSearch"),
        ("<html>", "what answers is no OpenSearch"),
        ({"version": "2.19"}, "what answers is no OpenSearch"),
    ],
)
def test_any_other_server_is_named_with_what_is_needed(info: Any, named: str):
    with pytest.raises(VersionError, match=f"^{named}; OpenSearch 2.7 or later is needed"):
        require_version(info)


def policy(days: int = 14) -> dict[str, Any]:
    found: dict[str, Any] = load_policy("", days)["policy"]
    return found


def test_every_state_of_the_policy_is_reached_and_leads_to_deletion():
    states = {state["name"]: state for state in policy()["states"]}
    assert len(states) == len(policy()["states"])
    reached = {policy()["default_state"]}
    for state in states.values():
        targets = [transition["state_name"] for transition in state["transitions"]]
        assert set(targets) <= states.keys()
        assert state["actions"] == [{"delete": {}}] or "delete" in targets
        reached |= set(targets)
    assert reached == states.keys()
    assert states["delete"]["transitions"] == []


def test_a_policy_has_one_condition_a_transition_and_never_rolls_over():
    for state in policy()["states"]:
        assert all(list(transition["conditions"]) == ["min_index_age"] for transition in state["transitions"])
    assert "roll" not in json.dumps(policy())


def test_nothing_but_deletion_happens_to_logs_so_that_late_documents_can_be_written():
    assert [action for state in policy()["states"] for action in state["actions"]] == [{"delete": {}}]


def test_logs_are_deleted_after_the_retention():
    transitions = [transition for state in policy(2)["states"] for transition in state["transitions"]]
    assert transitions == [{"state_name": "delete", "conditions": {"min_index_age": "2d"}}]


def returned_policy(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a policy as the index-management plugin does."""
    reply = copy.deepcopy(wanted) | {
        "policy_id": "cali-logs",
        "last_updated_time": NOW,
        "schema_version": 21,
        "error_notification": None,
    }
    for state in reply["states"]:
        for action in state["actions"]:
            action["retry"] = {"count": 3, "backoff": "exponential", "delay": "1m"}
    for each in reply["ism_template"]:
        each["last_updated_time"] = NOW
    return reply


def test_a_policy_that_the_server_returns_in_its_own_form_is_the_same():
    assert is_same_policy(returned_policy(policy()), policy())


@pytest.mark.parametrize("change", ["retention", "actions", "no template", "notification"])
def test_a_policy_with_a_change_is_not_the_same(change: str):
    present = returned_policy(policy(15 if change == "retention" else 14))
    if change == "actions":
        present["states"][1]["actions"].pop()
    if change == "no template":
        present["ism_template"] = None
    if change == "notification":
        present["error_notification"] = {"channel": {"id": "c"}}
    assert not is_same_policy(present, policy())


class Stranger(BaseHTTPRequestHandler):
    """A server that is no OpenSearch, or one that does not want to see us."""

    status = 200
    body = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def stranger(request: pytest.FixtureRequest) -> Iterator[str]:
    status, body = request.param
    handler = type("Handler", (Stranger,), {"status": status, "body": body})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run(url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CALI_INDEX__URL", url)
    return CliRunner().invoke(app, ["opensearch"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("stranger", "said"),
    [
        ((200, b'{"version":{"number":"8.15.0"},"tagline":"You Know, for Search"}'), "Elasticsearch 8.15.0 answers"),
        ((200, b"<html>"), "not OpenSearch's"),
        ((403, b'{"error":{"reason":"no permissions for [cluster:monitor/main]"}}'), "403: no permissions for"),
        ((503, b"{}"), "503"),
    ],
    indirect=["stranger"],
)
def test_what_cannot_be_set_up_is_named_on_standard_error(stranger: str, said: str, monkeypatch: pytest.MonkeyPatch):
    result = run(stranger, monkeypatch)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert stranger in result.stderr


def test_an_opensearch_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch):
    url = f"http://127.0.0.1:{free_port()}"
    result = run(url, monkeypatch)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{url}: OpenSearch does not answer: ConnectionError\n"


def test_setup_is_a_verb():
    assert VERBS["setup"] == "jobs.commands.setup:app"
