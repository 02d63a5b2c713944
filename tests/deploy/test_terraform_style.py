"""Terraform's files: formatted, without what nobody uses, and without what checkov knows to be dangerous."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.terraform_plan import CONFIGURATION

SKIP = re.compile(r"checkov:skip=(?P<check>\w+)(?::(?P<reason>.*))?")
FEW_WORDS = 3
NAMES = Path("modules", "names", "variables.tf")
BUCKET = Path("modules", "bucket", "main.tf")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of terraform/ to make a mistake in."""
    return Path(shutil.copytree(CONFIGURATION, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform")))


def test_files_are_formatted(require_tool: Callable[[str], str]):
    """`terraform fmt` has nothing to change."""
    assert _formatted(require_tool, CONFIGURATION) == ""


def test_a_file_that_is_not_formatted_is_shown_with_its_difference(require_tool: Callable[[str], str], sources: Path):
    """The file is named, and what is to be changed in it."""
    _change(sources / NAMES, "  type        = string", "  type = string")
    difference = _formatted(require_tool, sources)

    assert str(NAMES) in difference
    assert "+  type        = string" in difference


def test_nothing_is_unused_or_undocumented(require_tool: Callable[[str], str]):
    """`tflint` finds nothing."""
    assert _linted(require_tool, CONFIGURATION) == ""


#: What is added to modules/names/variables.tf, and what tflint says of it.
SLOPPY = {
    "unused variable": (
        'variable "colour" {\n  description = "A."\n  type = string\n}',
        'variable "colour" is declared but not used',
    ),
    "variable without a type": ('variable "colour" {\n  description = "A."\n}', "`colour` variable has no type"),
    "variable without a description": (
        'variable "colour" {\n  type = string\n}',
        "`colour` variable has no description",
    ),
    "unused local": ('locals {\n  colour = "red"\n}', "local.colour is declared but not used"),
    "unused data source": ('data "aws_region" "colour" {}', 'data "aws_region" "colour" is declared but not used'),
}


@pytest.mark.parametrize("mistake", SLOPPY)
def test_what_is_unused_or_undocumented_is_named(require_tool: Callable[[str], str], sources: Path, mistake: str):
    """Each kind of untidiness is found, and named."""
    addition, message = SLOPPY[mistake]
    with (sources / NAMES).open("a") as file:
        file.write(f"\n{addition}\n")

    assert message in _linted(require_tool, sources / NAMES.parent)


@pytest.fixture(scope="module")
def failed_checks(require_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What checkov says of terraform/, and of a module of it with a mistake; once, as it takes seconds to start."""
    folder = tmp_path_factory.mktemp("checkov")
    shutil.copytree(CONFIGURATION, folder / "right", ignore=shutil.ignore_patterns(".terraform"))
    shutil.copytree(CONFIGURATION / BUCKET.parent, folder / "wrong")
    _change(folder / "wrong" / BUCKET.name, "  block_public_policy     = true", "  block_public_policy     = false")
    options = ("--framework", "terraform", "--skip-download", "--quiet", "--compact", "--output", "json")
    report = json.loads(_printed(require_tool("checkov"), "--directory", str(folder), *options))
    assert report["summary"]["parsing_errors"] == 0
    failed: dict[str, list[str]] = {"right": [], "wrong": []}
    for check in report["results"]["failed_checks"]:
        about = f"{check['file_path']}: {check['resource']}: {check['check_id']} {check['check_name']}"
        failed[Path(check["file_path"]).parts[1]].append(about)
    return failed


def test_checkov_finds_nothing(failed_checks: dict[str, list[str]]):
    """No check of checkov fails that is not skipped with a reason."""
    assert failed_checks["right"] == []


def test_checkov_names_a_bucket_that_is_open(failed_checks: dict[str, list[str]]):
    """A public access block that blocks less is found, with its address."""
    address = "/wrong/main.tf: aws_s3_bucket_public_access_block.this"

    assert f"{address}: CKV_AWS_54 Ensure S3 bucket has block public policy enabled" in failed_checks["wrong"]


def test_each_check_that_is_skipped_has_a_reason():
    """A skip says in a few words why the check does not apply."""
    unexplained = [
        f"{path.relative_to(CONFIGURATION)}: {skip['check']}"
        for path in CONFIGURATION.rglob("*.tf")
        for skip in SKIP.finditer(path.read_text())
        if len((skip["reason"] or "").split()) < FEW_WORDS
    ]

    assert unexplained == []


def _formatted(require_tool: Callable[[str], str], folder: Path) -> str:
    return _printed(require_tool("tofu"), "fmt", "-check", "-recursive", "-diff", "-no-color", str(folder))


def _linted(require_tool: Callable[[str], str], folder: Path) -> str:
    config = f"--config={CONFIGURATION / '.tflint.hcl'}"
    return _printed(
        require_tool("tflint"), f"--chdir={folder}", "--recursive", config, "--format=compact", "--no-color"
    )


def _printed(*command: str) -> str:
    """Return what a check prints, nothing where it finds nothing."""
    ended = subprocess.run(  # noqa: S603 - the checks of this file
        command,
        env=os.environ | {"TF_CLI_CONFIG_FILE": os.devnull},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.stdout if ended.returncode else ""


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
