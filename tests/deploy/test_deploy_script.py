"""scripts/release/deploy.py: a new image runs from a savepoint, or the one before runs again; the end says which."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "release" / "deploy.py"
STUB = Path(__file__).parent / "stubs" / "kubectl.py"

REPOSITORY = "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/cali"
OLD = f"{REPOSITORY}@sha256:{'0' * 64}"
NEW = f"{REPOSITORY}@sha256:{'1' * 64}"
PATH = "s3://cali-prod-123456789012-checkpoints/savepoints/"


def status(generation: int, lifecycle: str = "STABLE", state: str = "RUNNING", **more: str) -> dict[str, Any]:
    job = {"state": state} | ({"upgradeSavepointPath": more.pop("upgraded")} if "upgraded" in more else {})
    return {"observedGeneration": generation, "lifecycleState": lifecycle, "jobStatus": job} | more


def taken(kind: str) -> list[dict[str, Any]]:
    return [{"state": "IN_PROGRESS"}, {"state": "COMPLETED", "path": f"{PATH}{kind}"}]


def at_once(cluster: "Cluster") -> None:
    """Leave out what is waited for on the way."""
    cluster.told["next"]["job"].pop(0)
    for statuses in cluster.told["snapshots"].values():
        statuses.pop(0)


def running_job() -> dict[str, Any]:
    return {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {"name": "log-insight", "namespace": "cali", "generation": 7, "uid": "made up"},
        "spec": {"image": OLD, "job": {"upgradeMode": "savepoint"}},
        "status": status(7),
    }


class Cluster:
    """What the stub is told and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cluster.json"
        self.told: dict[str, Any] = {
            "objects": {"flinkdeployment": running_job()},
            "next": {"job": [{}, {"conditions": [{"type": "Complete", "status": "True"}]}]},
            "deployments": [[status(7), status(8, "UPGRADING", "FINISHED"), status(8, "DEPLOYED"), status(8)]],
            "snapshots": {"savepoint": taken("ours"), "checkpoint": taken("checkpoint")},
            "refused": {},
            "calls": [],
            "applied": [],
        }

    def deploy(self, image: str = NEW, *options: str) -> subprocess.CompletedProcess[str]:
        kubectl = self.file.parent / "kubectl"
        kubectl.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{STUB}" "$@"\n')
        kubectl.chmod(0o755)
        self.file.write_text(json.dumps(self.told))
        variables = os.environ | {
            "PATH": f"{kubectl.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(yaml.__file__).parents[1]),  # -S starts sooner, and leaves packages out
            "CLUSTER": str(self.file),
        }
        patience = ("--poll-seconds", "0", "--minutes", "60")
        ended = subprocess.run(  # noqa: S603 - the script under test
            [sys.executable, SCRIPT, "prod", image, *patience, *options],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        self.told = json.loads(self.file.read_text())
        return ended

    def applied(self, kind: str) -> list[dict[str, Any]]:
        return [thing for thing in self.told["applied"] if thing["kind"] == kind]

    def kinds(self) -> list[str]:
        """The kinds that matter, in the order in which they were applied."""
        config_map = self.config_map()
        return [
            REPLAY if thing == config_map else thing["kind"]
            for thing in self.told["applied"]
            if thing["kind"] in ORDER or thing == config_map
        ]

    def config_map(self) -> dict[str, Any] | None:
        """What each `cali replay` starts from."""
        return next((each for each in self.applied("ConfigMap") if each["metadata"]["name"] == REPLAY), None)


REPLAY = "cali-replay"
ORDER = {"Job", "FlinkStateSnapshot", "FlinkDeployment"}


@pytest.fixture
def cluster(tmp_path: Path, require_tool: Callable[[str], str]) -> Cluster:
    require_tool("kustomize")
    return Cluster(tmp_path)


def test_an_image_runs_once_opensearch_is_set_up_and_a_savepoint_is_taken(cluster):
    ended = cluster.deploy()
    assert ended.returncode == 0, ended.stderr
    assert cluster.kinds() == ["Job", "FlinkStateSnapshot", "FlinkDeployment", "FlinkStateSnapshot", REPLAY]
    assert cluster.applied("FlinkDeployment")[0]["spec"]["image"] == NEW
    assert cluster.applied("Job")[0]["spec"]["template"]["spec"]["containers"][0]["image"] == NEW
    assert ["savepoint" in shot["spec"] for shot in cluster.applied("FlinkStateSnapshot")] == [True, False]


def test_replays_are_of_the_image_that_runs(cluster):
    """Once the job runs, the ConfigMap has the replay's manifest with that image, settings and all."""
    cluster.deploy(NEW, "--last-state")
    settings, deployment = yaml.safe_load_all(cluster.config_map()["data"]["manifest.yaml"])
    assert (settings["kind"], deployment["kind"]) == ("ConfigMap", "FlinkDeployment")
    assert deployment["spec"]["image"] == NEW
    assert deployment["spec"]["job"]["upgradeMode"] == "stateless"
    assert settings["data"]["CALI_STORE__WRITE_ARCHIVE"] == "false"


def test_a_job_that_runs_beside_replays_of_the_image_before_is_an_end_of_its_own(cluster):
    cluster.told["refused"] = {"ConfigMap cali-replay": "configmaps is forbidden"}
    ended = cluster.deploy()
    assert ended.returncode == 4
    assert f"{NEW} runs, and replays take the image before" in ended.stderr
    assert "configmaps is forbidden" in ended.stderr


def test_whoever_deploys_may_apply_everything_that_is_applied(cluster):
    """Whoever is bound to the deployer's Role can apply all of it, and can neither write Roles nor read Secrets."""
    cluster.told["objects"] = {}
    cluster.told["deployments"] = [[status(1)]]
    cluster.deploy()
    access = yaml.safe_load_all((ROOT / "flink-k8s" / "platform" / "access.yaml").read_text())
    (role,) = [each for each in access if (each["kind"], each["metadata"]["name"]) == ("Role", "deployer")]
    verbs = {
        (role["metadata"]["namespace"], group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert {applied_as(thing) for thing in cluster.told["applied"]} <= {
        what for what, may in verbs.items() if {"get", "create", "patch"} <= may
    }
    assert not {"roles", "rolebindings", "secrets", "*"} & {resource for _, _, resource in verbs}


def applied_as(thing: dict[str, Any]) -> tuple[str | None, str, str]:
    """Return namespace, API group and resource of an object."""
    kind = thing["kind"].lower()
    resource = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return thing["metadata"].get("namespace"), thing["apiVersion"].rpartition("/")[0], resource


def test_every_command_goes_to_the_cluster_of_the_environment(cluster):
    cluster.deploy()
    assert {tuple(call[:2]) for call in cluster.told["calls"]} == {("--context", "cali-prod")}


def test_the_set_up_of_the_last_deployment_is_removed_first_as_a_job_cannot_be_changed(cluster):
    cluster.deploy()
    verbs = [call[2] for call in cluster.told["calls"]]
    assert verbs.index("delete") < verbs.index("apply")


def test_a_status_of_the_spec_before_is_not_taken_for_the_new_ones(cluster):
    at_once(cluster)
    cluster.told["deployments"] = [[status(7)], [status(9)]]
    ended = cluster.deploy(NEW, "--minutes", "0")
    assert ended.returncode == 1
    assert "the job was not stopped: log-insight: still, STABLE, job RUNNING" in ended.stderr


def test_a_spec_that_the_operator_refuses_is_taken_back_without_a_restart_of_the_job(cluster):
    refused = status(7, error='{"type":"…ValidationException","message":"managed memory is too small"}')
    cluster.told["deployments"] = [[refused], [status(9)]]
    ended = cluster.deploy()
    assert ended.returncode == 1
    assert "managed memory is too small" in ended.stderr
    assert cluster.applied("FlinkDeployment")[1]["spec"] == running_job()["spec"]


def test_a_first_installation_needs_no_savepoint(cluster):
    cluster.told["objects"] = {}
    cluster.told["deployments"] = [[{}, status(1)]]
    ended = cluster.deploy()
    assert ended.returncode == 0, ended.stderr
    assert cluster.kinds() == ["Job", "FlinkDeployment", "FlinkStateSnapshot", REPLAY]


def test_a_first_installation_that_does_not_run_is_left_to_be_looked_at(cluster):
    cluster.told["objects"] = {}
    cluster.told["deployments"] = [[status(1, "FAILED", "FAILED", error="no such bucket")]]
    ended = cluster.deploy()
    assert ended.returncode == 3
    assert "no such bucket; nothing ran before" in ended.stderr


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (f"{REPOSITORY}:0.1.0", "is not an image by its digest"),
        (f"{REPOSITORY}@sha256:12ab", "is not an image by its digest"),
        (NEW.replace("123456789012", "999999999999"), "is not of the repository that terraform.env names"),
    ],
)
def test_an_image_that_may_be_another_tomorrow_or_is_a_strangers_is_refused(cluster, image, expected):
    ended = cluster.deploy(image)
    assert ended.returncode == 1
    assert expected in ended.stderr
    assert cluster.told["calls"] == []


def test_a_job_that_is_not_well_is_not_upgraded_by_savepoint(cluster):
    cluster.told["objects"]["flinkdeployment"]["status"] = status(7, "DEPLOYED", "RESTARTING")
    ended = cluster.deploy()
    assert ended.returncode == 1
    assert "not well before the upgrade (still, DEPLOYED, job RESTARTING); --last-state" in ended.stderr
    assert cluster.told["applied"] == []


def test_a_job_that_is_not_well_goes_on_from_its_last_checkpoint_when_told_so(cluster):
    cluster.told["objects"]["flinkdeployment"]["status"] = status(7, "DEPLOYED", "RESTARTING")
    ended = cluster.deploy(NEW, "--last-state")
    assert ended.returncode == 0, ended.stderr
    assert cluster.kinds() == ["Job", "FlinkDeployment", "FlinkStateSnapshot", REPLAY]
    assert cluster.applied("FlinkDeployment")[0]["spec"]["job"]["upgradeMode"] == "last-state"


def test_a_set_up_that_fails_leaves_the_job_alone_and_shows_its_log(cluster):
    failed = {"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}
    cluster.told["next"]["job"] = [{"conditions": [failed]}]
    ended = cluster.deploy()
    assert ended.returncode == 1
    assert "setup-opensearch: no, BackoffLimitExceeded" in ended.stderr
    assert "the last line of the log" in ended.stderr
    assert cluster.kinds() == ["Job"]


@pytest.mark.parametrize("state", ["FAILED", "ABANDONED"])
def test_without_a_savepoint_the_job_is_left_alone(cluster, state):
    cluster.told["snapshots"]["savepoint"] = [{"state": state, "error": "checkpoint expired"}]
    ended = cluster.deploy()
    assert ended.returncode == 1
    assert f"no, {state}: checkpoint expired; --last-state" in ended.stderr
    assert cluster.applied("FlinkDeployment") == []


def test_a_spec_that_the_cluster_refuses_leaves_the_job_alone(cluster):
    cluster.told["refused"] = {"FlinkDeployment": 'strict decoding error: unknown field "spec.immage"'}
    ended = cluster.deploy()
    assert ended.returncode == 1
    assert 'unknown field "spec.immage"' in ended.stderr
    assert cluster.applied("FlinkDeployment") == []


def test_a_job_that_fails_is_followed_by_the_one_before_from_what_the_upgrade_stopped_it_with(cluster):
    failing = status(8, "FAILED", "FAILED", error="no state for uid", upgraded=f"{PATH}upgrade")
    cluster.told["deployments"] = [[failing], [status(8, "FAILED"), status(9)]]
    ended = cluster.deploy()
    assert ended.returncode == 2
    assert f"no state for uid; {OLD} runs again" in ended.stderr
    back = cluster.applied("FlinkDeployment")[1]
    assert back["spec"]["image"] == OLD
    assert back["spec"]["job"]["initialSavepointPath"] == f"{PATH}upgrade"
    assert back["spec"]["job"]["savepointRedeployNonce"] == 1
    assert "uid" not in back["metadata"]
    assert "status" not in back


def test_where_the_upgrade_came_to_no_savepoint_it_goes_back_to_ours(cluster):
    cluster.told["objects"]["flinkdeployment"]["status"] = status(7, upgraded=f"{PATH}of-last-year")
    cluster.told["objects"]["flinkdeployment"]["spec"]["job"]["savepointRedeployNonce"] = 4
    cluster.told["deployments"] = [[status(8, "FAILED", upgraded=f"{PATH}of-last-year")], [status(9)]]
    cluster.deploy()
    back = cluster.applied("FlinkDeployment")[1]["spec"]["job"]
    assert (back["initialSavepointPath"], back["savepointRedeployNonce"]) == (f"{PATH}ours", 5)


@pytest.mark.parametrize("lost", ["FAILED", "ROLLED_BACK", "SUSPENDED"])
def test_a_state_that_does_not_pass_is_not_waited_for(cluster, lost):
    cluster.told["deployments"] = [[status(8, lost)], [status(9)]]
    ended = cluster.deploy()
    assert ended.returncode == 2
    assert f"log-insight: no, {lost}" in ended.stderr


def test_a_job_that_runs_and_cannot_write_a_checkpoint_does_not_stay(cluster):
    cluster.told["snapshots"]["checkpoint"] = [{"state": "FAILED", "error": "access denied"}]
    cluster.told["deployments"].append([status(9)])
    ended = cluster.deploy()
    assert ended.returncode == 3
    assert "FAILED: access denied" in ended.stderr
    assert cluster.applied("FlinkDeployment")[1]["spec"]["image"] == OLD


def test_an_api_server_that_does_not_answer_is_asked_again_until_the_deadline(cluster):
    cluster.told["refused"] = {"job": "connection refused"}
    ended = cluster.deploy(NEW, "--minutes", "0")
    assert ended.returncode == 1
    assert "setup-opensearch: still unknown" in ended.stderr
    assert "connection refused" in ended.stderr


def test_where_the_previous_job_does_not_run_either_the_end_says_so(cluster):
    cluster.told["deployments"] = [[status(8, "FAILED")], [status(9, "FAILED", error="bucket is gone")]]
    ended = cluster.deploy()
    assert ended.returncode == 3
    assert "the previous job does not run either: log-insight: no, FAILED, job RUNNING: bucket is gone" in ended.stderr
