"""Say to the Prometheus operator what `grafana/prometheus/` says to Prometheus: `python flink-k8s/monitoring.py`.

A PodMonitor and not a ServiceMonitor: TaskManagers are behind no Service.
"""  # noqa: INP001 - a script beside what it writes

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SCRAPE = ROOT / "grafana" / "prometheus" / "scrape.yaml"
ALERTS = ROOT / "grafana" / "prometheus" / "alerts.yaml"
TARGET = Path(__file__).parent / "base" / "monitoring.yaml"
HEAD = "# Made from grafana/prometheus/ by `python flink-k8s/monitoring.py`: change it there.\n"
#: The label by which pods are found: scrape.yaml writes it with underscores.
PART_OF = "app.kubernetes.io/part-of"
METADATA = {"namespace": "cali", "labels": {PART_OF: "cali"}}
#: What the Prometheus operator adds to every series, and scrape.yaml does not.
ADDED_LABELS = "container|endpoint"
RENAMED = {"source_labels": "sourceLabels", "target_label": "targetLabel"}


def main() -> None:
    """Write `base/monitoring.yaml`."""
    TARGET.write_text(rendered())


def rendered() -> str:
    """Return the file as it should be."""
    (scrape,) = yaml.safe_load(SCRAPE.read_text())["scrape_configs"]
    documents = [pod_monitor(scrape), prometheus_rule(yaml.safe_load(ALERTS.read_text()))]
    return HEAD + yaml.safe_dump_all(documents, sort_keys=False, width=120)


def pod_monitor(scrape: dict[str, Any]) -> dict[str, Any]:
    """Return the PodMonitor of a scrape job that finds pods by a label and a port's name."""
    label, port, *named = scrape["relabel_configs"]
    endpoint = {
        "port": port["regex"],
        "interval": scrape["scrape_interval"],
        "relabelings": [*_relabelings(_of_pods(named)), {"action": "labeldrop", "regex": ADDED_LABELS}],
        "metricRelabelings": list(_relabelings(scrape["metric_relabel_configs"])),
    }
    spec = {
        # The alert rules know the job by its name, and the operator takes one from a pod's label.
        "jobLabel": PART_OF,
        "selector": {"matchLabels": {PART_OF: label["regex"]}},
        "podMetricsEndpoints": [endpoint],
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "cali"} | METADATA,
        "spec": spec,
    }


def prometheus_rule(rules: dict[str, Any]) -> dict[str, Any]:
    """Return alert rules as an object of Kubernetes."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "cali"} | METADATA,
        "spec": rules,
    }


def _of_pods(relabelings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the relabelings that the Prometheus operator does not do by itself: it names namespace and pod."""
    return [each for each in relabelings if each["target_label"] not in {"namespace", "pod"}]


def _relabelings(configs: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return ({RENAMED.get(key, key): value for key, value in config.items()} for config in configs)


if __name__ == "__main__":
    main()
