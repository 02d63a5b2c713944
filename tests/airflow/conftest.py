"""Airflow in processes of its own: its environment, a metadata database, and pods that are processes."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any, cast

import pytest
import yaml

from jobs.log_insight.settings import Secrets
from local.kubernetes import replay_manifest
from local.stack import Stack
from tests.airflow.process_pods import Namespace, ProcessPods, rights_of

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "airflow" / "dags"
PYTHON = ROOT / "build" / "airflow" / "venv" / "bin" / "python"
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "airflow" / "values.yaml").read_text())
#: Where commands of the project are found: `cali` in .venv/bin, as in /opt/cali/bin of the image.
COMMANDS = f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin"
IMAGE = "registry.example/cali:0.1.0"
REPORTS = "s3://cali-archive/quality"
AIRFLOW = "https://airflow.example"


@dataclass(frozen=True)
class Ran:
    """A run of a DAG: how it and its tasks ended, and Airflow's log of it."""

    state: str
    tasks: Mapping[str, Mapping[str, Any]]
    log: str

    def states(self) -> dict[str, str]:
        return {name: task["state"] for name, task in self.tasks.items()}


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    """The Python of Airflow's environment; without it the test is skipped by name, and fails where `CI=true`."""
    if not PYTHON.exists():
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("Airflow is not installed: `make airflow` does it")
    return PYTHON


@pytest.fixture(scope="session")
def airflow_environment(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of an Airflow with a database of its own, set up as the chart's job does it (values.yaml)."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        "PATH": f"{airflow_python.parent}:/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__BASE_URL": AIRFLOW,
        "AIRFLOW_VAR_CALI_IMAGE": IMAGE,
        "AIRFLOW_VAR_CALI_REPORTS": REPORTS,
    }
    shell, flag, command = VALUES["migrateDatabaseJob"]["args"]
    command = command.replace(VALUES["airflowHome"], str(ROOT / "airflow"))
    subprocess.run([shell, flag, command], env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    return environment


@pytest.fixture
def pods_of(stack: Stack, tmp_path: Path) -> Callable[..., ProcessPods]:
    """Make the namespace `cali` with the settings of the local stack, of which the parts named are started."""

    def make(*parts: str, **settings: str) -> ProcessPods:
        stack.start(parts)
        environment = stack.environment()
        files = {f"CALI_{name.upper()}": f"cali_{name}" for name in Secrets.model_fields}
        variables = {name: value for name, value in environment.items() if name.startswith("CALI_")}
        namespace = Namespace(
            config_maps={
                "cali-settings": {name: variables[name] for name in variables.keys() - files.keys()} | settings,
                "cali-replay": {"manifest.yaml": replay_manifest(environment)},
            },
            secrets={"cali-secrets": {files[name]: variables[name] for name in variables.keys() & files.keys()}},
            accounts={"cali-tools": {name: value for name, value in environment.items() if name.startswith("AWS_")}},
            token={name: environment[name] for name in ("KUBECONFIG",) if name in environment},
        )
        rights = rights_of("airflow-scheduler", "airflow", ROOT / "flink-k8s" / "platform" / "access.yaml")
        return ProcessPods(Path(mkdtemp(dir=tmp_path)), namespace, rights, COMMANDS)

    return make


@pytest.fixture
def variables(stack: Stack) -> dict[str, str]:
    """The connection to Slack, which is an inbox: `stack.inbox` has what is told, and is empty before."""
    stack.inbox.clear()
    connection = {"conn_type": "slackwebhook", "password": stack.inbox.webhook_url("operations")}
    return {"AIRFLOW_CONN_CALI_SLACK": json.dumps(connection)}


@pytest.fixture(scope="session")
def airflow(
    airflow_environment: dict[str, str], airflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    """A process that runs DAGs: see run_dags.py. To start it takes as long as a run."""
    with subprocess.Popen(  # noqa: S603 - our script
        [str(airflow_python), str(Path(__file__).with_name("run_dags.py"))],
        env=airflow_environment,
        cwd=tmp_path_factory.mktemp("run"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as started:
        yield started
        cast("IO[str]", started.stdin).close()


@pytest.fixture
def run_dag(airflow: subprocess.Popen[str], variables: dict[str, str]) -> Callable[..., Ran]:
    """Run a DAG for a logical date, with these pods."""

    def run(
        pods: ProcessPods,
        dag: str,
        logical_date: str,
        conf: dict[str, str] | None = None,
        *,
        retry_at_once: bool = False,
        restart: bool = False,
    ) -> Ran:
        with pods.serving() as kubeconfig:
            cluster = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}}
            request = {
                "dag": dag,
                "logical_date": logical_date,
                "conf": conf,
                "variables": variables | {"AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(cluster)},
                "retry_at_once": retry_at_once,
                "restart": restart,
            }
            return _ran(airflow, json.dumps(request))

    return run


def _ran(airflow: subprocess.Popen[str], request: str) -> Ran:
    requests, log = cast("IO[str]", airflow.stdin), cast("IO[str]", airflow.stdout)
    requests.write(f"{request}\n")
    requests.flush()
    lines: list[str] = []
    for line in log:
        if line.startswith("RAN "):
            return Ran(**json.loads(line.removeprefix("RAN ")), log="".join(lines))
        lines.append(line)
    pytest.fail(f"Airflow has ended:\n{''.join(lines)}")


@pytest.fixture
def miss_deadline(
    airflow_environment: dict[str, str], airflow_python: Path, variables: dict[str, str]
) -> Callable[[str, str], dict[str, str]]:
    """Let the deadline of a DAG's run for a logical date pass: see miss_deadline.py."""

    def miss(dag: str, logical_date: str) -> dict[str, str]:
        ended = subprocess.run(  # noqa: S603 - our script
            [str(airflow_python), str(Path(__file__).with_name("miss_deadline.py")), dag, logical_date],
            env=airflow_environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        found: dict[str, str] = json.loads(ended.stdout.splitlines()[-1])
        return found

    return miss
