"""The DAGs as Airflow reads them: without a warning, without asking anybody, each task a pod as ours are."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.airflow.conftest import DAGS, ROOT
from tests.deploy import manifest_rules

Inspect = Callable[..., dict[str, Any]]
Facts = Mapping[str, Any]

#: Airflow 3.3.2 itself asks pathspec for a name that is deprecated, to read .airflowignore.
NOT_OURS = "ignore:GitWildMatchPattern:DeprecationWarning"
#: What a DAG file may take, seconds, when all libraries are imported; it is read again every few minutes.
PARSE_SECONDS = 0.5
BASE = ROOT / "flink-k8s" / "base"
POOLS = json.loads((ROOT / "airflow" / "pools.json").read_text())


@pytest.fixture(scope="session")
def inspect(airflow_environment: dict[str, str], airflow_python: Path) -> Inspect:
    """Have Airflow read a folder of DAGs, where warnings are errors, and return what it finds."""
    script = str(Path(__file__).parent / "inspect_dags.py")

    def read(folder: Path, **variables: str) -> dict[str, Any]:
        ended = subprocess.run(  # noqa: S603 - our script
            [str(airflow_python), "-W", "error", "-W", NOT_OURS, script, str(folder)],
            env=airflow_environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return found

    return read


@pytest.fixture(scope="session")
def found(inspect: Inspect) -> dict[str, Any]:
    """What Airflow finds in airflow/dags."""
    return inspect(DAGS)


def tasks(found: Mapping[str, Any]) -> Iterator[tuple[str, Facts]]:
    for dag_id, dag in found["dags"].items():
        yield from ((f"{dag_id}.{task_id}", task) for task_id, task in dag["tasks"].items())


def test_airflow_reads_the_dags_without_a_warning(found):
    """Every DAG is there, and nothing in them is deprecated in this Airflow and its providers."""
    assert found["errors"] == {}
    assert found["warnings"] == []
    assert sorted(found["dags"]) == ["archive_quality", "knowledge_refresh", "replay"]


def test_a_dag_asks_nobody_while_it_is_read(found):
    """No file, no program, no address, no database: a DAG is read every few minutes, in several places."""
    assert found["asked"] == []
    assert {name: seconds for name, seconds in found["seconds"].items() if seconds > PARSE_SECONDS} == {}


MISTAKES = {
    "a file": ("open('/etc/hostname').close()", "open /etc/hostname"),
    "an address": ("import socket\nsocket.getaddrinfo('127.0.0.1', 80)", "socket.getaddrinfo 127.0.0.1"),
    "a program": ("import subprocess\nsubprocess.run(['true'])", "subprocess.Popen true"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_a_dag_asks_while_it_is_read_is_found(mistake, inspect, tmp_path):
    """One line at the top of a DAG file that reaches out is named."""
    line, told = MISTAKES[mistake]
    (tmp_path / "wrong.py").write_text(f"from airflow.sdk import DAG\n{line}\nDAG('wrong', schedule=None)\n")
    assert told in inspect(tmp_path)["asked"]


def test_a_deprecated_use_is_found(inspect, tmp_path):
    """A DAG file with an argument that Airflow 3.3 deprecates is an import error."""
    (tmp_path / "wrong.py").write_text(
        "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator\n"
        "from airflow.sdk import DAG\n"
        "with DAG('wrong', schedule=None):\n    KubernetesPodOperator(task_id='wrong', reattach_on_restart=True)\n"
    )
    (error,) = inspect(tmp_path)["errors"].values()
    assert "AirflowProviderDeprecationWarning: `reattach_on_restart` is deprecated" in error


def test_every_dag_says_what_it_is_for_and_ends(found):
    """A person who sees it fail for the first time reads in the UI what to do."""
    for dag_id, dag in found["dags"].items():
        assert "**When it fails:**" in dag["doc"], dag_id
        assert "cali" in dag["tags"], dag_id
        assert dag["timeout"], dag_id
        assert dag["max_active_runs"] in (1, 2), dag_id


def test_every_task_is_tried_again_ends_and_tells_slack(found):
    """Retries with growing pauses, a timeout, a pool that is created, an owner, a page for the UI, one message."""
    for name, task in tasks(found):
        assert task["owner"] == "cali", name
        assert task["doc"], name
        assert task["pool"] in POOLS, name
        assert (task["retries"], task["backoff"], task["longest_delay"]) == (3, 2, 900), name
        assert task["timeout"], name
        assert task["tells_slack"], name


def test_a_run_has_time_for_every_try_of_every_task(found):
    """What fails is a task, which tells Slack; a run that ends at its own timeout would do it in silence."""
    for dag_id, dag in found["dags"].items():
        tasks = dag["tasks"].values()
        pauses = sum(task["retries"] * task["longest_delay"] for task in tasks)
        assert sum(task["timeout"] * (task["retries"] + 1) for task in tasks) + pauses / 3 < dag["timeout"], dag_id


def test_every_task_is_a_pod_that_survives_a_restart_of_airflow_and_is_removed(found):
    for name, task in tasks(found):
        assert task["operator"] == "airflow.providers.cncf.kubernetes.operators.pod.KubernetesPodOperator", name
        assert task["durable"], name
        assert task["on_finish"] == "delete_pod", name


def test_every_pod_is_one_of_ours(found):
    """Our image with `cali …`, in our namespace, with our labels, on nodes that can run it, and it ends by itself."""
    for name, task in tasks(found):
        metadata, spec = task["pod"]["metadata"], task["pod"]["spec"]
        (container,) = spec["containers"]
        assert metadata["namespace"] == "cali", name
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "cali", name
        assert spec["nodeSelector"] == {"kubernetes.io/arch": "amd64"}, name
        assert container["image"] == "{{ var.value.cali_image }}", name
        assert container["args"][0] == "cali", name
        assert spec["activeDeadlineSeconds"] >= task["timeout"], name


def test_every_pod_holds_to_the_rules_of_our_pods(found):
    """The rules of the manifests, on Airflow's pods: no root, no rights to gain, bounded, references that are made."""
    pods = [
        {
            "kind": "Job",
            "metadata": {"name": name, "namespace": "cali"},
            "spec": {"template": task["pod"]},
        }
        for name, task in tasks(found)
    ]
    texts = [file.read_text() for file in BASE.glob("*.yaml")]
    base = [each for text in texts for each in yaml.safe_load_all(text) if "metadata" in each]
    generated = yaml.safe_load((BASE / "kustomization.yaml").read_text())["configMapGenerator"]
    names = [*(each["name"] for each in generated), "cali-replay"]  # which scripts/release/deploy.py applies
    maps = [{"kind": "ConfigMap", "metadata": {"name": name}} for name in names]
    applied = manifest_rules.Applied((*pods, *base, *maps), ())
    assert list(manifest_rules.privileged_containers(applied)) == []
    assert list(manifest_rules.unbounded_containers(applied)) == []
    assert list(manifest_rules.missing_references(applied)) == []


def test_only_tasks_that_ask_kubernetes_have_a_token(found):
    """A pod without the account's token cannot use its rights."""
    with_token = {name for name, task in tasks(found) if task["pod"]["spec"]["automountServiceAccountToken"]}
    assert with_token == {"replay.start", "replay.wait", "replay.remove"}


def test_the_archive_is_caught_up_from_the_first_hour_on_and_not_before_one_is_set(inspect, found):
    """Where the environment says since when there is an archive, no hour after that is left out."""
    assert found["dags"]["archive_quality"]["catchup"] is False
    since = inspect(DAGS, ARCHIVE_SINCE="2026-11-22T12:00:00+00:00")
    assert since["errors"] == {}
    assert inspect(DAGS, ARCHIVE_SINCE="")["dags"]["archive_quality"]["catchup"] is False
    assert since["dags"]["archive_quality"]["catchup"] is True


def test_a_replay_is_removed_whenever_it_was_started(found):
    """`remove` is the teardown of `start`: it runs after a failure too, and never removes what another has started."""
    tasks = found["dags"]["replay"]["tasks"]
    assert tasks["remove"]["teardown"]
    assert tasks["remove"]["upstream"] == ["compare", "start"]


FORM = {
    "from": (
        ["2026-11-22T12:00:00+00:00", "2026-11-22T21:00:00+09:00", "2026-11-22T12:00:00.000Z"],
        ["2026-11-22T12:30:00Z", "2026-11-22T12:00:00", "2026-11-22T12:00:00+05:30", "2026-11-22T12:00:00Z\n", "today"],
    ),
    "run": (["7", "20261122t090000", "after-the-outage", None], ["A", "a_b", "-a", "a" * 27, "a\n"]),
}


@pytest.mark.parametrize("name", FORM)
def test_the_form_of_a_replay_takes_what_the_command_takes(name, found):
    """A time that is no whole hour, or a name that Kubernetes refuses, is refused before anything starts."""
    schema = found["dags"]["replay"]["params"][name]
    right, wrong = FORM[name]
    assert [value for value in right if not is_valid(value, schema)] == []
    assert [value for value in wrong if is_valid(value, schema)] == []


def is_valid(value: str | None, schema: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)
