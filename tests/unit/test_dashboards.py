"""The dashboards: what is committed is current, and every name in it leads to something that is there."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.build import JSON_FOLDER, Addresses, render_all
from grafana.links import Uid
from grafana.promql import Flink
from grafana.variables import Source
from jobs.log_insight.metrics import REGISTRY
from jobs.log_insight.settings import NotifySettings
from local.grafana import (
    DataSource,
    GrafanaError,
    TimeRange,
    Viewer,
    data_sources,
    interpolate,
    lucene,
    panels,
    read,
    regular_expression,
    search_body,
)

ROOT = Path(__file__).parents[2]
RENDERED = render_all(Addresses())
DASHBOARDS = {name.removesuffix(".json"): json.loads(text) for name, text in RENDERED.items()}
PANELS = [
    pytest.param(panel, id=f"{uid}: {panel['title']}")
    for uid, dashboard in DASHBOARDS.items()
    for panel in panels(dashboard)
]
METRIC_PANELS = [each for each in PANELS if each.values[0]["datasource"]["type"] == "prometheus"]
DOCUMENT_PANELS = [each for each in PANELS if each not in METRIC_PANELS]
PICKERS = {
    variable["name"]: variable
    for dashboard in DASHBOARDS.values()
    for variable in dashboard["templating"]["list"]
    if variable["type"] == "datasource"
}
VARIABLES = [variable for dashboard in DASHBOARDS.values() for variable in dashboard["templating"]["list"]]
#: What Grafana stores for a variable that is not shown at all.
HIDE = 2
HIDDEN_NAMES = sorted({variable["name"] for variable in VARIABLES if variable.get("hide") == HIDE})
HIDDEN = {
    name: [each for each in VARIABLES if (each["name"], each.get("hide")) == (name, HIDE)] for name in HIDDEN_NAMES
}
TEMPLATES = {Source.LOGS: "logs", Source.INCIDENTS: "incidents", Source.LEDGER: "alert-ledger"}
#: What the sources of our scraping add; `le` is of every histogram.
SCRAPED_LABELS = {"job_name", "operator_name", "task", "shardId", "le"}
BUILT_IN = {"__rate_interval", "__range", "__interval", "__all", "__url_time_range", "__value", "__data", "__field"}
#: Kinds of panels and of cells that would take a text for markup.
RENDERS_MARKUP = {"text", "news", "html", "markdown", "dashlist", "canvas"}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def links(value: Any) -> Iterator[dict[str, Any]]:
    """Yield everything with a URL, wherever it stands."""
    if isinstance(value, dict):
        if "url" in value:
            yield value
        for inner in value.values():
            yield from links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from links(inner)


def variables_in(value: Any) -> set[str]:
    return {name for text in strings(value) for name in re.findall(r"\$\{?(\w+)", text)}


def overrides(panel: dict[str, Any]) -> list[dict[str, Any]]:
    return panel.get("fieldConfig", {}).get("overrides", [])


def mapped_fields(mapping: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in mapping["properties"].items():
        if "properties" in field:
            yield from mapped_fields(field, f"{prefix}{name}.")
        else:
            yield prefix + name, field["type"]
            yield from ((f"{prefix}{name}.{sub}", inner["type"]) for sub, inner in field.get("fields", {}).items())


def fields_of(source: str) -> dict[str, str]:
    template = json.loads((ROOT / "schemas" / "opensearch" / f"{TEMPLATES[Source(source)]}.json").read_text())
    return dict(mapped_fields(template["template"]["mappings"]))


def source_of(target: dict[str, Any]) -> str:
    return target["datasource"]["uid"].strip("${}")


class TestCommitted:
    def test_the_files_are_what_the_code_makes(self):
        """After a change of the code: `python -m grafana`."""
        assert {path.name: path.read_text() for path in JSON_FOLDER.iterdir()} == RENDERED

    def test_the_code_makes_the_same_every_time(self):
        assert render_all(Addresses()) == RENDERED

    def test_there_is_one_for_each_uid(self):
        assert set(DASHBOARDS) == {uid.value for uid in Uid}

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_grafanas_own_model_reads_it_without_loss(self, uid):
        register_default_plugins()
        again = json.dumps(Dashboard.from_json(DASHBOARDS[uid]), cls=JSONEncoder)
        assert json.loads(again) == DASHBOARDS[uid]

    def test_the_address_of_flink_can_be_given(self):
        made = render_all(Addresses(flink_ui="https://flink.example.com"))
        assert all('"query": "https://flink.example.com"' in text for text in made.values())

    @pytest.mark.parametrize(("team", "expected"), [("", set()), ("T0123ABC", {"T0123ABC"})])
    def test_links_to_slack_have_a_team_if_there_is_one(self, team, expected):
        dashboard = json.loads(render_all(Addresses(slack_team=team))[f"{Uid.INCIDENTS}.json"])
        constants = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "constant"]
        choices = Viewer({}, SHOWN).choices({"templating": {"list": constants}}, {})
        to_slack = {link["url"] for link in links(dashboard) if urlsplit(link["url"]).hostname == "slack.com"}
        assert to_slack
        for url in to_slack:
            asked = parse_qs(urlsplit(interpolate(url, choices)).query, keep_blank_values=True)
            assert set(asked.pop("team", ())) == expected
            assert asked == {"channel": ['${__data.fields["Channel"]:percentencode}']}


class TestDashboard:
    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_every_variable_that_is_used_is_defined(self, uid):
        dashboard = DASHBOARDS[uid]
        defined = {variable["name"] for variable in dashboard["templating"]["list"]}
        assert variables_in(dashboard) - BUILT_IN <= defined

    def test_a_name_that_is_hidden_on_one_is_not_chosen_on_another(self):
        """The links between dashboards keep variables by name: what nobody sees would come along."""
        assert HIDDEN.keys() & {variable["name"] for variable in VARIABLES if variable.get("hide") != HIDE} == set()

    @pytest.mark.parametrize("name", HIDDEN_NAMES)
    def test_no_url_sets_what_a_reader_does_not_see(self, name):
        """A link to Grafana, which people trust, would lead on to wherever its author likes."""
        assert all(variable["skipUrlSync"] for variable in HIDDEN[name])

    @pytest.mark.parametrize("name", ["flink_ui", "and_slack_team"])
    def test_addresses_are_constants(self, name):
        assert {variable["type"] for variable in HIDDEN[name]} == {"constant"}

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_no_panel_lies_over_another(self, uid):
        places = [panel["gridPos"] for panel in DASHBOARDS[uid]["panels"]]
        overlaps = [
            (a, b)
            for a, b in combinations(places, 2)
            if a["x"] < b["x"] + b["w"]
            and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"]
            and b["y"] < a["y"] + a["h"]
        ]
        assert overlaps == []
        assert all(place["x"] + place["w"] <= 24 for place in places)

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_titles_and_ids_are_there_once(self, uid):
        panels_and_rows = DASHBOARDS[uid]["panels"]
        assert len({panel["title"] for panel in panels_and_rows}) == len(panels_and_rows)
        assert len({panel["id"] for panel in panels_and_rows}) == len(panels_and_rows)

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_it_leads_to_all_the_others_and_to_flink(self, uid):
        dashboard = DASHBOARDS[uid]
        others, flink = dashboard["links"]
        assert (others["type"], others["keepTime"], others["includeVars"]) == ("dashboards", True, True)
        assert all(set(others["tags"]) <= set(other["tags"]) for other in DASHBOARDS.values())
        assert flink["url"] == "${flink_ui}"

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_every_dashboard_that_a_link_leads_to_is_there_with_its_variables(self, uid):
        for link in links(DASHBOARDS[uid]):
            path, _, query = link["url"].partition("?")
            if not path.startswith("/d/"):
                continue
            there = DASHBOARDS[path.removeprefix("/d/")]
            given = set(re.findall(r"&var-(\w+)=", query))
            assert given <= {variable["name"] for variable in there["templating"]["list"]}

    def test_an_alert_links_to_the_dashboard_of_incidents(self):
        """The setting's example is what people copy."""
        (example,) = NotifySettings.model_fields["dashboard_url"].examples
        link = urlsplit(example)
        assert link.path == f"/d/{Uid.INCIDENTS}"
        (variable,) = re.findall(r"var-(\w+)={incident}", link.query)
        assert variable in {each["name"] for each in DASHBOARDS[Uid.INCIDENTS]["templating"]["list"]}

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_an_incident_can_be_opened_from_wherever_one_is_shown(self, uid):
        for panel in panels(DASHBOARDS[uid]):
            columns = [text for text in strings(panel.get("transformations", [])) if text == "Incident"]
            if columns:
                assert [link for link in links(panel) if "var-incident=" in link["url"]]


class TestPanel:
    @pytest.mark.parametrize("panel", PANELS)
    def test_it_says_what_it_shows_and_what_to_do(self, panel):
        assert panel["title"]
        assert len(panel["description"]) > len(panel["title"])
        assert panel["datasource"] == panel["targets"][0]["datasource"]

    @pytest.mark.parametrize("panel", PANELS)
    def test_numbers_have_a_unit(self, panel):
        if panel["type"] in {"timeseries", "stat", "bargauge"}:
            assert panel["fieldConfig"]["defaults"]["unit"]

    @pytest.mark.parametrize("panel", PANELS)
    def test_its_data_source_is_a_provisioned_one(self, panel):
        for target in panel["targets"]:
            picker = PICKERS[source_of(target)]
            assert picker["current"]["value"] in data_sources({})
            assert picker["query"] == target["datasource"]["type"] == Source(source_of(target)).plugin

    @pytest.mark.parametrize("panel", PANELS)
    def test_queries_of_one_panel_have_names_of_their_own(self, panel):
        names = [target["refId"] for target in panel["targets"]]
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize("panel", PANELS)
    def test_overrides_are_of_columns_that_are_there(self, panel):
        if panel["type"] == "table":
            chosen = panel["transformations"][-1]["options"]
            names = {chosen["renameByName"].get(name, name) for name in chosen["indexByName"]}
            assert {override["matcher"]["options"] for override in overrides(panel)} <= names
            assert {name for text in strings(panel) for name in re.findall(r'__data\.fields\["(.+?)"\]', text)} <= names


class TestHostileText:
    """Log text, and what is made of it, is shown as text wherever it is shown, and cannot leave its place in a URL."""

    @pytest.mark.parametrize("panel", PANELS)
    def test_no_panel_renders_markup(self, panel):
        assert panel["type"] not in RENDERS_MARKUP
        cells = {text for override in overrides(panel) for text in strings(override["properties"])}
        assert RENDERS_MARKUP.isdisjoint(cells)
        assert not {text for text in strings(panel) if re.search(r"<\w+[ >/]", text)}

    @pytest.mark.parametrize("panel", PANELS)
    def test_a_value_in_a_url_is_percent_encoded(self, panel):
        for link in links(panel):
            values = re.findall(r"\$\{__(?:data|value|field)\.[^}]+\}", link["url"])
            is_evidence = link["url"] == "${__value.raw:raw}"
            assert is_evidence or all(value.endswith(":percentencode}") for value in values)

    def test_only_addresses_of_the_knowledge_base_are_followed_as_they_are(self):
        """They come from the operators' own documents; Grafana disarms what is no http."""
        shown = {
            override["matcher"]["options"]
            for dashboard in DASHBOARDS.values()
            for panel in panels(dashboard)
            for override in overrides(panel)
            for link in links(override)
            if link["url"] == "${__value.raw:raw}"
        }
        assert shown == {"Document", "Best document"}

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_no_log_text_is_shown_as_an_annotation(self, uid):
        """Grafana renders the text of an annotation as HTML."""
        assert DASHBOARDS[uid].get("annotations", {}).get("list", []) == []


class TestPrometheus:
    @pytest.mark.parametrize("panel", METRIC_PANELS)
    def test_every_metric_and_label_is_registered(self, panel):
        labels = {
            sample: {label for place in metric.places for label in place.labels}
            for metric in REGISTRY
            for sample in metric.sample_names()
        } | {flink.value: set() for flink in Flink}
        for target in panel["targets"]:
            used = re.findall(r"\b((?:cali|flink)_\w+)", target["expr"])
            assert used
            assert set(used) <= set(labels)
            known = SCRAPED_LABELS.union(*(labels[name] for name in used))
            assert set(re.findall(r"[{,](\w+)=~", target["expr"])) <= known
            assert {
                name for group in re.findall(r"by \(([^)]+)\)", target["expr"]) for name in group.split(", ")
            } <= known
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known

    @pytest.mark.parametrize("panel", METRIC_PANELS)
    def test_every_value_of_a_label_is_registered(self, panel):
        values = {
            value
            for metric in REGISTRY
            for place in metric.places
            for listed in place.labels.values()
            for value in listed
        }
        for target in panel["targets"]:
            for label, pattern in re.findall(r'(\w+)=~"([^"]+)"', target["expr"]):
                assert label == "job_name" or set(pattern.split("|")) <= values

    @pytest.mark.parametrize("panel", METRIC_PANELS)
    def test_counters_are_never_read_as_they_are(self, panel):
        for target in panel["targets"]:
            assert not re.search(r"(?<!rate\()(?<!increase\()\bcali_\w+_(?:total|bucket|sum|count)\b", target["expr"])

    @pytest.mark.parametrize("panel", METRIC_PANELS)
    def test_a_dependency_counts_once_however_many_tasks_find_it_down(self, panel):
        for target in panel["targets"]:
            assert not re.search(r"(?<!max )(?<!max by \(dependency\) )\(cali_breaker_open", target["expr"])

    def test_what_flink_tells_is_asked_for(self):
        asked = " ".join(target["expr"] for panel in METRIC_PANELS for target in panel.values[0]["targets"])
        assert [flink for flink in Flink if not re.search(rf"\b{flink.value}\b", asked)] == []

    def test_what_flink_tells_is_kept_by_the_scraping(self):
        scraping = yaml.safe_load((ROOT / "grafana" / "prometheus" / "scrape.yaml").read_text())
        relabeling = scraping["scrape_configs"][0]["metric_relabel_configs"]
        (kept,) = [rule["regex"] for rule in relabeling if rule.get("action") == "keep"]
        assert [flink for flink in Flink if not re.fullmatch(kept.replace(" ", ""), flink.value)] == []


class TestOpenSearch:
    @pytest.mark.parametrize("panel", DOCUMENT_PANELS)
    def test_every_field_is_mapped(self, panel):
        for target in panel["targets"]:
            known = fields_of(source_of(target))
            used = {part["field"] for part in (*target["bucketAggs"], *target["metrics"]) if "field" in part}
            used |= set(re.findall(r"([\w.@]+):[$(\w]", target["query"].replace("_exists_:", "")))
            used |= set(re.findall(r"_exists_:([\w.@]+)", target["query"]))
            assert used <= set(known)

    @pytest.mark.parametrize("panel", DOCUMENT_PANELS)
    def test_values_are_counted_by_fields_that_can_be(self, panel):
        for target in panel["targets"]:
            known = fields_of(source_of(target))
            counted = [part["field"] for part in target["bucketAggs"] if part["type"] == "terms"]
            assert {known[field] for field in counted} <= {"keyword"}

    @pytest.mark.parametrize("panel", DOCUMENT_PANELS)
    def test_columns_of_documents_are_mapped(self, panel):
        for target in panel["targets"]:
            if target["luceneQueryType"] == "RawData":
                wanted = panel["transformations"][-1]["options"]["indexByName"]
                assert set(wanted) - {"Best document"} <= set(fields_of(source_of(target)))

    @pytest.mark.parametrize("uid", DASHBOARDS)
    def test_variables_ask_for_fields_that_are_mapped(self, uid):
        for variable in DASHBOARDS[uid]["templating"]["list"]:
            if variable["type"] == "query" and variable["datasource"]["type"] != "prometheus":
                source = variable["datasource"]["uid"].strip("${}")
                assert fields_of(source)[json.loads(variable["query"])["field"]] == "keyword"


class TestProvisioning:
    def test_every_source_is_provisioned_under_its_name(self):
        provisioned = yaml.safe_load((ROOT / "grafana/provisioning/datasources/cali.yaml").read_text())["datasources"]
        assert {(one["uid"], one["name"], one["type"]) for one in provisioned} == {
            (source.uid, f"CALI {source.value}", source.plugin) for source in Source
        }

    def test_time_fields_are_dates(self):
        for uid, source in data_sources({}).items():
            if source.time_field:
                assert fields_of(uid.removeprefix("cali-"))[source.time_field] == "date"

    def test_no_address_and_no_credential_is_in_a_file(self):
        for path in (ROOT / "grafana" / "provisioning").rglob("*.yaml"):
            for text in strings(yaml.safe_load(path.read_text())):
                assert not urlsplit(text).scheme.startswith("http")
        provisioned = yaml.safe_load((ROOT / "grafana/provisioning/datasources/cali.yaml").read_text())["datasources"]
        secrets = [text for source in provisioned for text in strings(source.get("secureJsonData", {}))]
        assert set(secrets) == {"${CALI_OPENSEARCH_PASSWORD}"}


SHOWN = TimeRange(1_700_000_000_000, 1_700_003_600_000)
LOGS = DataSource("cali-logs", "http://127.0.0.1", "logs-*", "@timestamp")


def query(**model: Any) -> dict[str, Any]:
    return {"query": "*", "metrics": [{"id": "1", "type": "count"}], "bucketAggs": []} | model


def by(identifier: str, field: str, **settings: str) -> dict[str, Any]:
    known = {"size": "10", "order": "desc", "orderBy": "_count", "min_doc_count": "1", "missing": "-"}
    return {"id": identifier, "type": "terms", "field": field, "settings": known | settings}


OVER_TIME = {"id": "2", "type": "date_histogram", "settings": {"interval": "auto"}}


class TestAsGrafanaAsks:
    """What stands in for Grafana does as Grafana and its OpenSearch data source do."""

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("payment-api", r"payment\-api"),
            ("a b:c", r"a\ b\:c"),
            ("12", "12"),
            (["a-b", "c"], r'("a\-b" OR "c")'),
            ([], "__empty__"),
        ],
    )
    def test_values_in_lucene(self, value, expected):
        assert lucene(value) == expected

    def test_values_in_promql(self):
        assert regular_expression("log_insight") == "log_insight"
        assert regular_expression(["a.b", "c"]) == r"(a\.b|c)"

    def test_a_url_sets_what_a_reader_may_choose_and_nothing_else(self):
        address = {"name": "flink_ui", "type": "constant", "query": "https://flink.example.com", "skipUrlSync": True}
        chosen = {"name": "severity", "type": "custom", "current": {"value": ["ERROR"]}, "skipUrlSync": False}
        clicked = {"flink_ui": "https://evil.example.com", "severity": "WARN"}
        choices = Viewer({}, SHOWN).choices({"templating": {"list": [address, chosen]}}, clicked)
        assert {name: choice.value for name, choice in choices.items()} == {
            "flink_ui": "https://flink.example.com",
            "severity": "WARN",
        }

    def test_what_is_no_variable_stays(self):
        assert interpolate("$__interval ${other:raw}", {}) == "$__interval ${other:raw}"

    def test_time_is_always_a_filter(self):
        body = search_body(query(bucketAggs=[OVER_TIME]), LOGS, SHOWN)
        between = {"gte": SHOWN.start, "lte": SHOWN.end, "format": "epoch_millis"}
        assert body["query"]["bool"]["filter"][0] == {"range": {"@timestamp": between}}
        assert body["aggs"]["2"]["date_histogram"]["interval"] == "5000ms"

    def test_terms_stand_around_the_time_and_make_it_coarser(self):
        body = search_body(query(bucketAggs=[by("3", "a", size="100"), OVER_TIME]), LOGS, SHOWN)
        assert body["aggs"]["3"]["aggs"]["2"]["date_histogram"]["interval"] == "10000ms"

    def test_more_buckets_than_opensearch_gives_are_refused(self):
        with pytest.raises(GrafanaError, match="bucket budget"):
            search_body(query(bucketAggs=[by("3", "a", size="100"), by("4", "b", size="100"), OVER_TIME]), LOGS, SHOWN)

    def test_the_metric_of_an_order_stands_inside_its_terms(self):
        first = {"id": "5", "type": "min", "field": "@timestamp"}
        body = search_body(
            query(metrics=[{"id": "1", "type": "count"}, first], bucketAggs=[by("3", "a", orderBy="5"), by("4", "b")]),
            LOGS,
            SHOWN,
        )
        outer = body["aggs"]["3"]
        assert outer["terms"]["order"] == {"5": "desc"}
        assert outer["aggs"]["5"] == outer["aggs"]["4"]["aggs"]["5"] == {"min": {"field": "@timestamp"}}

    def test_a_value_without_inner_values_empties_the_table(self):
        answer = {
            "aggregations": {
                "3": {
                    "buckets": [
                        {"key": "x", "4": {"buckets": [{"key": "y", "doc_count": 2}]}},
                        {"key": "z", "4": {"buckets": []}},
                    ]
                }
            }
        }
        assert read(answer, query(bucketAggs=[by("3", "a"), by("4", "b")]), LOGS) == []

    def test_documents_are_flat(self):
        hit = {"_id": "1", "_index": "i", "_source": {"a.b": 1, "c": {"d": [2]}}, "fields": {"@timestamp": ["t"]}}
        row = read({"hits": {"hits": [hit]}}, query(metrics=[{"type": "raw_data"}]), LOGS)[0]
        assert row == {"_id": "1", "_index": "i", "a.b": 1, "c.d": [2], "@timestamp": "t"}
