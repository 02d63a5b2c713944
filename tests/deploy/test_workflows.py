"""The workflows: valid, pinned, with few rights, on the names that Terraform makes; each kind of mistake is named."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.deploy.workflow_rules import INPUTS, REGION, USES, File, files, problems

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github"
NAMES = (ROOT / "terraform" / "modules" / "names" / "main.tf").read_text()
NAMES_OUT = (ROOT / "terraform" / "modules" / "names" / "outputs.tf").read_text()
SCRIPTS = sorted((ROOT / "scripts" / "release").glob("*"))
SHELL_SCRIPTS = [ROOT / ".ci" / "run", ROOT / "scripts" / "setup", *(path for path in SCRIPTS if not path.suffix)]
WORKFLOWS = {file.name.removeprefix("workflows/"): file for file in files(FOLDER)}

Check = Callable[[Path], str]


@pytest.fixture(scope="session")
def actionlint(require_tool: Callable[[str], str]) -> Check:
    """Return what actionlint says of a `.github`, scripts inside included."""
    program, shellcheck = require_tool("actionlint"), require_tool("shellcheck")

    def run(folder: Path) -> str:
        paths = sorted(folder.glob("workflows/*.yaml"))
        return said([program, "-shellcheck", shellcheck, *map(str, paths)], folder.parent)

    return run


@pytest.fixture(scope="session")
def zizmor(require_tool: Callable[[str], str]) -> Check:
    """Return what zizmor says of a `.github`, at its strictest, without asking GitHub."""
    program = require_tool("zizmor")

    def run(folder: Path) -> str:
        return said([program, "--offline", "--quiet", "--no-progress", "--persona=pedantic", folder], folder.parent)

    return run


def said(command: list[str | Path], folder: Path) -> str:
    """Return what a check prints; nothing where it finds nothing."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    return ended.stdout + ended.stderr if ended.returncode else ""


@pytest.fixture
def a_copy(tmp_path: Path) -> Path:
    """A copy of .github in a repository of its own, to make a mistake in."""
    (tmp_path / ".git").mkdir()
    return Path(shutil.copytree(FOLDER, tmp_path / ".github"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert re.search(old, text), f"{old} is not in {name}"
    path.write_text(re.sub(old, new, text, count=1))


def test_every_workflow_is_valid(actionlint):
    assert actionlint(FOLDER) == ""


def test_zizmor_finds_nothing(zizmor):
    assert zizmor(FOLDER) == ""


def test_our_own_rules_find_nothing():
    assert problems(FOLDER) == []


@pytest.mark.parametrize("path", SHELL_SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_script_is_sound(path, require_tool):
    assert said([require_tool("shellcheck"), path], ROOT) == ""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_script_of_a_release_stops_at_a_failure(path):
    text = path.read_text()
    assert path.suffix == ".py" or "\nset -euo pipefail\n" in text


def test_one_commit_of_an_action_is_used_everywhere():
    used = {name for file in files(FOLDER) for name, _ in USES.findall(file.text) if not name.startswith("./")}
    assert len(used) == len({name.partition("@")[0] for name in used})


def test_the_inputs_that_are_known_are_of_the_version_in_use():
    beside = {
        used.partition("@")[0]: comment.removeprefix("# ")
        for file in files(FOLDER)
        for used, comment in USES.findall(file.text)
        if not used.startswith("./")
    }
    assert beside == {name: known["version"] for name, known in INPUTS.items()}


def test_ci_runs_the_same_as_a_laptop():
    """`make test` on both Pythons that the project supports, for each change and for main."""
    workflow = WORKFLOWS["ci.yaml"].content
    test = workflow["jobs"]["test"]
    assert test["steps"][-1]["run"] == ".ci/run"
    assert (ROOT / ".ci" / "run").read_text().endswith('\nexec make "${1:-test}"\n')
    assert test["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    assert set(workflow[True]) == {"push", "pull_request"}


def test_roles_and_region_are_the_ones_that_terraform_makes():
    """The role that publishes trusts refs; those that deploy trust an environment: a job has the one or the other."""
    assert 'github_deploy    = "${local.prefix}-github-deploy"' in NAMES
    assert 'prefix = "cali-${var.environment}"' in NAMES
    assert 'value       = "cali-github-publish"' in NAMES_OUT
    assert "environment" not in WORKFLOWS["image.yaml"].jobs["publish"]
    assert WORKFLOWS["deploy.yaml"].jobs["deploy"]["environment"] == "${{ inputs.environment }}"
    for environment in ("dev", "prod"):
        settings = (ROOT / "flink-k8s" / "overlays" / environment / "terraform.env").read_text()
        assert f"CALI_AWS__REGION={REGION}\n" in settings


def test_the_image_is_built_before_any_right_is_given():
    """Whoever can change what the build runs has no token to push or to sign with."""
    jobs = WORKFLOWS["image.yaml"].jobs
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["if"].startswith("github.event_name != 'pull_request'")


def test_an_image_with_a_high_vulnerability_that_has_a_fix_is_not_published():
    steps = [step for _, step in WORKFLOWS["actions/build-image/action.yaml"].steps()]
    (scan,) = [step["with"] for step in steps if step.get("uses", "").startswith("anchore/scan-action@")]
    assert (scan["fail-build"], scan["only-fixed"], scan["severity-cutoff"]) == (True, True, "high")


def test_prod_gets_the_image_that_dev_got_and_after_it():
    jobs = WORKFLOWS["release.yaml"].jobs
    assert jobs["prod"]["needs"] == ["image", "dev"]
    assert jobs["dev"]["with"]["version"] == jobs["prod"]["with"]["version"] == "${{ needs.image.outputs.digest }}"


def test_the_signature_that_is_asked_for_is_of_the_workflow_that_signs():
    verify = (ROOT / "scripts" / "release" / "verify-image").read_text()
    publish = (ROOT / "scripts" / "release" / "publish-image").read_text()
    assert r"/\\.github/workflows/image\\.yaml@" in verify
    assert "/.github/workflows/image.yaml@" in publish
    assert "publish-image" in WORKFLOWS["image.yaml"].text


def test_no_plan_is_applied_but_the_approved_one():
    """Reading and writing are different roles, and the environment that asks for an approval is the target's."""
    jobs = WORKFLOWS["terraform.yaml"].jobs
    assert jobs["plan"]["environment"] == "terraform-plan"
    assert jobs["apply"]["environment"] == "terraform-${{ inputs.target }}"
    assert jobs["apply"]["needs"] == "plan"
    assert "refs/heads/main" in jobs["apply"]["if"]


def test_every_root_of_terraform_is_validated():
    roots = {
        path.parent.relative_to(ROOT / "terraform").as_posix()
        for path in (ROOT / "terraform").rglob("terraform.tfvars")
    }
    assert set(WORKFLOWS["terraform.yaml"].jobs["validate"]["strategy"]["matrix"]["root"]) == roots


def test_a_night_that_fails_anywhere_is_reported():
    jobs = WORKFLOWS["nightly.yaml"].jobs
    assert set(jobs["report"]["needs"]) == set(jobs) - {"report"}
    assert jobs["report"]["if"] == "failure()"


def test_what_can_be_renewed_by_a_machine_is():
    """Each folder that Dependabot is told of is there, and the kinds of pins are all named."""
    updates = yaml.safe_load((FOLDER / "dependabot.yml").read_text())["updates"]
    kinds = {update["package-ecosystem"] for update in updates}
    assert kinds == {"github-actions", "docker", "gomod", "maven", "terraform"}
    for update in updates:
        for folder in update.get("directories", [update.get("directory")]):
            assert folder == "/" or list(ROOT.glob(folder.removeprefix("/"))), folder


CHECKOUT = r"actions/checkout@\w+ # v[\d.]+"

MISTAKES_OF_ACTIONLINT = {
    "an expression that names nothing": (
        "workflows/ci.yaml",
        r"matrix\.python \}\} #",
        "matrix.pyton }} #",
        'property "pyton" is not defined',
    ),
    "an input that our own action has not": (
        "workflows/ci.yaml",
        r"          python: \$",
        "          pyton: $",
        'input "pyton" is not defined in action "Set up"',
    ),
    "an input that our own workflow has not": (
        "workflows/release.yaml",
        r"      version: \$",
        "      verzion: $",
        'input "verzion" is not defined',
    ),
    "a needed job that is not there": ("workflows/image.yaml", "needs: build", "needs: biuld", 'needs job "biuld"'),
    "a title from a stranger inside a script": (
        "workflows/ci.yaml",
        r"run: \.ci/run",
        'run: echo "${{ github.event.pull_request.title }}"',
        "potentially untrusted",
    ),
    "a variable that falls apart at a space": (
        "workflows/image.yaml",
        r'sbom\.spdx\.json "\$REPOSITORY"',
        "sbom.spdx.json $REPOSITORY",
        "SC2086",
    ),
    "a permission that GitHub does not have": (
        "workflows/image.yaml",
        "id-token: write",
        "id-tokens: write",
        'unknown permission scope "id-tokens"',
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES_OF_ACTIONLINT)
def test_a_mistake_is_named_by_actionlint(mistake, a_copy, actionlint):
    name, old, new, expected = MISTAKES_OF_ACTIONLINT[mistake]
    change(a_copy, name, old, new)
    assert expected in actionlint(a_copy)


MISTAKES_OF_ZIZMOR = {
    "an action by its tag": ("workflows/ci.yaml", CHECKOUT, "actions/checkout@v7", "unpinned-uses"),
    "a job with all the rights that a repository gives": (
        "workflows/ci.yaml",
        r"(?s)permissions: \{\}\n|    permissions:\n      contents: read[^\n]*\n",
        "",
        "excessive-permissions",
    ),
    "a token left on the disk": ("workflows/ci.yaml", r"persist-credentials: false", "fetch-depth: 1", "artipacked"),
    "a title from a stranger inside a script": (
        "workflows/ci.yaml",
        r"run: \.ci/run",
        'run: echo "${{ github.event.pull_request.title }}"',
        "template-injection",
    ),
    "a stranger's change with the rights of main": (
        "workflows/ci.yaml",
        r"  pull_request:",
        "  pull_request_target:",
        "dangerous-triggers",
    ),
    "all secrets handed on": (
        "workflows/release.yaml",
        r"    uses: \./\.github/workflows/image\.yaml",
        "    uses: ./.github/workflows/image.yaml\n    secrets: inherit",
        "secrets-inherit",
    ),
    "an update on the day it comes out": (
        "dependabot.yml",
        r"    cooldown: \{default-days: 7\}\n",
        "",
        "dependabot-cooldown",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES_OF_ZIZMOR)
def test_a_mistake_is_named_by_zizmor(mistake, a_copy, zizmor):
    name, old, new, expected = MISTAKES_OF_ZIZMOR[mistake]
    change(a_copy, name, old, new)
    assert expected in zizmor(a_copy)


MISTAKES_OF_OURS = {
    "an action by its tag": ("workflows/ci.yaml", CHECKOUT, "actions/checkout@v7", "actions/checkout@v7 is not pinned"),
    "a commit without its version": ("workflows/ci.yaml", r" # v7\.0\.1", "", "has no version beside it"),
    "an input that an action has not": (
        "workflows/image.yaml",
        "retention-days: 1",
        "retention-day: 1",
        "there is no input retention-day",
    ),
    "an input that an action must have": (
        "workflows/deploy.yaml",
        r"          aws-region: [^\n]*\n",
        "",
        "the input aws-region is missing",
    ),
    "an action that nobody looked at": (
        "workflows/ci.yaml",
        CHECKOUT,
        f"someone/checkout@{'0' * 40} # v1.0.0",
        "nobody has looked at this action's inputs",
    ),
    "rights for every job": (
        "workflows/image.yaml",
        r"permissions: \{\}",
        "permissions: write-all",
        "workflows/image.yaml: permissions of all jobs are not empty",
    ),
    "a job that does not say its rights": (
        "workflows/ci.yaml",
        r"    permissions:\n      contents: read[^\n]*\n",
        "",
        "test does not say its permissions",
    ),
    "a job that may hang for six hours": (
        "workflows/ci.yaml",
        r"    timeout-minutes: 60\n",
        "",
        "workflows/ci.yaml: test has no timeout-minutes",
    ),
    "a shell that goes on after a failure": (
        "actions/build-image/action.yaml",
        "shell: bash",
        "shell: sh",
        "its shell is not bash",
    ),
    "an expression inside a script": (
        "workflows/image.yaml",
        r'"\$REPOSITORY"',
        "${{ env.REPOSITORY }}",
        "an expression inside the script",
    ),
    "a key that is stored": (
        "workflows/image.yaml",
        r"role-to-assume: [^\n]*",
        "aws-secret-access-key: ${{ secrets.AWS_KEY }}",
        "a secret AWS_KEY",
    ),
    "a role of another name": (
        "workflows/deploy.yaml",
        "-github-deploy",
        "-github-deployer",
        "-github-deployer is none that Terraform makes",
    ),
    "another region": ("workflows/deploy.yaml", REGION, "us-east-1", "the region us-east-1 is not ap-northeast-2"),
}


@pytest.mark.parametrize("mistake", MISTAKES_OF_OURS)
def test_a_mistake_is_named_by_our_own_rules(mistake, a_copy):
    name, old, new, expected = MISTAKES_OF_OURS[mistake]
    change(a_copy, name, old, new)
    assert [problem for problem in problems(a_copy) if expected in problem]


def test_a_file_without_jobs_has_the_steps_of_an_action():
    action = File("actions/x/action.yaml", "runs:\n  steps:\n    - run: echo\n    - name: named\n      run: echo\n")
    assert [place for place, _ in action.steps()] == [
        "actions/x/action.yaml: runs, step 0",
        "actions/x/action.yaml: runs, named",
    ]
