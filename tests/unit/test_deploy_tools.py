"""`make deploy-tools` says what cannot be made, and what is skipped for it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The script's own question, without the work that follows.
ASK = "import deploy_tools; print(sorted(deploy_tools._missing_prerequisites()))"


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Ask what is missing where PATH has nothing but the programs given as name → what they print."""

    def run(programs: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
        for name, printed in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\necho '{printed}'\n")
            (tmp_path / name).chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name != "CI"}
        return subprocess.run(  # noqa: S603 - the script under test
            [sys.executable, "-c", ASK],
            env=kept | {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "scripts")} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_laptop_without_them_is_told_what_is_skipped_and_how_to_get_them(ask):
    ended = ask({})
    assert ended.returncode == 0
    assert "['go', 'npm']" in ended.stdout
    assert "go is missing: tests of workflows, manifests and Terraform are skipped" in ended.stdout
    assert "npm is missing: tests of Terraform against the AWS provider are skipped" in ended.stdout
    assert "apt-get install nodejs" in ended.stdout


def test_where_nothing_may_be_skipped_that_is_a_failure(ask):
    ended = ask({"go": "go version go1.26.8 linux/amd64"}, CI="true")
    assert ended.returncode == 1
    assert "npm is missing" in ended.stdout
    assert "nothing may be skipped" in ended.stderr


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("go version go1.26.8 linux/amd64", []),
        ("go version go1.21.0 darwin/arm64", []),
        ("go version go1.19.8 linux/amd64", ["go"]),  # cannot fetch the Go that a module asks for
    ],
)
def test_a_go_is_there_where_it_can_fetch_a_newer_one(ask, version, missing):
    ended = ask({"go": version, "npm": "11"})
    assert str(missing) in ended.stdout
