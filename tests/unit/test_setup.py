"""`make setup` says what is missing, and how to get it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with nothing but the shell's own tools."""
    for name in ("dirname", "cat"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
    return tmp_path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def setup(tools: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "JAVA_HOME"}}
    return subprocess.run(  # noqa: S603 - the script under test
        ["/bin/sh", str(ROOT / "scripts" / "setup")],
        env=kept | {"PATH": str(tools)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_without_python_is_told_how_to_get_it(tools: Path) -> None:
    script(tools / "python3.12", "echo not this version >&2; exit 127")  # a shim of a version that is not installed
    script(tools / "python3", "exit 1")
    ended = setup(tools)
    assert ended.returncode == 1
    assert "Python 3.11 or 3.12 is missing" in ended.stderr
    assert "apt-get install python3" in ended.stderr
    assert "brew install python" in ended.stderr


def test_a_python_that_was_asked_for_and_does_not_work_is_not_replaced_by_another(tools: Path) -> None:
    (tools / "python3").symlink_to(sys.executable)
    ended = setup(tools, PYTHON="/no/such/python")
    assert ended.returncode == 1
    assert "PYTHON=/no/such/python is not a working Python" in ended.stderr


def test_everything_else_that_is_missing_is_named_at_once(tools: Path) -> None:
    ended = setup(tools, PYTHON=sys.executable)
    assert ended.returncode == 1
    for expected in (
        "java of a JDK 17",
        "javac of a JDK 17",
        "mvn (Maven) is missing",
        "openjdk-17-jdk",
        "install maven",
    ):
        assert expected in ended.stdout


def test_a_java_that_is_too_old_is_named_with_its_version(tools: Path) -> None:
    script(tools / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    script(tools / "javac", "echo 'javac 17.0.15'")
    ended = setup(tools, PYTHON=sys.executable)
    assert "java is version 11; 17 or newer is needed" in ended.stdout
    assert "javac" not in ended.stdout
