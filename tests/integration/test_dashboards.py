"""Every query of every panel, asked as Grafana asks it, of the stores and of a Prometheus after the story."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from grafana.build import Addresses, render_all
from grafana.dashboards.incidents import FIRST
from grafana.links import Uid
from local.generator.failures import Role
from local.generator.manifest import FailureSent
from local.grafana import Choice, TimeRange, Viewer, data_sources, panels
from schemas.log_entry import Severity

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

DASHBOARDS = {name.removesuffix(".json"): json.loads(text) for name, text in render_all(Addresses()).items()}


PANELS = [(uid, panel) for uid, dashboard in DASHBOARDS.items() for panel in panels(dashboard)]
DOCUMENTS = [
    pytest.param(uid, panel, id=f"{uid}: {panel['title']}")
    for uid, panel in PANELS
    if panel["datasource"]["type"] == "grafana-opensearch-datasource"
]
TABLES = [each for each in DOCUMENTS if each.values[1]["type"] == "table"]
EXPRESSIONS = {
    f"{uid}: {panel['title']} {target['refId']}": (uid, target)
    for uid, panel in PANELS
    if panel["datasource"]["type"] == "prometheus"
    for target in panel["targets"]
}
#: What goes wrong in no story, or need not: everything else is counted, or the test fails. Keys of `EXPRESSIONS`.
MAY_BE_ZERO = frozenset(
    {
        # The job keeps up with what is sent, and nothing restarts.
        "cali-pipeline: Behind the stream A",
        "cali-pipeline: Behind the stream by shard A",
        "cali-pipeline: Back-pressure by task A",
        "cali-pipeline: Checkpoints B",
        "cali-pipeline: Restarts A",
        # Nothing that the job depends on is down.
        "cali-pipeline: Dependencies down A",
        "cali-pipeline: Open breakers A",
        "cali-pipeline: Alerts by kind, and ledger misses B",
        "cali-llm: Breaker of the model A",
        "cali-llm: Dependencies of an analysis A",
        # OpenSearch takes every document, and in time.
        "cali-pipeline: Documents that are not in the index A",
        "cali-data-quality: Refused by the index A",
        "cali-data-quality: Documents refused A",
        # No shard lags, and no service writes more kinds of errors than the cap lets through.
        "cali-data-quality: Late or over the cap A",
        "cali-data-quality: Late groups and overflow A",
        "cali-data-quality: Late groups without an incident A",
    }
)
VARIABLES = [
    pytest.param(uid, variable, id=f"{uid}: {variable['name']}")
    for uid, dashboard in DASHBOARDS.items()
    for variable in dashboard["templating"]["list"]
    if variable["type"] == "query"
]


class LabelValues(NamedTuple):
    observed: Any

    def label_values(self, metric: str, label: str) -> list[str]:
        return [sample.labels[label] for sample in self.observed.query(f"group by ({label}) ({metric})")]


class Looking(NamedTuple):
    """A reader who came from a link to the service that failed first."""

    viewer: Viewer
    choices: Mapping[str, Mapping[str, Choice]]
    first: FailureSent
    observed: Any


@pytest.fixture(scope="module")
def looking(observed) -> Looking:
    told = observed.told
    environment = told.environment | {"CALI_PROMETHEUS_URL": observed.prometheus.url}
    shown = TimeRange(int(told.began * 1000) - 60_000, int(told.ended * 1000))
    viewer = Viewer(data_sources(environment), shown, LabelValues(observed))
    first = min(
        (failure for failure in told.manifest.failures if is_a_failure(failure)),
        key=lambda failure: failure.first_put_ms,
    )
    choices = {uid: viewer.choices(dashboard, clicked(uid, first)) for uid, dashboard in DASHBOARDS.items()}
    return Looking(viewer, choices, first, observed)


def is_a_failure(failure: FailureSent) -> bool:
    return failure.role is not Role.BACKGROUND and failure.severity in {Severity.ERROR, Severity.FATAL}


def clicked(uid: str, first: FailureSent) -> dict[str, str]:
    return {"service": first.service} if uid == Uid.SERVICE else {}


def shows_something(panel: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    if panel["type"] in {"timeseries", "stat"}:
        return any(row["value"] for row in rows)
    return bool(rows)


@pytest.mark.parametrize(("uid", "panel"), DOCUMENTS)
def test_opensearch_gives_every_query_of_a_panel_rows(looking, uid, panel):
    for target in panel["targets"]:
        assert shows_something(panel, looking.viewer.rows(panel, target, looking.choices[uid]))


@pytest.mark.parametrize(("uid", "panel"), TABLES)
def test_every_column_of_a_table_has_a_value_somewhere(looking, uid, panel):
    rows = looking.viewer.rows(panel, panel["targets"][0], looking.choices[uid])
    chosen = panel["transformations"][-1]["options"]
    wanted = {chosen["renameByName"].get(name, name) for name in chosen["indexByName"]}
    assert {name for row in rows for name, value in row.items() if value not in (None, "", [])} == wanted


def test_what_may_be_zero_is_asked_for():
    assert MAY_BE_ZERO - EXPRESSIONS.keys() == set()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_prometheus_gives_a_query_samples(looking, name):
    """A metric that nobody counts is all zeros too, and so is one whose first events fell before its first sample."""
    uid, target = EXPRESSIONS[name]
    promql = looking.viewer.promql(target, looking.choices[uid])
    told, prometheus = looking.observed.told, looking.observed.prometheus
    if target.get("instant"):
        values = [sample.value for sample in looking.observed.query(promql)]
    else:
        values = [
            value for series in prometheus.query_range(promql, told.began, told.ended, 1) for _, value in series.points
        ]
    numbers = [value for value in values if not math.isnan(value)]
    assert numbers, f"no sample, or NaN alone: {promql}"
    assert name in MAY_BE_ZERO or max(numbers) > 0, f"no sample above 0; MAY_BE_ZERO has not {name!r}: {promql}"


@pytest.mark.parametrize(("uid", "variable"), VARIABLES)
def test_a_variable_has_something_to_choose(looking, uid, variable):
    assert looking.viewer.options(variable, looking.choices[uid])


def test_a_reader_finds_which_service_failed_first_and_what_was_done(looking):
    """The first row of the one table: the failure that was started first, its alert, its cause, and what to do."""
    rows = first_table(looking, looking.choices[Uid.INCIDENTS])
    assert rows[0]["Service"] == looking.first.service
    assert 0 < rows[0]["Entries"] <= looking.first.lines
    assert rows[0]["Told"] == "posted"
    assert rows[0]["As"] in {"firing", "analysis"}
    assert rows[0]["Analysis"] == "grounded"
    assert rows[0]["Cause"]
    assert rows[0]["Action"]
    assert rows[0]["Best document"].startswith("https://")
    assert [row["First seen"] for row in rows] == sorted(row["First seen"] for row in rows)


def test_the_link_of_an_alert_leads_to_its_incident_alone(looking):
    """`var-incident=` in the link chooses one incident, its lines, and its alert in the ledger."""
    one = first_table(looking, looking.choices[Uid.INCIDENTS])[0]
    choices = looking.viewer.choices(DASHBOARDS[Uid.INCIDENTS], {"incident": one["Incident"]})
    assert choices["incident_fingerprint"].value == [one["Fingerprint"]]
    incidents = table(looking, "The chosen incident", choices)
    assert [row["Incident"] for row in incidents] == [one["Incident"]]
    alerts = table(looking, "Alerts of the incident", choices)
    assert {row["Incident"] for row in alerts} == {one["Incident"]}
    assert {row["Status"] for row in alerts} == {"posted"}
    lines = table(looking, "Lines", choices)
    assert {line["fingerprint"] for line in lines} == {one["Fingerprint"]}
    assert {line["service.name"] for line in lines} == {one["Service"]}
    assert len(lines) == looking.first.lines


def first_table(looking: Looking, choices: Mapping[str, Choice]) -> list[dict[str, Any]]:
    return table(looking, FIRST, choices)


def table(looking: Looking, title: str, choices: Mapping[str, Choice]) -> list[dict[str, Any]]:
    (panel,) = [panel for panel in panels(DASHBOARDS[Uid.INCIDENTS]) if panel["title"] == title]
    return looking.viewer.rows(panel, panel["targets"][0], choices)
