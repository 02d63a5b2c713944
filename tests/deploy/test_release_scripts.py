"""scripts/release: pushed is what was scanned, deployed what we signed, applied what was approved."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts" / "release"
REPOSITORY = "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/cali"
OURS = f"sha256:{'1' * 64}"
OTHER = f"sha256:{'2' * 64}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
GITHUB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "example/cali.io",
    "GITHUB_REF": "refs/tags/v0.1.0",
    "GITHUB_REF_NAME": "v0.1.0",
    "GITHUB_REF_TYPE": "tag",
    "GITHUB_SHA": COMMIT,
    "GITHUB_EVENT_NAME": "release",
    "GITHUB_WORKFLOW_REF": "example/cali.io/.github/workflows/release.yaml@refs/tags/v0.1.0",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "1",
}
STUB = Path(__file__).parent / "stubs" / "program.py"


@dataclass
class Programs:
    """Programs that answer as they are told, and what they were asked."""

    folder: Path
    answers: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)

    def answer(self, command: str, printed: str, code: int = 0) -> None:
        """Have a command that begins with these words print this. What is said last counts."""
        program, _, words = command.partition(" ")
        self.answers.setdefault(program, []).append((words, printed, code))
        (self.folder / "answers.json").write_text(json.dumps(self.answers))

    def run(self, script: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        files = {"GITHUB_OUTPUT": self.folder / "output", "GITHUB_STEP_SUMMARY": self.folder / "summary"}
        set_ = GITHUB | {name: str(path) for name, path in files.items()} | {"RECORDED": str(self.folder)} | variables
        return subprocess.run(  # noqa: S603 - the script under test
            [SCRIPTS / script, *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"} | set_,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, program: str) -> list[str]:
        calls = self.folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line.removeprefix(f"{program} ") for line in lines if line.startswith(f"{program} ")]

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def programs(tmp_path: Path) -> Callable[..., Programs]:
    """Put programs of these names on PATH."""

    def make(*names: str) -> Programs:
        (tmp_path / "bin").mkdir()
        for name in names:
            program = tmp_path / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{STUB}" {name} "$@"\n')
            program.chmod(0o755)
        return Programs(tmp_path)

    return make


@pytest.fixture
def registry(programs, require_tool) -> Programs:
    """A registry without our image, and an archive with it."""
    require_tool("jq")
    made = programs("aws", "docker", "skopeo", "cosign")
    made.answer("skopeo inspect --format {{.Digest}} oci-archive:", OURS)
    made.answer("skopeo inspect --format {{.Digest}} docker:", "", code=1)
    return made


def publish(registry: Programs, **variables: str) -> subprocess.CompletedProcess[str]:
    return registry.run("publish-image", "image.tar", "sbom.json", REPOSITORY, **variables)


def test_the_archive_is_pushed_as_it_is_and_its_digest_handed_on(registry):
    ended = publish(registry)
    assert ended.returncode == 0, ended.stderr
    assert f"copy --preserve-digests oci-archive:image.tar docker://{REPOSITORY}:0.1.0" in registry.calls("skopeo")
    assert registry.read("output") == f"digest={OURS}\n"


def test_image_contents_and_origin_are_signed_by_the_digest(registry):
    publish(registry)
    signed = registry.calls("cosign")
    assert [call.split()[0] for call in signed] == ["sign", "attest", "attest"]
    assert all(call.endswith(f" {REPOSITORY}@{OURS}") for call in signed)
    assert "--type spdxjson --predicate sbom.json" in signed[1]
    assert "--type slsaprovenance1" in signed[2]
    assert not [call for call in signed if "--key" in call]


def test_the_origin_names_commit_and_run(registry):
    publish(registry)
    (path,) = registry.folder.glob("tmp.*")
    origin = json.loads(path.read_text())
    assert origin["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": COMMIT}
    assert origin["runDetails"]["metadata"]["invocationId"].endswith("/example/cali.io/actions/runs/42/attempts/1")


def test_what_is_not_a_release_has_a_tag_of_its_commit(registry):
    publish(registry, GITHUB_REF_TYPE="branch", GITHUB_REF_NAME="main")
    assert registry.calls("skopeo")[-1].endswith(f"{REPOSITORY}:0.1.0-{COMMIT[:12]}")


def test_a_release_of_another_version_than_the_projects_is_refused(registry):
    ended = publish(registry, GITHUB_REF_NAME="v0.2.0")
    assert ended.returncode == 1
    assert "the tag is v0.2.0, and pyproject.toml says 0.1.0" in ended.stderr
    assert registry.calls("skopeo") == []


def test_a_tag_never_moves_to_another_image(registry):
    registry.answer("skopeo inspect --format {{.Digest}} docker:", OTHER)
    ended = publish(registry)
    assert ended.returncode == 1
    assert f"is there already and is another image, {OTHER}: raise the version" in ended.stderr
    assert registry.calls("cosign") == []


def test_a_second_attempt_signs_the_image_that_the_first_one_pushed(registry):
    registry.answer("skopeo inspect --format {{.Digest}} docker:", OURS)
    ended = publish(registry)
    assert ended.returncode == 0, ended.stderr
    assert not [call for call in registry.calls("skopeo") if call.startswith("copy")]
    assert len(registry.calls("cosign")) == 3


def test_a_push_that_fails_is_not_signed(registry):
    registry.answer("skopeo copy", "", code=1)
    assert publish(registry).returncode == 1
    assert registry.calls("cosign") == []


@pytest.mark.parametrize(
    ("environment", "refs"), [("dev", "refs/(heads/main|tags/v[0-9.]+)"), ("prod", "refs/tags/v[0-9.]+")]
)
def test_only_an_image_that_our_workflow_signed_is_deployed_and_in_prod_only_a_release(programs, environment, refs):
    made = programs("aws", "docker", "cosign")
    made.answer("aws ecr describe-images", OURS)
    ended = made.run("verify-image", environment, "0.1.0")
    assert ended.stdout == f"{REPOSITORY}@{OURS}\n", ended.stderr
    signer = rf"^https://github\.com/example/cali\.io/\.github/workflows/image\.yaml@{refs}$"
    for call in made.calls("cosign"):
        assert f"--certificate-identity-regexp {signer}" in call
        assert "--certificate-oidc-issuer https://token.actions.githubusercontent.com" in call


@pytest.mark.parametrize("check", ["verify ", "verify-attestation "])
def test_an_image_with_a_strangers_signature_is_not_named(programs, check):
    made = programs("aws", "docker", "cosign")
    made.answer(f"cosign {check}", "", code=1)
    ended = made.run("verify-image", "prod", OURS)
    assert ended.returncode == 1
    assert ended.stdout == ""


def test_a_version_that_is_not_there_is_named(programs):
    made = programs("aws", "docker", "cosign")
    made.answer("aws ecr describe-images", "None")
    ended = made.run("verify-image", "prod", "9.9.9")
    assert ended.returncode == 1
    assert f"9.9.9 is neither a tag of {REPOSITORY} nor a digest" in ended.stderr


@pytest.fixture
def terraform(programs) -> Programs:
    made = programs("terraform")
    made.answer("terraform -chdir=terraform/environments/dev show", "Plan: 1 to add")
    return made


def hash_of_the_plan(terraform: Programs) -> str:
    assert terraform.run("terraform", "plan", "environments/dev").returncode == 0
    return terraform.read("output").strip().removeprefix("hash=")


def test_a_plan_is_shown_with_what_an_approval_stands_for(terraform):
    assert len(hash_of_the_plan(terraform)) == 64
    assert "\n    Plan: 1 to add" in terraform.read("summary")


def test_the_approved_plan_is_applied(terraform):
    ended = terraform.run("terraform", "apply", "environments/dev", hash_of_the_plan(terraform))
    assert ended.returncode == 0, ended.stderr
    assert "apply" in terraform.calls("terraform")[-1]


def test_a_plan_that_is_another_one_by_now_is_not_applied(terraform):
    approved = hash_of_the_plan(terraform)
    terraform.answer("terraform -chdir=terraform/environments/dev show", "Plan: 1 to destroy")
    ended = terraform.run("terraform", "apply", "environments/dev", approved)
    assert ended.returncode == 1
    assert "another one than the one that was approved" in ended.stderr
    assert "Plan: 1 to destroy" in ended.stderr
    assert not [call for call in terraform.calls("terraform") if " apply " in call]


def test_a_plan_that_fails_is_not_approved(terraform):
    terraform.answer("terraform -chdir=terraform/environments/dev plan", "", code=1)
    assert terraform.run("terraform", "plan", "environments/dev").returncode == 1
    assert not (terraform.folder / "output").exists()


def test_a_failed_night_is_an_issue_and_a_message(programs, require_tool):
    require_tool("jq")
    made = programs("gh", "curl")
    ended = made.run("report-failure", "The nightly run fails", SLACK_WEBHOOK_URL="https://example.com/secret")
    assert ended.returncode == 0, ended.stderr
    assert "issue create --repo example/cali.io --title The nightly run fails" in made.calls("gh")[1]
    assert "actions/runs/42" in json.loads(made.read("input-curl"))["text"]
    assert "secret" not in made.read("calls")


def test_the_next_failed_night_is_one_more_comment_and_without_an_address_there_is_no_message(programs):
    made = programs("gh", "curl")
    made.answer("gh issue list", "7")
    assert made.run("report-failure", "The nightly run fails", SLACK_WEBHOOK_URL="").returncode == 0
    assert made.calls("gh")[1].startswith("issue comment 7")
    assert made.calls("curl") == []
