"""What Prometheus sees of the running job: every metric of the registry, and counts that agree with what was sent."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import yaml

from jobs.log_insight.metrics import REGISTRY
from jobs.log_insight.operator_ids import OperatorId
from local.audit import read_alert
from local.prometheus import ALERTS
from udfs.meters import Meters, Series

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

#: What happens so shortly before the end may not have been scraped: a bundle and a scrape.
UNSEEN_SECONDS = 3.0
SELECTOR = re.compile(r"\b(?:(?:cali|flink)_\w+|up\b)(?:\{[^}]*\})?")
COUNTING = sorted({place.operator for metric in REGISTRY for place in metric.places})


def total(observed: Any, promql: str) -> float:
    """Return the one value of an expression."""
    (sample,) = observed.query(promql)
    return sample.value


def by(label: str, observed: Any, promql: str) -> dict[str, float]:
    """Return the values of an expression other than 0, by a label."""
    return {each.labels[label]: each.value for each in observed.query(f"sum by ({label}) ({promql})") if each.value}


@pytest.mark.parametrize("operator", COUNTING)
def test_every_series_of_the_registry_is_scraped(observed, operator: OperatorId):
    wanted = set(Meters(operator).series())
    keys = {series.name: [key for key, _ in series.labels] for series in wanted}
    samples = observed.query(f'{{__name__=~"cali_.+", operator_name="{operator.value}"}}')
    seen = {_series(each.labels, keys) for each in samples}
    assert seen == wanted


def test_series_carry_no_label_that_changes_with_every_attempt(observed):
    ours = {"__name__", "component", "instance", "job", "job_id", "job_name", "operator_name", "pod", "subtask_index"}
    registered = {label for metric in REGISTRY for place in metric.places for label in place.labels}
    seen = {label for each in observed.query('{__name__=~"cali_.+"}') for label in each.labels}
    assert seen == ours | registered | {"le", "task"}


def test_relabelling_makes_no_two_series_one(observed):
    own = requests.get(f"{observed.prometheus.url}/metrics", timeout=10).text
    assert "prometheus_target_scrapes_sample_duplicate_timestamp_total 0\n" in own


def test_lines_are_counted_as_they_were_sent(observed):
    sent = observed.manifest
    assert by("outcome", observed, "cali_records_total") == {"archived": sent.lines, "dead_letter": sent.dead_letters}
    assert total(observed, "sum(cali_entries_total)") == sent.lines
    assert total(observed, 'sum(cali_dead_letters_total{operator_name="ingest"})') == sent.dead_letters
    assert total(observed, "sum(cali_batch_records_sum)") >= sent.lines


def test_documents_are_counted_where_they_went(observed):
    logs = by("outcome", observed, 'cali_index_documents_total{operator_name="index-logs"}')
    assert sum(logs.values()) == observed.manifest.lines
    assert logs.get("refused", 0) == 0


def test_alerts_are_counted_as_slack_got_them(observed):
    posted = by("result", observed, "cali_alerts_total")["posted"]
    assert total(observed, "sum(cali_alerts_posted_total)") == posted
    assert total(observed, 'sum(cali_posts_total{outcome="sent"})') == posted
    first = {alert.incident_id for alert in map(read_alert, observed.told.messages) if alert.is_first}
    assert total(observed, "sum(cali_alert_delay_seconds_count)") == len(first)
    received = [message["received_at_ms"] / 1000 for message in observed.told.messages]
    # An update may have been posted after the last scrape.
    assert sum(at < observed.told.ended - UNSEEN_SECONDS for at in received) <= posted <= len(received)


def test_the_model_is_counted_and_paid_for_whether_its_answer_is_used_or_not(observed):
    calls = by("outcome", observed, "cali_llm_calls_total")
    assert calls.keys() == {"answered", "ungrounded"}
    assert by("direction", observed, "cali_llm_tokens_total").keys() == {"prompt", "completion"}
    assert total(observed, "sum(cali_llm_cost_microdollars_total)") > 0
    assert by("status", observed, "cali_analyses_total")["fallback"] == calls["ungrounded"]
    assert total(observed, "sum(cali_llm_seconds_count)") == sum(calls.values())


def test_buckets_give_quantiles(observed):
    promql = "histogram_quantile(0.95, sum by (le) (increase(cali_alert_delay_seconds_bucket[2m])))"
    assert 0 < total(observed, promql) < 60


def test_nothing_is_left_open_at_the_end(observed):
    assert by("dependency", observed, "cali_breaker_open") == {}


def test_every_rule_can_be_evaluated_and_finds_what_it_asks_for(observed):
    rules = observed.prometheus.rules()
    assert len(rules) == sum(len(group["rules"]) for group in yaml.safe_load(ALERTS.read_text())["groups"])
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    selectors = {found for rule in rules for found in SELECTOR.findall(rule["query"])}
    assert [selector for selector in sorted(selectors) if not observed.query(selector)] == []


def test_a_story_of_failing_services_is_no_alert_about_the_job(observed):
    critical = observed.query('ALERTS{alertstate="firing", severity="critical"}')
    assert [dict(each.labels) for each in critical] == []


def _series(labels: Mapping[str, str], keys: Mapping[str, list[str]]) -> Series:
    """Return what of a scraped series is the registry's."""
    name = labels["__name__"]
    return Series(name, tuple((key, labels[key]) for key in keys[name]))
