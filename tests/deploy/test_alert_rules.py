"""The alert rules: each fires when it should and is quiet otherwise, on metrics that exist, with a runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.promql import Flink
from jobs.log_insight.metrics import REGISTRY, Metric
from jobs.replay.manifest import run_named
from local.prometheus import ALERTS, SCRAPE, SHIPPED

ROOT = Path(__file__).parents[2]
TESTS = SHIPPED / "alerts.test.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks.md"
REPLAYING = ROOT / "flink-k8s" / "replay"

#: What the rules use of Flink's own; `tests/integration/test_metrics.py` sees them all.
FLINK = {
    "flink_jobmanager_job_allSubTasksRunningOrFinishedTime",
    "flink_jobmanager_job_lastCheckpointCompletedTimestamp",
    "flink_jobmanager_job_numRestarts",
    "flink_jobmanager_job_numberOfFailedCheckpoints",
    "flink_taskmanager_Status_JVM_GarbageCollector_All_TimeMsPerSecond",
    "flink_taskmanager_Status_JVM_Memory_Metaspace_Max",
    "flink_taskmanager_Status_JVM_Memory_Metaspace_Used",
    "flink_taskmanager_job_task_backPressuredTimeMsPerSecond",
    "flink_taskmanager_job_task_currentInputWatermark",
    "flink_taskmanager_job_task_operator_millisBehindLatest",
}
#: Labels that `scrape.yaml` leaves on every series of a job or a process.
SCRAPED_LABELS = {"component", "job", "job_name", "namespace", "operator_name", "pod", "subtask_index", "task"}

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
#: In each rule, as Prometheus has no variables: where runbooks are served, or their path.
RUNBOOKS_ADDRESS = '{{ or $externalLabels.cali_runbooks "docs/runbooks.md" }}'
CRITICAL = [rule for rule in RULES if rule["labels"]["severity"] == "critical"]
#: Names of jobs that read history.
REPLAY = ".*-replay-.*"
each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


def test_prometheus_can_read_the_rules(promtool):
    assert f"{len(RULES)} rules found" in promtool("check", "rules", ALERTS)


def test_prometheus_can_read_the_scrape_configuration_beside_the_rules(promtool, tmp_path):
    shipped = yaml.safe_load(SCRAPE.read_text())
    for scrape in shipped["scrape_configs"]:
        assert scrape.pop("kubernetes_sd_configs") == [{"role": "pod"}]  # Debian's Prometheus is built without it
    whole = tmp_path / "prometheus.yaml"
    whole.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)]} | shipped))
    promtool("check", "config", whole)


def test_nothing_of_flinks_is_kept_that_no_rule_no_panel_and_no_runbook_asks_for():
    relabeling = yaml.safe_load(SCRAPE.read_text())["scrape_configs"][0]["metric_relabel_configs"]
    (kept,) = [rule["regex"].split("|") for rule in relabeling if rule.get("action") == "keep"]
    by_hand = re.findall(r"`(flink_\w+)`", RUNBOOKS.read_text())
    assert sorted(kept) == sorted({"cali_[a-z_]+", *FLINK, *by_hand, *(panel.value for panel in Flink)})


def test_every_rule_fires_and_is_quiet_as_its_stories_say(promtool):
    promtool("test", "rules", TESTS)


@each_rule
def test_a_rule_has_a_story_in_which_it_fires_and_one_in_which_it_is_quiet(rule):
    stories = yaml.safe_load(TESTS.read_text())["tests"]
    told = [(test, case) for test in stories for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert all(test["name"].startswith(rule["alert"]) for test, _ in told)
    assert [case for _, case in told if case["exp_alerts"]]
    # Quiet for longer than until the rule's `for` is over.
    assert [test for test, _ in told if not any(case["exp_alerts"] for case in test["alert_rule_test"])]


@each_rule
def test_a_rule_with_a_delay_is_quiet_until_it_is_over(rule):
    stories = yaml.safe_load(TESTS.read_text())["tests"]
    (fires,) = [test for test in stories if test["name"] == f"{rule['alert']} fires"]
    states = [bool(case["exp_alerts"]) for case in fires["alert_rule_test"]]
    assert states == ([False, True] if "for" in rule else [True])


@each_rule
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description", "runbook_url"} == rule["annotations"].keys()
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS_ADDRESS}#{rule['alert'].lower()}"


def test_runbooks_and_rules_are_of_the_same_alerts_in_the_same_order():
    sections = re.findall(r"^## (.+)$", RUNBOOKS.read_text(), flags=re.MULTILINE)
    assert sections == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("name", re.findall(r"^## (.+)$", RUNBOOKS.read_text(), flags=re.MULTILINE))
def test_a_runbook_says_what_it_means_what_to_look_at_and_what_to_do(name):
    section = RUNBOOKS.read_text().partition(f"## {name}\n")[2].partition("\n## ")[0]
    if not section.strip().startswith("As with "):
        assert re.findall(r"^\*\*(.+?):\*\*", section, flags=re.MULTILINE) == ["For users", "Check", "Do"]


def test_links_inside_the_runbooks_lead_somewhere():
    text = RUNBOOKS.read_text()
    anchors = {heading.lower() for heading in re.findall(r"^## (.+)$", text, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) - anchors == set()


@each_rule
def test_a_rule_asks_for_metrics_and_labels_that_exist(rule):
    known = _known()
    for name, matchers in _selectors(rule["expr"]):
        assert name in known, name
        for label, wanted in matchers:
            values = known[name].get(label)
            assert values is not None, f"{name} has no label {label}"
            asked = set(wanted.split("|"))
            assert not values or asked <= values, f"{name} has no {label} {asked - values}"
    available = {label for name, _ in _selectors(rule["expr"]) for label in known[name]}
    assert _grouped(rule) <= available


@pytest.mark.parametrize("rule", CRITICAL, ids=[rule["alert"] for rule in CRITICAL])
def test_a_job_that_reads_history_wakes_nobody_and_hides_nothing(rule):
    assert rule["expr"].count(f'job_name!~"{REPLAY}"') == len(_selectors(rule["expr"]))


def test_every_way_to_replay_gives_it_a_name_that_the_rules_know():
    by_hand = [re.findall(r"CALI_FLINK__JOB_NAME=(\S+)", path.read_text()) for path in REPLAYING.glob("*/replay.env")]
    assert len(by_hand) == 2
    for name in (*(name for (name,) in by_hand), run_named("7").job_name):
        assert re.fullmatch(REPLAY, name)


@each_rule
def test_a_text_names_labels_that_the_alert_has(rule):
    texts = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= _grouped(rule) - {"le"}


def _known() -> dict[str, dict[str, set[str]]]:
    """Return labels with their values by sample name; an empty set stands for any value."""
    anything: dict[str, set[str]] = {label: set() for label in SCRAPED_LABELS}
    ours = {sample: anything | _labels(metric, sample) for metric in REGISTRY for sample in metric.sample_names()}
    return ours | dict.fromkeys((*FLINK, "up"), anything)


def _labels(metric: Metric, sample: str) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = {"operator_name": {place.operator.value for place in metric.places}}
    for place in metric.places:
        for label, values in place.labels.items():
            labels[label] = labels.get(label, set()) | set(values)
    return labels | ({"le": set()} if sample.endswith("_bucket") else {})


def _grouped(rule: dict[str, Any]) -> set[str]:
    """Return the labels by which a rule groups, which are those of its alerts."""
    return {label for by in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for label in by.split(", ")}


def _selectors(expression: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every metric of an expression with its matchers."""
    found = re.findall(r"\b((?:cali|flink)_\w+|up\b)(?:\{([^}]*)\})?", expression)
    return [(name, re.findall(r'(\w+)(?:=~?|![=~])"([^"]*)"', matchers)) for name, matchers in found]
