# ruff: noqa: INP001 - a script, not part of a package
"""Sets the project up: environment from locked requirements, the project itself, jars, the Java module.

Run by `scripts/setup` with a Python that works. Each step leaves a stamp with the hash of what it read, and is skipped
while that is unchanged and what it made is there. Standard library only.
"""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

from steps import BUILD, PYTHON, ROOT, UV, VENV, Step, alone, maven, output, run, say, say_missing

OLDEST_JAVA = 17
JDK_HINT = ("sudo apt-get install openjdk-17-jdk-headless", "brew install openjdk@17")
MAVEN_HINT = ("sudo apt-get install maven", "brew install maven")


def main() -> None:
    """Do what is missing."""
    os.chdir(ROOT)
    _require_prerequisites()
    with alone("setup"):
        done = [step.run() for step in _steps()]
    say("ready" if any(done) else "nothing to do")


def _steps() -> list[Step]:
    locked = (ROOT / "requirements" / "bootstrap.txt", ROOT / "requirements" / "dev.txt")
    in_venv = VENV / ".setup"
    connectors = ROOT / "connectors"
    sources = tuple(sorted(path for path in (connectors / "src" / "main").rglob("*") if path.is_file()))
    jars = ROOT / "local" / "jars" / "pom.xml"
    return [
        Step("environment", (), (PYTHON, VENV / "bin" / "pip"), _make_environment, in_venv),
        Step("packages", locked, (UV,), _install_packages, in_venv),
        Step("cali", (ROOT / "pyproject.toml",), (VENV / "bin" / "cali",), _install_project, in_venv),
        Step("jars", (jars,), (BUILD / "jars" / "opensearch", BUILD / "jars" / "flink-plugins" / "s3"), _fetch_jars),
        Step(
            "connectors",
            (connectors / "pom.xml", *sources),
            (connectors / "target" / "cali-connectors.jar",),
            _build_connectors,
        ),
    ]


def _make_environment() -> None:
    if output(str(PYTHON), "--version") == output(sys.executable, "--version"):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    run(sys.executable, "-m", "venv", str(VENV))


def _install_packages() -> None:
    run(
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--requirement",
        "requirements/bootstrap.txt",
    )
    # Without build isolation the three packages that come as source are built by the locked setuptools, not by what
    # they would fetch. None of them needs a C compiler.
    _uv("--no-build-isolation", "--require-hashes", "--requirement", "requirements/dev.txt")


def _install_project() -> None:
    _uv("--no-build-isolation", "--no-deps", "--editable", ".")


def _fetch_jars() -> None:
    shutil.rmtree(BUILD / "jars", ignore_errors=True)
    maven("local/jars/pom.xml")


def _build_connectors() -> None:
    maven("connectors/pom.xml", "-Dmaven.test.skip=true")


def _uv(*arguments: str) -> None:
    run(str(UV), "pip", "install", "--python", str(PYTHON), *arguments)


def _require_prerequisites() -> None:
    checks = (_venv_problem(), _java_problem("java"), _java_problem("javac"), _maven_problem())
    problems = [problem for problem in checks if problem]
    if not problems:
        return
    for what, hints in problems:
        say_missing(what, hints)
    sys.exit(1)


def _venv_problem() -> tuple[str, tuple[str, str]] | None:
    if importlib.util.find_spec("ensurepip"):
        return None
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"venv of Python {version} is missing", (
        f"sudo apt-get install python{version}-venv",
        f"brew install python@{version}",
    )


def _java_problem(name: str) -> tuple[str, tuple[str, str]] | None:
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / name) if home else name
    where = f" in JAVA_HOME={home}" if home else ""
    version = re.search(r'(?:javac |version ")(\d+)', output(program, "-version"))
    if version is None:
        return f"{name} of a JDK {OLDEST_JAVA} or newer is missing{where}", JDK_HINT
    if int(version[1]) < OLDEST_JAVA:
        return f"{name}{where} is version {version[1]}; {OLDEST_JAVA} or newer is needed", JDK_HINT
    return None


def _maven_problem() -> tuple[str, tuple[str, str]] | None:
    return None if shutil.which("mvn") else ("mvn (Maven) is missing", MAVEN_HINT)


if __name__ == "__main__":
    main()
