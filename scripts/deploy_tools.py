# ruff: noqa: INP001 - a script, not part of a package
"""Makes what tests/deploy runs: programs in build/deploy-tools/bin, each from a lock with hashes, and two of our own.

Run by `make deploy-tools`, after `make setup`. A program that a step cannot do without is named together with the tests
that are skipped for it; where CI=true that is a failure.
"""

import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

from steps import BUILD, PYTHON, ROOT, UV, Step, alone, maven, output, run, say, say_missing

TOOLS = BUILD / "deploy-tools"
BIN = TOOLS / "bin"
VENV = TOOLS / "venv"
REQUIREMENTS = ROOT / "requirements"
AWS_PROVIDER = ROOT / "tests" / "deploy" / "aws_provider"
OPERATOR_VALIDATOR = ROOT / "tests" / "deploy" / "operator_validator"

#: Module in `requirements/` → the programs that its `tool` lines make.
GO_MODULES = {"deploy-tools": ("actionlint", "kubeconform", "kustomize", "tflint"), "tofu": ("tofu",)}
PYTHON_TOOLS = ("checkov", "hadolint", "shellcheck", "zizmor")
#: The first that fetches, by itself, the Go that a module asks for.
OLDEST_GO = (1, 21)


class Prerequisite(NamedTuple):
    """A program that comes with the machine: why it is needed, and how to get it on Debian and on macOS."""

    skipped: str
    hints: tuple[str, str]


PREREQUISITES = {
    "go": Prerequisite(
        "tests of workflows, manifests and Terraform",
        ("Go 1.21 or later (Debian 12: golang-1.21 or later of bookworm-backports)", "brew install go"),
    ),
    "npm": Prerequisite(
        "tests of Terraform against the AWS provider", ("sudo apt-get install nodejs npm", "brew install node")
    ),
}


def main() -> None:
    """Do what is missing, and say what cannot be done."""
    os.chdir(ROOT)
    missing = _missing_prerequisites()
    with alone("deploy-tools"):
        done = [step.run() for needs, step in _steps() if not missing & needs]
    say("ready" if any(done) else "nothing to do")


def _steps() -> list[tuple[set[str], Step]]:
    """List the steps, each with what it needs; the cheap ones first."""
    return [
        (set(), _python_step()),
        ({"npm"}, _aws_provider_step()),
        (set(), _operator_validator_step()),
        *(({"go"}, _go_step(name)) for name in GO_MODULES),
    ]


def _python_step() -> Step:
    lock = REQUIREMENTS / "deploy-tools.txt"
    return Step("python-tools", (lock,), _programs(PYTHON_TOOLS), partial(_install_python_tools, lock), TOOLS)


def _aws_provider_step() -> Step:
    script = AWS_PROVIDER / "make_schema.py"
    schema = BUILD / "deploy" / "aws-provider" / "schema.json"
    sources = (script, AWS_PROVIDER / "schema_from_bindings.py")
    return Step("aws-provider", sources, (schema,), partial(run, str(PYTHON), str(script)), TOOLS)


def _operator_validator_step() -> Step:
    pom = OPERATOR_VALIDATOR / "pom.xml"
    sources = tuple(sorted(path for path in (OPERATOR_VALIDATOR / "src").rglob("*") if path.is_file()))
    made = BUILD / "operator-validator"
    jars = (made / "cali-operator-validator.jar", made / "lib")
    return Step("operator-validator", (pom, *sources), jars, partial(maven, str(pom)), TOOLS)


def _go_step(name: str) -> Step:
    module = REQUIREMENTS / name
    locked = (module / "go.mod", module / "go.sum")
    return Step(f"go-{name}", locked, _programs(GO_MODULES[name]), partial(_build_go_tools, module), TOOLS)


def _programs(names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(BIN / name for name in names)


def _install_python_tools(lock: Path) -> None:
    """Install them into an environment of their own: `checkov` does not fit with the job's requirements.

    Wheels only: the source packages of `hadolint` and `shellcheck` would fetch a program that no hash covers.
    """
    shutil.rmtree(VENV, ignore_errors=True)
    run(str(UV), "venv", "--quiet", "--python", str(PYTHON), str(VENV))
    locked = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))
    run(str(UV), "pip", "install", "--quiet", "--python", str(VENV / "bin" / "python"), *locked)
    BIN.mkdir(parents=True, exist_ok=True)
    for name in PYTHON_TOOLS:
        (BIN / name).unlink(missing_ok=True)
        (BIN / name).symlink_to(Path("..") / "venv" / "bin" / name)


def _build_go_tools(module: Path) -> None:
    """Compile them beside the tests, so at the lowest priority.

    Without inlining and debug symbols that takes a quarter less; each of them runs for a second or two.
    """
    flags = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath", "GOWORK": "off"}
    fast = ("-gcflags=all=-l", "-ldflags=-s -w")
    build = ("nice", "-n", "19", "go", "build", "-C", str(module), *fast, "-o", f"{BIN}/", "tool")
    BIN.mkdir(parents=True, exist_ok=True)
    run(*build, env={**os.environ, **flags})


def _missing_prerequisites() -> set[str]:
    """Name what is missing and what is skipped for it; end where nothing may be skipped."""
    missing = {name for name in PREREQUISITES if not _is_there(name)}
    for name in sorted(missing):
        skipped, hints = PREREQUISITES[name]
        say_missing(f"{name} is missing: {skipped} are skipped", hints)
    if missing and os.environ.get("CI") == "true":
        sys.exit("deploy-tools: CI=true, so nothing may be skipped")
    return missing


def _is_there(name: str) -> bool:
    if name != "go":
        return shutil.which(name) is not None
    version = re.search(r"go(\d+)\.(\d+)", output("go", "version"))
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_GO


if __name__ == "__main__":
    main()
