"""The alerts on Fluent Bit itself, which the chart gives to the Prometheus operator: each in stories of its own."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.deploy.fluent_bit.configuration import MAIN, load

VALUES = Path(__file__).parents[2] / "fluent-bit" / "values.yaml"
RULES: list[dict[str, Any]] = yaml.safe_load(VALUES.read_text())["prometheusRule"]["rules"]
POD = 'namespace="logging",pod="fluent-bit-x2x4k"'


class Story(NamedTuple):
    """Metrics of a pod, a value a minute, and whether the alert fires after half an hour."""

    alert: str
    metrics: dict[str, str]
    fires: bool


def kinesis(metric: str) -> str:
    return f'fluentbit_output_{metric}{{name="kinesis",{POD}}}'


def containers(metric: str) -> str:
    return f'fluentbit_input_{metric}{{name="containers",{POD}}}'


RETRIES, SENT = kinesis("retries_total"), kinesis("proc_records_total")
STORIES = [
    Story("FluentBitDropsRecords", {kinesis("dropped_records_total"): "0x20 5+0x20"}, fires=True),
    Story("FluentBitDropsRecords", {kinesis("retries_failed_total"): "0x20 1+0x20"}, fires=True),
    Story("FluentBitDropsRecords", {kinesis("dropped_records_total"): "7x40"}, fires=False),
    Story("FluentBitCannotSend", {RETRIES: "0+9x40", SENT: "100x40"}, fires=True),
    Story("FluentBitCannotSend", {RETRIES: "0+9x40", SENT: "0+100x40"}, fires=False),
    Story("FluentBitCannotSend", {RETRIES: "3x40", SENT: "100x40"}, fires=False),
    Story("FluentBitBufferFills", {kinesis("chunk_available_capacity_percent"): "100-3x40"}, fires=True),
    Story("FluentBitBufferFills", {kinesis("chunk_available_capacity_percent"): "100-1x40"}, fires=False),
    Story("FluentBitReadsNothing", {containers("records_total"): "5x40"}, fires=True),
    Story("FluentBitReadsNothing", {containers("records_total"): "0+5x40"}, fires=False),
    Story("FluentBitCutsLines", {containers("long_line_truncated_total"): "0x9 1x30"}, fires=True),
    Story("FluentBitCutsLines", {containers("long_line_skipped_total"): "0x9 1x30"}, fires=True),
    Story("FluentBitCutsLines", {containers("long_line_skipped_total"): "1x40"}, fires=False),
]


def test_each_alert_has_a_story_in_which_it_fires_and_one_in_which_it_is_quiet():
    assert {(rule["alert"], fires) for rule in RULES for fires in (True, False)} == {
        (story.alert, story.fires) for story in STORIES
    }


def test_the_alerts_speak_of_the_plugins_by_their_names():
    pipeline = load(MAIN)["pipeline"]
    aliases = {plugin["alias"] for kind in ("inputs", "outputs") for plugin in pipeline[kind]}
    assert {name for rule in RULES for name in re.findall(r'name="(\w+)"', rule["expr"])} <= aliases


def test_the_alerts_fire_as_told(promtool: Callable[..., str], tmp_path: Path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "fluent-bit", "rules": RULES}]}))
    told = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [_told(story) for story in STORIES]}
    (tmp_path / "stories.yaml").write_text(yaml.safe_dump(told))

    promtool("test", "rules", tmp_path / "stories.yaml")


def _told(story: Story) -> dict[str, Any]:
    rule = next(rule for rule in RULES if rule["alert"] == story.alert)
    annotations = {
        name: text.replace("{{ $labels.pod }}", "fluent-bit-x2x4k") for name, text in rule["annotations"].items()
    }
    fired = {"exp_labels": {**rule["labels"], **_labels(story)}, "exp_annotations": annotations}
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in story.metrics.items()],
        "alert_rule_test": [
            {"eval_time": "30m", "alertname": story.alert, "exp_alerts": [fired] if story.fires else []}
        ],
    }


def _labels(story: Story) -> dict[str, str]:
    """Return what identifies the alert: all labels of its first metric that the rule keeps."""
    name = "kinesis" if "output" in next(iter(story.metrics)) else "containers"
    labels = {"namespace": "logging", "pod": "fluent-bit-x2x4k"}
    return labels if story.alert == "FluentBitReadsNothing" else labels | {"name": name}
