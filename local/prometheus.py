"""Prometheus: a real server, where the machine has one, with the scrape configuration and the alert rules we ship."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import requests
import yaml

from local import http
from local.part import SingleProcessPart
from local.paths import ROOT
from local.ports import HOST, free_port
from local.process import PartError

SHIPPED = ROOT / "grafana" / "prometheus"
SCRAPE = SHIPPED / "scrape.yaml"
ALERTS = SHIPPED / "alerts.yaml"
INTERVAL = "1s"
#: Rules look back as far as a day; nobody waits for them here.
EVALUATION_INTERVAL = "10s"


class PrometheusError(Exception):
    """Prometheus refused a request; the message has its words."""


class Sample(NamedTuple):
    """One series of an answer at one moment."""

    labels: Mapping[str, str]
    value: float


class Series(NamedTuple):
    """One series of an answer over time: pairs of epoch seconds and value."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class Prometheus(SingleProcessPart):
    """One Prometheus server that scrapes the stack's Flink every second."""

    name = "prometheus"
    label = "Prometheus"

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """Make the part on `port`, or a free one."""
        super().__init__(directory)
        self.port = port or free_port()
        #: A file of `file_sd_configs`; the cluster keeps it up to date.
        self.targets = directory / "targets" / "flink.json"

    @staticmethod
    def is_installed() -> bool:
        """Say whether this machine has a Prometheus."""
        return shutil.which("prometheus") is not None

    @property
    def url(self) -> str:
        """Address of page and API."""
        return f"http://{HOST}:{self.port}"

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """Return what an expression gives now, or at epoch second `at`; a scalar is one sample without labels.

        Raises:
            PrometheusError: the expression is refused.
        """
        answer = self._ask("query", {"query": promql} | ({} if at is None else {"time": str(at)}))
        if answer["resultType"] == "scalar":
            return [Sample({}, float(answer["result"][1]))]
        return [Sample(each["metric"], float(each["value"][1])) for each in answer["result"]]

    def query_range(self, promql: str, start: float, end: float, step: float) -> list[Series]:
        """Return what an expression gives from one epoch second to another, every `step` seconds.

        Raises:
            PrometheusError: the expression is refused.
        """
        stretch = {"start": str(start), "end": str(end), "step": str(step)}
        answer = self._ask("query_range", {"query": promql} | stretch)
        return [
            Series(each["metric"], tuple((at, float(value)) for at, value in each["values"]))
            for each in answer["result"]
        ]

    def targets_up(self) -> dict[str, bool]:
        """Return the processes of Flink that are scraped, by name, and whether the last scrape went well."""
        active = self._ask("targets", {"state": "active"})["activeTargets"]
        return {target["labels"]["pod"]: target["health"] == "up" for target in active}

    def rules(self) -> list[dict[str, Any]]:
        """Return every alert rule as Prometheus has it: `name`, `health`, `lastError`, `state` and so on."""
        return [rule for group in self._ask("rules", {})["groups"] for rule in group["rules"]]

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [
            "prometheus",
            f"--config.file={self.data / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self.data / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--log.level=warn",
        ]

    def prepare(self) -> None:
        """Write the server's configuration.

        Raises:
            PartError: Prometheus is not installed.
        """
        if not self.is_installed():
            raise PartError("there is no `prometheus` on PATH; on Debian it is in the package of that name")
        self.targets.parent.mkdir(exist_ok=True)
        (self.data / "prometheus.yaml").write_text(yaml.safe_dump(self._configuration(), sort_keys=False))

    def is_healthy(self) -> bool:
        """Say whether the server answers queries."""
        return http.answers(f"{self.url}/-/ready")

    def addresses(self) -> dict[str, str]:
        """Return the page."""
        return {self.label: self.url}

    def _configuration(self) -> dict[str, Any]:
        """Return what we ship, with other targets: there they are found in Kubernetes."""
        scrapes = yaml.safe_load(SCRAPE.read_text())["scrape_configs"]
        for scrape in scrapes:
            del scrape["kubernetes_sd_configs"], scrape["relabel_configs"]
            scrape["file_sd_configs"] = [{"files": [str(self.targets)]}]
            scrape["scrape_interval"] = scrape["scrape_timeout"] = INTERVAL
        own = {"scrape_interval": INTERVAL, "evaluation_interval": EVALUATION_INTERVAL}
        return {"global": own, "rule_files": [str(ALERTS)], "scrape_configs": scrapes}

    def _ask(self, endpoint: str, parameters: dict[str, str]) -> Any:
        with http.session() as client:
            url = f"{self.url}/api/v1/{endpoint}"
            try:
                answer = client.get(url, params=parameters, timeout=http.TIMEOUT_SECONDS).json()
            except (requests.RequestException, json.JSONDecodeError) as error:
                raise PrometheusError(f"{endpoint}: {error}") from error
        if answer["status"] != "success":
            raise PrometheusError(f"{parameters}: {answer['error']}")
        return answer["data"]
