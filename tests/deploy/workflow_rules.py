"""What our workflows have to be beyond what actionlint and zizmor know: `problems` names each place that is not so."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

#: Action → the version that was looked at, the inputs it takes, and those it must have. actionlint knows tags only.
INPUTS = json.loads((Path(__file__).parent / "action_inputs.json").read_text())
USES = re.compile(r"^ *(?:- )?uses: (\S+)(?: (.*))?$", re.MULTILINE)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
VERSION = re.compile(r"# v\d+\.\d+\.\d+")
#: Roles by what takes them; terraform/modules/names has the names. The others are variables of a GitHub environment.
ROLES = {
    "arn:aws:iam::${{ vars.AWS_ACCOUNT_ID }}:role/cali-github-publish",
    "arn:aws:iam::${{ vars.AWS_ACCOUNT_ID }}:role/cali-${{ inputs.environment }}-github-deploy",
    "${{ vars.AWS_ROLE_ARN }}",
}
SECRETS = {"SLACK_WEBHOOK_URL"}
REGION = "ap-northeast-2"

Yaml = dict[str, Any]


@dataclass(frozen=True)
class File:
    """A workflow or an action of ours."""

    name: str
    text: str

    @property
    def content(self) -> Yaml:
        """The file as YAML; its `on` is the key True."""
        content: Yaml = yaml.safe_load(self.text)
        return content

    @property
    def jobs(self) -> dict[str, Yaml]:
        """Job → what it is; none in an action."""
        jobs: dict[str, Yaml] = self.content.get("jobs", {})
        return jobs

    def steps(self) -> Iterator[tuple[str, Yaml]]:
        """Yield where each step is and what it is."""
        for place, job in self.jobs.items() or [("runs", self.content.get("runs", {}))]:
            for number, step in enumerate(job.get("steps", [])):
                yield f"{self.name}: {place}, {step.get('name') or step.get('uses') or f'step {number}'}", step


def files(folder: Path) -> list[File]:
    """Return the workflows and actions of `.github`."""
    paths = sorted([*folder.glob("workflows/*.yaml"), *folder.glob("actions/*/action.yaml")])
    return [File(path.relative_to(folder).as_posix(), path.read_text()) for path in paths]


def problems(folder: Path) -> list[str]:
    """Name what is wrong in `.github`."""
    checks = (_unpinned, _unknown_inputs, _loose_jobs, _loose_shells, _expressions_in_shell, _aws)
    return [problem for file in files(folder) for check in checks for problem in check(file)]


def _unpinned(file: File) -> Iterator[str]:
    """Tags move: what runs is a commit, and people read the version beside it."""
    for used, comment in USES.findall(file.text):
        if used.startswith("./"):
            continue
        if not PINNED.fullmatch(used):
            yield f"{file.name}: {used} is not pinned to a commit"
        elif not VERSION.fullmatch(comment):
            yield f"{file.name}: {used} has no version beside it"


def _unknown_inputs(file: File) -> Iterator[str]:
    for place, step in file.steps():
        name = step.get("uses", "./").partition("@")[0]
        if name.startswith("./"):
            continue
        if name not in INPUTS:
            yield f"{place}: nobody has looked at this action's inputs yet (action_inputs.json)"
            continue
        given = set(step.get("with", {}))
        for unknown in sorted(given - set(INPUTS[name]["inputs"])):
            yield f"{place}: there is no input {unknown}"
        for missing in sorted(set(INPUTS[name]["required"]) - given):
            yield f"{place}: the input {missing} is missing"


def _loose_jobs(file: File) -> Iterator[str]:
    """A token may do what a job says, and a job that hangs ends."""
    if file.jobs and file.content.get("permissions") != {}:
        yield f"{file.name}: permissions of all jobs are not empty"
    for name, job in file.jobs.items():
        if "permissions" not in job:
            yield f"{file.name}: {name} does not say its permissions"
        if "uses" not in job and "timeout-minutes" not in job:
            yield f"{file.name}: {name} has no timeout-minutes"


def _loose_shells(file: File) -> Iterator[str]:
    """`shell: bash` stops at the first failure, of a pipe too; what a runner takes without it does not."""
    default = file.content.get("defaults", {}).get("run", {}).get("shell")
    for place, step in file.steps():
        if "run" in step and step.get("shell", default) != "bash":
            yield f"{place}: its shell is not bash, which would stop at a failure inside a pipe"


def _expressions_in_shell(file: File) -> Iterator[str]:
    """An expression becomes part of the script's text; a variable stays a value, whatever is in it."""
    for place, step in file.steps():
        if "${{" in step.get("run", ""):
            yield f"{place}: an expression inside the script; pass it by env"


def _aws(file: File) -> Iterator[str]:
    """No key is stored, and roles and region are the ones that Terraform makes."""
    for secret in sorted(set(re.findall(r"secrets\.(\w+)", file.text)) - SECRETS):
        yield f"{file.name}: a secret {secret}"
    for place, step in file.steps():
        if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
            role = step.get("with", {}).get("role-to-assume")
            if role not in ROLES:
                yield f"{place}: the role {role} is none that Terraform makes"
    region = file.content.get("env", {}).get("AWS_REGION", REGION)
    if region != REGION:
        yield f"{file.name}: the region {region} is not {REGION}"
