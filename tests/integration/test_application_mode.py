"""The job as `flink-k8s/` describes it, a cluster of its own, goes on where it was after a loss and an upgrade."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.flink import Flink
from local.run import Run, await_that

pytestmark = [pytest.mark.stack, pytest.mark.nightly, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
DEPLOYMENT: dict[str, Any] = yaml.safe_load((ROOT / "flink-k8s" / "base" / "flinkdeployment.yaml").read_text())["spec"]
LINES, SECONDS = 1_000, 1.0
#: What needs Kubernetes or its operator, and ports that are fixed for the NetworkPolicy and may be taken here.
ELSEWHERE = (
    "high-availability.",
    "kubernetes.",
    "job.autoscaler.",
    "metrics.",
    "taskmanager.rpc.",
    "taskmanager.data.",
)
#: Where things are on this machine.
HERE = ("address", "bind-host", "host", "port", "endpoint", "executable", "path-style-access", "tmp.dirs")


def configuration(here: Flink, folder: str, recovered: str) -> dict[str, str]:
    """Return the deployment's configuration, with sizes and the state to start from added as the operator adds them."""
    own = {key: value for key, value in here._configuration.items() if key.endswith(HERE)}
    return (
        {key: str(value) for key, value in DEPLOYMENT["flinkConfiguration"].items() if not key.startswith(ELSEWHERE)}
        | own
        | {
            "execution.checkpointing.dir": f"{folder}/checkpoints",
            "execution.checkpointing.savepoint-dir": f"{folder}/savepoints",
            "jobmanager.memory.process.size": DEPLOYMENT["jobManager"]["resource"]["memory"],
            "taskmanager.memory.process.size": DEPLOYMENT["taskManager"]["resource"]["memory"],
            "parallelism.default": str(DEPLOYMENT["job"]["parallelism"]),
        }
        | ({"execution.state-recovery.path": recovered} if recovered else {})
    )


@contextmanager
def deployed(run: Run, directory: Path, recovered: str = "") -> Iterator[tuple[Flink, str]]:
    """Run the deployment's job; yield its cluster and its id when every task runs."""
    program = ["--job-classname", DEPLOYMENT["job"]["entryClass"], *DEPLOYMENT["job"]["args"]]
    flink = Flink(directory, run.stack.environment() | run.settings_env, program=program)
    flink._configuration = configuration(flink, f"s3://cali-checkpoints/{run.name}", recovered)
    with flink:
        await_that(lambda: bool(flink.jobs()), 60, "the job")
        (job_id,) = flink.jobs()
        flink.await_state(job_id, "RUNNING", 120)
        yield flink, job_id


def archived(run: Run) -> Counter[str]:
    return Counter(document.id for document in run.stores.archive())


def latest_checkpoint(flink: Flink, job_id: str) -> str:
    return str(flink._get(f"/jobs/{job_id}/checkpoints")["latest"]["completed"]["external_path"])


def checkpointing(flink: Flink, job_id: str) -> tuple[str, bool, int]:
    runs = flink._get(f"/jobs/{job_id}/checkpoints/config")
    return runs["state_backend"], runs["unaligned_checkpoints"], runs["tolerable_failed_checkpoints"]


def test_the_deployment_runs_survives_its_death_and_is_upgraded(run: Run, tmp_path: Path):
    os.environ.update(run.stack.environment() | run.settings_env)
    sent = run.tell(LINES, SECONDS, seed=1).lines

    with deployed(run, tmp_path / "first") as (flink, job_id):
        await_that(lambda: archived(run).total() >= sent, 60, "the archive")
        assert checkpointing(flink, job_id) == ("EmbeddedRocksDBStateBackend", True, 20)
        checkpoint = latest_checkpoint(flink, job_id)
        flink._job_manager.kill()
    sent += run.tell(LINES, SECONDS, seed=2).lines
    with deployed(run, tmp_path / "second", checkpoint) as (flink, job_id):  # upgradeMode last-state
        assert flink.checkpoints(job_id)["restored"] == 1
        await_that(lambda: archived(run).total() >= sent, 60, "the archive")
        savepoint = flink.stop_with_savepoint(job_id)
        await_that(lambda: not flink._job_manager.is_running, 30, "the end of the cluster")
    sent += run.tell(LINES, SECONDS, seed=3).lines
    with deployed(run, tmp_path / "third", savepoint) as (flink, job_id):  # upgradeMode savepoint
        assert flink.checkpoints(job_id)["restored"] == 1
        await_that(lambda: archived(run).total() >= sent, 60, "the archive")

    assert savepoint.startswith(f"s3://cali-checkpoints/{run.name}/savepoints/")
    assert set(archived(run).values()) == {1}
    assert len(archived(run)) == sent
