"""Terraform's files: formatted, without what nobody uses, and without what checkov knows to be dangerous."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.terraform_plan import CONFIGURATION

SKIP = re.compile(r"checkov:skip=(?P<check>\w+)(?::(?P<reason>.*))?")
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


def test_checkov_finds_nothing(require_tool: Callable[[str], str]):
    """No check of checkov fails that is not skipped with a reason."""
    assert _failed_checks(require_tool, CONFIGURATION) == ""


@pytest.mark.parametrize(
    "path", sorted(CONFIGURATION.rglob("*.tf*")), ids=lambda path: str(path.relative_to(CONFIGURATION))
)
def test_each_check_that_is_skipped_has_a_reason(path: Path):
    """A skip says in a sentence why the check does not apply."""
    skipped = list(SKIP.finditer(path.read_text())) if path.is_file() else []

    assert [found["check"] for found in skipped if len((found["reason"] or "").split()) < 4] == []


def test_checkov_names_a_bucket_that_is_open(require_tool: Callable[[str], str], sources: Path):
    """A public access block that blocks less is found, with its address."""
    _change(sources / BUCKET, "  block_public_policy     = true", "  block_public_policy     = false")
    failed = _failed_checks(require_tool, sources / "modules" / "bucket")

    assert "Ensure S3 bucket has block public policy enabled" in failed
    assert "aws_s3_bucket_public_access_block.this" in failed


def _formatted(require_tool: Callable[[str], str], folder: Path) -> str:
    return _printed(require_tool("tofu"), "fmt", "-check", "-recursive", "-diff", "-no-color", str(folder))


def _linted(require_tool: Callable[[str], str], folder: Path) -> str:
    config = f"--config={CONFIGURATION / '.tflint.hcl'}"
    return _printed(
        require_tool("tflint"), f"--chdir={folder}", "--recursive", config, "--format=compact", "--no-color"
    )


def _failed_checks(require_tool: Callable[[str], str], folder: Path) -> str:
    options = ("--framework", "terraform", "--skip-download", "--quiet", "--compact")
    return _printed(require_tool("checkov"), "--directory", str(folder), *options)


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
