"""What runs from the image needs no package but the locked ones; what needs more says so."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STACK_VERBS = {"demo", "generate", "local_stack"}
WITHOUT = "import importlib, sys; sys.modules.update(dict.fromkeys({absent!r})); "
IMPORT = WITHOUT + "[importlib.import_module(name) for name in {names!r}]"
CALI = WITHOUT + "sys.argv = ['cali', *{names!r}]; importlib.import_module('jobs.cli').main()"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> dict[str, str]:
    """Return the versions of a lock file by package."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE)
    return {canonical(package): version for package, version in lines}


def absent() -> list[str]:
    """Return the modules that are installed here and not in the image."""
    there = {*locked("job.txt"), PROJECT["name"]}
    return sorted(
        module
        for module, packages in packages_distributions().items()
        if not {canonical(package) for package in packages} & there and not module.startswith("_")
    )


def modules() -> list[str]:
    """Return the modules that the job and the commands of its pods consist of."""
    files = [
        path.relative_to(ROOT) for package in ("jobs", "schemas", "udfs") for path in (ROOT / package).rglob("*.py")
    ]
    names = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files]
    return sorted(name for name in names if name.rpartition(".")[2] not in STACK_VERBS)


def run(code: str, names: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python as in the image: without the packages of the embedded stack and of development."""
    command = [sys.executable, "-c", code.format(absent=absent(), names=names)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603


def test_the_job_and_its_commands_import_only_what_is_locked_for_them():
    ran = run(IMPORT, modules())
    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_import_of_anything_else_is_named():
    ran = run(IMPORT, ["local.generator.story"])
    assert ran.returncode == 1
    assert "ModuleNotFoundError: import of faker halted" in ran.stderr


def test_all_commands_are_listed_without_the_embedded_stack():
    ran = run(CALI, ["--help"])
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(r"demo +Needs the extra `local`", ran.stdout)
    assert re.search(r"knowledge +Keep and search", ran.stdout)


@pytest.mark.parametrize("verb", ["demo", "up", "down", "generate"])
def test_a_command_of_the_embedded_stack_says_what_it_needs(verb):
    ran = run(CALI, [verb, "--records", "5", "somewhere"])
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"cali {verb} needs the embedded stack: install this package with its extra, cali[local]\n"


def test_the_locked_packages_are_those_that_were_tested():
    job, tested = locked("job.txt"), locked("dev.txt")
    assert job == {package: tested.get(package) for package in job}
    assert {canonical(re.split(r"[=>\[]", each)[0]) for each in PROJECT["dependencies"]} <= job.keys()
