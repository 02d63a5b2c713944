"""The registry of metrics and what is counted under its names."""

import ast
import re
from pathlib import Path

import pytest

from jobs.log_insight import metrics
from jobs.log_insight.metrics import (
    ALERTS,
    DEAD_LETTERS,
    ENTRIES,
    OUTBOX_ALERTS,
    POST_SECONDS,
    REGISTRY,
    MetricKind,
    index_reason,
)
from jobs.log_insight.operator_ids import OperatorId
from udfs.errors import DecodeError, ParseError, ValidateError
from udfs.meters import Meters, Series, UnregisteredMetricError

ROOT = Path(__file__).parents[2]
ERRORS = {each.__name__: each.stage.value for each in (DecodeError, ParseError, ValidateError)}


def counted(meters: Meters, name: str, **labels: str) -> int:
    return meters.value(Series(name, tuple(labels.items())))


def error_types() -> set[str]:
    """Every stage and error type that the code raises, with the packings written out."""
    found = set()
    for path in (ROOT / "udfs").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                found |= {f"{ERRORS[node.func.id]}.{text}" for text in texts(node.args[0])}
    return found


def texts(argument: ast.expr) -> list[str]:
    if isinstance(argument, ast.Constant):
        return [argument.value]
    assert isinstance(argument, ast.JoinedStr), "an error type that cannot be read off the code"
    beginning = argument.values[0].value
    return [beginning + packing for packing in ("gzip", "zstd")]


def test_names_and_units_are_prometheus_own():
    assert len({metric.name for metric in REGISTRY}) == len(REGISTRY)
    for metric in REGISTRY:
        assert re.fullmatch(r"cali_[a-z]+(_[a-z]+)*", metric.name)
        assert (metric.kind is MetricKind.COUNTER) == metric.name.endswith("_total"), metric.name
        assert (metric.kind is MetricKind.HISTOGRAM) == bool(metric.buckets), metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.help.endswith(".")


def test_a_metric_has_the_same_labels_wherever_it_is_counted():
    # Flink's reporter gives the name to whoever comes first, and drops the others if their labels differ.
    for metric in REGISTRY:
        assert len({tuple(place.labels) for place in metric.places}) == 1, metric.name


def test_every_error_type_of_a_dead_letter_is_registered():
    reasons = {dict(labels)["reason"] for labels in DEAD_LETTERS.label_values(OperatorId.INGEST)}
    assert reasons == error_types()


def test_an_error_type_of_opensearch_that_is_not_listed_is_counted_as_other():
    reasons = {dict(labels)["reason"] for labels in DEAD_LETTERS.label_values(OperatorId.INDEX_LOGS)}
    assert index_reason("mapper_parsing_exception") in reasons
    assert index_reason("a type of tomorrow") == "index.other"
    assert "index.other" in reasons


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(lambda meters: meters.add(ALERTS, result="posted"), id="metric of another operator"),
        pytest.param(lambda meters: meters.add(ENTRIES), id="label missing"),
        pytest.param(lambda meters: meters.add(ENTRIES, severity="LOUD"), id="value not listed"),
        pytest.param(lambda meters: meters.add(ENTRIES, severity="INFO", service="a"), id="label too many"),
        pytest.param(lambda meters: meters.set(ENTRIES, 1, severity="INFO"), id="another kind"),
        pytest.param(lambda meters: meters.add(ENTRIES._replace(name="cali_x_total"), severity="INFO"), id="unknown"),
    ],
)
def test_what_is_not_registered_is_not_counted(count):
    with pytest.raises(UnregisteredMetricError):
        count(Meters(OperatorId.INGEST))


def test_every_series_is_there_from_the_start_with_0():
    for metric in REGISTRY:
        for place in metric.places:
            meters = Meters(place.operator)
            names = {series.name for series in meters.series()}
            assert set(metric.sample_names()) <= names
            assert {meters.value(series) for series in meters.series()} == {0}


def test_a_counter_adds_and_a_gauge_is_set():
    meters = Meters(OperatorId.NOTIFY)
    meters.add(ALERTS, result="posted")
    meters.add(ALERTS, 2, result="posted")
    meters.set(OUTBOX_ALERTS, 7)
    meters.set(OUTBOX_ALERTS, 3)
    assert counted(meters, "cali_alerts_total", result="posted") == 3
    assert counted(meters, "cali_alerts_total", result="silenced") == 0
    assert counted(meters, "cali_outbox_alerts") == 3


def test_the_buckets_of_a_histogram_hold_all_that_is_not_above_them():
    meters = Meters(OperatorId.NOTIFY)
    for seconds in (0.04, 0.05, 0.3, 60.0):
        meters.observe(POST_SECONDS, seconds)
    buckets = {
        dict(series.labels)["le"]: meters.value(series)
        for series in meters.series()
        if series.name == "cali_post_seconds_bucket"
    }
    assert (buckets["0.05"], buckets["0.25"], buckets["0.5"], buckets["20"], buckets["+Inf"]) == (2, 2, 3, 3, 4)
    assert counted(meters, "cali_post_seconds_count") == 4
    assert counted(meters, "cali_post_seconds_sum") == 60


def test_the_time_of_a_block_is_counted_also_when_it_fails():
    meters = Meters(OperatorId.NOTIFY)
    with pytest.raises(KeyError), meters.timed(POST_SECONDS):
        raise KeyError
    assert counted(meters, "cali_post_seconds_count") == 1


def test_operators_open_their_meters_in_one_way_only():
    users = [
        path.relative_to(ROOT).as_posix()
        for package in ("jobs", "udfs")
        for path in (ROOT / package).rglob("*.py")
        if "get_metrics_group" in path.read_text()
    ]
    assert users == ["udfs/operators/metric_group.py"]


def test_every_metric_is_counted_somewhere():
    counting = {"add", "set", "observe", "timed"}
    counted = {
        node.args[0].id
        for path in (ROOT / "udfs").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in counting
        if node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in vars(metrics)
    }
    registered = {name for name, value in vars(metrics).items() if isinstance(value, metrics.Metric)}
    assert counted == registered
