"""What the deployment tests share."""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from jobs.log_insight.settings import Settings, load_settings
from tests.deploy import manifests
from tests.deploy.aws_provider.offline import SCHEMA, offline_aws
from tests.deploy.manifests import FLINK_K8S, Manifest, name_of
from tests.deploy.terraform_plan import Plan, Terraform


@pytest.fixture(scope="session")
def terraform(require_tool: Callable[[str], str]) -> Iterator[Terraform]:
    """A Terraform that plans and applies without AWS; OpenTofu, as a current Terraform cannot be had everywhere."""
    program = require_tool("tofu")
    if not SCHEMA.exists():
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("the AWS provider's schema is not there: `make deploy-tools` makes it")
    with offline_aws() as variables:
        yield Terraform(program, variables)


@pytest.fixture(scope="session")
def configuration(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder terraform/, ready to be planned. Whoever changes it takes a copy first."""
    return terraform.prepare(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def applied(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy of terraform/ in which `planned` keeps its states."""
    return Path(shutil.copytree(configuration, tmp_path_factory.mktemp("applied") / "terraform"))


@pytest.fixture(scope="session")
def planned(terraform: Terraform, applied: Path) -> Callable[[str], Plan]:
    """Return what stands in AWS once `dev`, `prod`, `account` or `bootstrap` is applied; each is applied once."""
    return functools.cache(functools.partial(terraform.apply, applied))


@pytest.fixture
def a_copy(configuration: Path, tmp_path: Path) -> Path:
    """A copy of terraform/ to make a mistake in, ready to be planned."""
    return Path(shutil.copytree(configuration, tmp_path / "terraform"))


@pytest.fixture(scope="session")
def kustomize(require_tool: Callable[[str], str]) -> str:
    return require_tool("kustomize")


@pytest.fixture(scope="session")
def build(kustomize: str) -> Callable[[str], list[Manifest]]:
    """Return what kustomize makes of a folder of flink-k8s/, once each. Whoever changes it takes a copy first."""
    return functools.cache(lambda folder: manifests.built(kustomize, FLINK_K8S / folder))


@pytest.fixture(scope="session")
def whole(build: Callable[[str], list[Manifest]]) -> Callable[[str], list[Manifest]]:
    """Return all that is ever applied to an environment: job, set-up and replay."""

    def collect(environment: str) -> list[Manifest]:
        folders = [f"{kind}/{environment}" for kind in ("overlays", "setup", "replay")]
        return list({name_of(each): each for folder in folders for each in build(folder)}.values())

    return collect


@pytest.fixture
def settings_from(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], Settings]:
    """What the job makes of the variables of its pod."""

    def load(variables: Mapping[str, str]) -> Settings:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("CALI_")]:
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            return load_settings()

    return load


@pytest.fixture(scope="session")
def promtool(require_tool: Callable[[str], str]) -> Callable[..., str]:
    """Run promtool with arguments and return what it says; it must succeed."""
    path = require_tool("promtool")

    def run(*arguments: object) -> str:
        command = [path, *map(str, arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)  # noqa: S603 - no shell
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return run
