"""What the deployment tests share."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.aws_provider.offline import SCHEMA, offline_aws
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
