# ruff: noqa: INP001 - a script, not part of a package
"""Deploys an image to an environment from a savepoint, and goes back to what ran before where the new job does not run.

    python3 scripts/release/deploy.py prod 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/cali@sha256:…

Sets up what the job stands on, runs `cali setup opensearch` of the release that is to come, asks the operator for a
savepoint, applies the overlay, waits until the operator calls the job stable and a checkpoint of it is done; then hands
the manifest of this image to `cali replay`, as the ConfigMap cali-replay.

Needs kubectl with the context `cali-ENV`, and kustomize. Ends with 0 when the image runs, with 1 when the job was not
stopped, with 2 when it was and runs again as before, with 3 when none runs, with 4 when the image runs and replays are
of the one before. Standard library only.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "flink-k8s"
NAMESPACE = "cali"
JOB = "log-insight"
SETUP = "setup-opensearch"
REPLAY = "cali-replay"
#: One name for all deployments: what an overlay no longer says goes away with the next one.
MANAGER = "cali-deploy"
BY_DIGEST = re.compile(r"(?P<repository>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
#: States that the operator does not leave by itself. Of a spec that it refuses it says so and keeps the job before.
LOST = ("FAILED", "ROLLED_BACK", "SUSPENDED")

Object = dict[str, Any]


class DeployError(Exception):
    """A step failed: a command, or what was waited for."""


@dataclass(frozen=True)
class Release:
    """What is to run where."""

    environment: str
    image: str
    last_state: bool

    def render(self, part: str) -> str:
        """Build `flink-k8s/PART/ENV` with the image by its digest.

        In a layer of its own above the overlay, whose transformers split an image at its first colon: inside the
        overlay a digest would become a tag.
        """
        (ROOT / "build").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="deploy-", dir=ROOT / "build") as folder:
            shutil.copy(KUSTOMIZE / "base" / "names.yaml", folder)
            (Path(folder) / "kustomization.yaml").write_text(json.dumps(self._layer(part)))
            rendered = _run("kustomize", "build", folder)
        if f"image: {self.image}\n" not in rendered:
            raise DeployError(f"flink-k8s/{part}/{self.environment} does not name {self.image}")
        return rendered

    def _layer(self, part: str) -> Object:
        repository, _, digest = self.image.partition("@")
        return {
            "resources": [f"../../flink-k8s/{part}/{self.environment}"],
            "configurations": ["names.yaml"],
            "images": [{"name": repository, "digest": digest}],
            # A replay has no state to go on from.
            "patches": [_LAST_STATE] if self.last_state and part != "replay" else [],
        }


_LAST_STATE: Object = {
    "target": {"kind": "FlinkDeployment"},
    "patch": json.dumps([{"op": "replace", "path": "/spec/job/upgradeMode", "value": "last-state"}]),
}


@dataclass(frozen=True)
class Cluster:
    """Kubernetes, by kubectl."""

    context: str
    minutes: float
    poll_seconds: float

    def find(self, kind: str, name: str) -> Object | None:
        """Return an object of our namespace, if it is there."""
        text = self._kubectl("get", kind, name, "--namespace", NAMESPACE, "--ignore-not-found", "--output", "json")
        found: Object | None = json.loads(text) if text.strip() else None
        return found

    def apply(self, manifests: str) -> None:
        """Make the cluster say what the manifests say, whoever changed it by hand in between."""
        options = ("--server-side", "--force-conflicts", "--field-manager", MANAGER, "--filename", "-")
        self._kubectl("apply", *options, text=manifests)

    def create(self, thing: Object) -> None:
        """Create an object."""
        self._kubectl("create", "--filename", "-", text=json.dumps(thing))

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, if it is there, and wait until it is gone."""
        self._kubectl("delete", kind, name, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")

    def logs(self, what: str) -> str:
        """Return the last lines of a pod's log, or why there are none."""
        try:
            return self._kubectl("logs", what, "--namespace", NAMESPACE, "--tail", "30")
        except DeployError as why:
            return str(why)

    def wait(self, what: str, kind: str, name: str, outcome: Callable[[Object], str]) -> Object:
        """Return the object as soon as its outcome is `yes`; `no, …` and the deadline are errors with the reason."""
        deadline = time.monotonic() + self.minutes * 60
        while True:
            found, answer = self._ask(kind, name, outcome)
            if answer == "yes":
                return found
            if answer.startswith("no") or time.monotonic() > deadline:
                raise DeployError(f"{what}: {answer}")
            time.sleep(self.poll_seconds)

    def _ask(self, kind: str, name: str, outcome: Callable[[Object], str]) -> tuple[Object, str]:
        """Return the object and its outcome. An API server that does not answer now may do so at the next question."""
        try:
            found = self.find(kind, name) or {}
        except DeployError as why:
            return {}, f"still unknown: {why}"
        return found, outcome(found)

    def _kubectl(self, *arguments: str, text: str | None = None) -> str:
        return _run("kubectl", "--context", self.context, *arguments, text=text)


def main() -> int:
    """Deploy, and say how it ended."""
    options = _options()
    release = Release(options.environment, options.image, options.last_state)
    cluster = Cluster(f"cali-{release.environment}", options.minutes, options.poll_seconds)
    try:
        before, overlay, savepoint = _prepare(cluster, release)
        replay = release.render("replay")
    except DeployError as why:
        return _end(1, f"not deployed, the job is as it was: {why}")
    try:
        _say(f"applying {release.image}")
        cluster.apply(overlay)
        _await_running(cluster)
    except DeployError as why:
        return _went_wrong(cluster, before, savepoint, str(why))
    try:
        cluster.apply(json.dumps(_config_map(replay)))
    except DeployError as why:
        return _end(4, f"{release.image} runs, and replays take the image before, until this is done again: {why}")
    return _end(0, f"{release.image} runs in {release.environment}")


def _prepare(cluster: Cluster, release: Release) -> tuple[Object | None, str, str | None]:
    """Do all that leaves the job alone; return the job that runs, what is to be applied, and a savepoint."""
    _require_own_image(release)
    overlay = release.render("overlays")
    before = cluster.find("flinkdeployment", JOB)
    by_savepoint = before is not None and not release.last_state
    if before is not None and by_savepoint:
        _require_running(before)
    _set_up(cluster, release)
    return before, overlay, _savepoint(cluster) if by_savepoint else None


def _config_map(replay: str) -> Object:
    """Return what the pods of `cali replay` mount: the manifest as a text, from which each run is made."""
    metadata = {"name": REPLAY, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"manifest.yaml": replay}}


def _went_wrong(cluster: Cluster, before: Object | None, savepoint: str | None, why: str) -> int:
    """Go back to what ran before. A first installation is left as it is, to be looked at."""
    if before is None:
        return _end(3, f"{why}; nothing ran before, so there is nothing to go back to")
    try:
        now = cluster.find("flinkdeployment", JOB) or {}
        if _generation(now) == _generation(before):
            return _end(1, f"not deployed, the job is as it was: {why}")
        untouched = _still_runs(now)
        _say(f"{why}; going back to {before['spec']['image']}")
        more = {} if untouched else _state_to_go_back_to(before, now, savepoint)
        cluster.apply(json.dumps(_previous(before, more)))
        _await_running(cluster)
    except DeployError as again:
        return _end(3, f"{why}; the previous job does not run either: {again}. docs/operations.md says what is left")
    if untouched:
        return _end(1, f"not deployed, the job was not stopped: {why}")
    return _end(2, f"{why}; {before['spec']['image']} runs again")


def _require_own_image(release: Release) -> None:
    """Refuse a tag, which may name another image tomorrow, and an image that the overlay does not know."""
    settings = (KUSTOMIZE / "overlays" / release.environment / "terraform.env").read_text()
    repository = re.search(r"^IMAGE_REPOSITORY=(.+)$", settings, re.MULTILINE)
    given = BY_DIGEST.fullmatch(release.image)
    if given is None:
        raise DeployError(f"{release.image} is not an image by its digest: REPOSITORY@sha256:…")
    if repository is None or given["repository"] != repository[1]:
        raise DeployError(f"{release.image} is not of the repository that terraform.env names")


def _require_running(before: Object) -> None:
    """Refuse to upgrade a job that is ill: it would give no savepoint, and one could not tell whose fault it was."""
    problem = _running(before)
    if problem != "yes":
        raise DeployError(f"{JOB} is not well before the upgrade ({problem}); --last-state goes on from a checkpoint")


def _set_up(cluster: Cluster, release: Release) -> None:
    _say("setting up what the job stands on")
    cluster.delete("job", SETUP)
    cluster.apply(release.render("setup"))
    try:
        cluster.wait(SETUP, "job", SETUP, _completed)
    except DeployError as why:
        raise DeployError(f"{why}\n{cluster.logs(f'job/{SETUP}')}") from why


def _savepoint(cluster: Cluster) -> str:
    """Return the address of a new savepoint: where there can be none, the job is not stopped for one."""
    _say("taking a savepoint")
    try:
        path: str = _snapshot(cluster, "savepoint")["status"]["path"]
    except DeployError as why:
        raise DeployError(f"{why}; --last-state goes on from a checkpoint") from why
    _say(f"savepoint {path}")
    return path


def _await_running(cluster: Cluster) -> None:
    """Wait until the operator calls the job stable and a checkpoint is done.

    Stable is a job that was seen running, before its first record perhaps; a checkpoint goes through every operator.
    """
    cluster.wait(JOB, "flinkdeployment", JOB, _running)
    _snapshot(cluster, "checkpoint")


def _snapshot(cluster: Cluster, kind: str) -> Object:
    name = f"{JOB}-{kind}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"
    cluster.create(
        {
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkStateSnapshot",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"backoffLimit": 2, "jobReference": {"kind": "FlinkDeployment", "name": JOB}, kind: {}},
        }
    )
    return cluster.wait(f"{kind} {name}", "flinkstatesnapshot", name, _taken)


def _state_to_go_back_to(before: Object, now: Object, savepoint: str | None) -> Object:
    """Return what to add to the job that ran before, so that it goes on whatever became of it since.

    Its state is the one that the upgrade stopped it with, if it came to that, or our savepoint, a little older.
    """
    upgraded = _job_status(now).get("upgradeSavepointPath")
    state = savepoint if upgraded == _job_status(before).get("upgradeSavepointPath") else upgraded
    if state is None:
        return {"upgradeMode": "last-state"}
    nonce = before["spec"]["job"].get("savepointRedeployNonce") or 0
    return {"initialSavepointPath": state, "savepointRedeployNonce": nonce + 1}


def _previous(before: Object, more: Object) -> Object:
    """Return the job that ran before as a manifest, with more in its `job`."""
    spec = before["spec"] | {"job": before["spec"]["job"] | more}
    metadata = {name: value for name, value in before["metadata"].items() if name in {"name", "namespace", "labels"}}
    return {"apiVersion": before["apiVersion"], "kind": before["kind"], "metadata": metadata, "spec": spec}


def _still_runs(deployment: Object) -> bool:
    """Say whether the operator left the job before alone: it refused the new spec, or got no savepoint for it."""
    status = deployment.get("status") or {}
    old = status.get("observedGeneration", 0) < _generation(deployment)
    return old and (status.get("lifecycleState"), _job_status(deployment).get("state")) == ("STABLE", "RUNNING")


def _running(deployment: Object) -> str:
    """Say `yes` where the operator has seen the newest spec, calls it stable, and the job runs."""
    status: Mapping[str, Any] = deployment.get("status") or {}
    lifecycle, state = status.get("lifecycleState", "CREATED"), _job_status(deployment).get("state", "unknown")
    error = status.get("error") or ""
    seen = status.get("observedGeneration", 0) >= _generation(deployment)
    if seen and (lifecycle, state) == ("STABLE", "RUNNING"):
        return "yes"
    lost = lifecycle in LOST if seen else "ValidationException" in error
    return f"{'no' if lost else 'still'}, {lifecycle}, job {state}" + (f": {error}" if error else "")


def _generation(deployment: Object) -> int:
    generation: int = deployment.get("metadata", {}).get("generation", 1)
    return generation


def _job_status(deployment: Object) -> Mapping[str, Any]:
    job: Mapping[str, Any] = (deployment.get("status") or {}).get("jobStatus") or {}
    return job


def _completed(job: Object) -> str:
    conditions = {
        each["type"]: each for each in job.get("status", {}).get("conditions", []) if each["status"] == "True"
    }
    if "Failed" in conditions:
        return f"no, {conditions['Failed'].get('message', 'it failed')}"
    return "yes" if "Complete" in conditions else "still running"


def _taken(snapshot: Object) -> str:
    status = snapshot.get("status") or {}
    state = status.get("state", "TRIGGER_PENDING")
    if state in {"FAILED", "ABANDONED"}:
        return f"no, {state}: {status.get('error', '')}"
    return "yes" if state == "COMPLETED" else f"still {state}"


def _run(*command: str, text: str | None = None) -> str:
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if ended.returncode:
        raise DeployError(f"{' '.join(command[:6])}: {ended.stderr.strip()}")
    return ended.stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", choices=("dev", "prod"))
    parser.add_argument("image", help="REPOSITORY@sha256:…")
    parser.add_argument("--last-state", action="store_true", help="no savepoint: go on from the last checkpoint")
    parser.add_argument("--minutes", type=float, default=9.0, help="patience with each of the six waits")
    parser.add_argument("--poll-seconds", type=float, default=5.0)
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"deploy: {text}\n")
    sys.stdout.flush()


def _end(code: int, text: str) -> int:
    (sys.stderr if code else sys.stdout).write(f"deploy: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
