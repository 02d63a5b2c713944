"""What Airflow is told: the chart's values, the image with the DAGs, and rights that let it do what its tasks do."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import ENVIRONMENTS, ROOT, Manifest

AIRFLOW = ROOT / "airflow"
VALUES: dict[str, Any] = yaml.safe_load((AIRFLOW / "values.yaml").read_text())
DOCKERFILE = (AIRFLOW / "Dockerfile").read_text()
DAGS = "\n".join(path.read_text() for path in (AIRFLOW / "dags").glob("*.py"))


def values_of(environment: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((AIRFLOW / f"values-{environment}.yaml").read_text())
    return found


def variables(environment: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in values_of(environment)["env"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_tasks_run_the_image_of_the_job(environment: str, build: Callable[[str], list[Manifest]]) -> None:
    """A command of another release than the job's could not read what the job writes."""
    (job,) = [each for each in build(f"overlays/{environment}") if each["kind"] == "FlinkDeployment"]
    assert variables(environment)["AIRFLOW_VAR_CALI_IMAGE"] == job["spec"]["image"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_slack_links_the_reports_where_they_are_written(
    environment: str, build: Callable[[str], list[Manifest]]
) -> None:
    """The address that the DAGs know is the one that the pods are told."""
    settings = {
        each["metadata"]["name"]: each for each in build(f"overlays/{environment}") if each["kind"] == "ConfigMap"
    }
    reports = settings["cali-settings"]["data"]["CALI_QUALITY__REPORTS"]
    assert variables(environment)["AIRFLOW_VAR_CALI_REPORTS"] == reports


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_variable_of_the_dags_has_a_value(environment: str) -> None:
    """A variable that nobody sets fails the first task that asks for it."""
    used = {f"AIRFLOW_VAR_{name.upper()}" for name in re.findall(r"var\.value\.(\w+)", DAGS)}
    used |= set(re.findall(r'os\.environ\.get\("(\w+)"\)', DAGS))
    assert used == variables(environment).keys() - {"AIRFLOW__API__BASE_URL"}


def test_the_connection_to_slack_is_the_one_of_the_dags() -> None:
    """It comes from a Secret, as a variable that Airflow reads a connection from."""
    (name,) = re.findall(r'^SLACK = "(\w+)"$', DAGS, re.MULTILINE)
    assert [each["envName"] for each in VALUES["secret"]] == [f"AIRFLOW_CONN_{name.upper()}"]


def test_the_account_that_starts_pods_is_the_one_with_the_rights(build: Callable[[str], list[Manifest]]) -> None:
    """With LocalExecutor tasks run beside the scheduler, in its name; no other part of Airflow has rights."""
    assert VALUES["executor"] == "LocalExecutor"
    bound = [
        subject
        for each in build("platform")
        if each["kind"] == "RoleBinding"
        for subject in each["subjects"]
        if subject.get("namespace") == "airflow"
    ]
    name = VALUES["scheduler"]["serviceAccount"]["name"]
    assert bound == [{"kind": "ServiceAccount", "name": name, "namespace": "airflow"}]
    assert VALUES["allowPodLaunching"] is False
    for part in ("apiServer", "dagProcessor", "triggerer"):
        assert VALUES[part]["serviceAccount"]["automountServiceAccountToken"] is False, part


def test_no_secret_is_in_the_values() -> None:
    """Keys, the database's address and the webhook come from a Secret."""
    named = [VALUES["data"]["metadataSecretName"], *(VALUES[f"{key}Name"] for key in ("fernetKeySecret", "jwtSecret"))]
    named += [VALUES["apiSecretKeySecretName"], *(each["secretName"] for each in VALUES["secret"])]
    assert set(named) == {"airflow-keys"}
    assert [VALUES[part]["enabled"] for part in ("postgresql", "createUserJob")] == [False, False]


def test_deadlines_have_somebody_to_tell_of_them() -> None:
    """A Deadline Alert is told by the triggerer."""
    assert "AsyncCallback(" in DAGS
    assert VALUES["triggerer"]["enabled"] is True


def test_what_airflow_runs_on_is_bounded_and_not_root() -> None:
    """Each part says what it needs and may have at most, and none may become root."""
    for part in ("scheduler", "apiServer", "dagProcessor", "triggerer", "migrateDatabaseJob"):
        resources: Mapping[str, Any] = VALUES[part]["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys(), part
        assert "memory" in resources["limits"], part
    pod, containers = VALUES["securityContexts"]["pod"], VALUES["securityContexts"]["containers"]
    assert pod["runAsNonRoot"]
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert containers == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_volume_of_the_logs_is_of_a_class_that_is_there(build: Callable[[str], list[Manifest]]) -> None:
    """EKS has no default class: a claim of none, or of one that nobody makes, waits for ever."""
    (made,) = [each["metadata"]["name"] for each in build("platform") if each["kind"] == "StorageClass"]
    assert VALUES["workers"]["celery"]["persistence"]["storageClassName"] == made


def test_every_pool_of_the_dags_is_made() -> None:
    """A task whose pool is not there waits for ever."""
    pools = json.loads((AIRFLOW / "pools.json").read_text())
    assert set(re.findall(r'(?:pool=|POOL = )"(\w+)"', DAGS)) == pools.keys()
    assert pools["cali_replay"]["slots"] == 1
    assert "airflow pools import /opt/airflow/pools.json" in VALUES["migrateDatabaseJob"]["args"][-1]
    assert "COPY pools.json /opt/airflow/pools.json" in DOCKERFILE


def test_image_chart_and_lock_are_of_one_airflow() -> None:
    """The DAGs are tested with the Airflow that runs them."""
    lock = (ROOT / "requirements" / "airflow.txt").read_text()
    (version,) = re.findall(r"^apache-airflow==(\S+)", lock, re.MULTILINE)
    assert version == VALUES["airflowVersion"]
    assert f"AIRFLOW_IMAGE=apache/airflow:{version}-python3.12\n" in DOCKERFILE


def test_hadolint_finds_nothing_in_the_image(require_tool: Callable[[str], str]) -> None:
    subprocess.run([require_tool("hadolint"), str(AIRFLOW / "Dockerfile")], check=True)  # noqa: S603 - our file, no shell


def test_the_script_that_installs_airflow_is_sound(require_tool: Callable[[str], str]) -> None:
    """A shell reads it as it is meant, and each environment has the values that it names."""
    script = AIRFLOW / "install.sh"
    subprocess.run([require_tool("shellcheck"), str(script)], check=True)  # noqa: S603 - our file, no shell
    assert os.access(script, os.X_OK)
    named = re.findall(r'--values "?([\w$.-]+)', script.read_text())
    files = {name.replace("$ENVIRONMENT", environment) for name in named for environment in ENVIRONMENTS}
    assert files == {"values.yaml", "values-dev.yaml", "values-prod.yaml"}
    assert all((AIRFLOW / name).is_file() for name in files)
