# ruff: noqa: INP001 - a script, not part of a package
"""Sets the project up: environment from locked requirements, the project itself, jars, the Java module.

Run by `scripts/setup` with a Python that works. Each step leaves a stamp with the hash of what it read, and is skipped
while that is unchanged and what it made is there. Standard library only.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
OLDEST_JAVA = 17
JDK_HINT = ("sudo apt-get install openjdk-17-jdk-headless", "brew install openjdk@17")
MAVEN_HINT = ("sudo apt-get install maven", "brew install maven")


@dataclass(frozen=True)
class Step:
    """One thing to be done when `inputs` have changed or an output is missing."""

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    do: Callable[[], None]
    stamps: Path = BUILD / "setup"

    def run(self) -> bool:
        """Do it if need be, and say whether it was."""
        stamp, digest = self.stamps / f"{self.name}.stamp", _digest(self.inputs)
        made = all(output.exists() for output in self.outputs)
        if made and stamp.exists() and stamp.read_text() == digest:
            return False
        started = time.monotonic()
        _say(f"{self.name} …")
        self.do()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest)
        _say(f"{self.name}: done in {time.monotonic() - started:.0f} s")
        return True


def main() -> None:
    """Do what is missing."""
    os.chdir(ROOT)
    _require_prerequisites()
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = [step.run() for step in _steps()]
    _say("ready" if any(done) else "nothing to do")


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
    if _output(str(PYTHON), "--version") == _output(sys.executable, "--version"):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(VENV))


def _install_packages() -> None:
    _run(
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
    _maven("local/jars/pom.xml")


def _build_connectors() -> None:
    _maven("connectors/pom.xml", "-Dmaven.test.skip=true")


def _maven(pom: str, *options: str) -> None:
    _run("mvn", "-q", "-B", "-Dstyle.color=never", "-f", pom, "package", *options)


def _uv(*arguments: str) -> None:
    _run(str(UV), "pip", "install", "--python", str(PYTHON), *arguments)


def _run(*command: str) -> None:
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - the commands of this file
    if ended.returncode:
        sys.exit(f"setup: failed with exit code {ended.returncode}: {' '.join(command)}")


def _digest(inputs: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{VENV} {sys.version_info[:2]}\n".encode())
    for path in inputs:
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _require_prerequisites() -> None:
    checks = (_venv_problem(), _java_problem("java"), _java_problem("javac"), _maven_problem())
    problems = [problem for problem in checks if problem]
    if not problems:
        return
    for what, (debian, mac) in problems:
        _say(what)
        _say(f"  Debian, Ubuntu:  {debian}")
        _say(f"  macOS:           {mac}")
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
    version = re.search(r'(?:javac |version ")(\d+)', _output(program, "-version"))
    if version is None:
        return f"{name} of a JDK {OLDEST_JAVA} or newer is missing{where}", JDK_HINT
    if int(version[1]) < OLDEST_JAVA:
        return f"{name}{where} is version {version[1]}; {OLDEST_JAVA} or newer is needed", JDK_HINT
    return None


def _maven_problem() -> tuple[str, tuple[str, str]] | None:
    return None if shutil.which("mvn") else ("mvn (Maven) is missing", MAVEN_HINT)


def _output(*command: str) -> str:
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - the commands of this file
    except OSError:
        return ""
    return ended.stdout + ended.stderr


def _say(text: str) -> None:
    sys.stdout.write(f"setup: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
