"""Run the Terraform configuration without AWS, and read what would stand there."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "terraform"
#: What is applied on its own → where it stands: the environments, and what an account has once.
ROOTS = {
    "dev": "environments/dev",
    "prod": "environments/prod",
    "account": "account",
    "bootstrap": "bootstrap",
}

#: Takes the place of the remote state, which would be asked for.
_LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
_INITIALIZED = shutil.ignore_patterns(".terraform", "*.tfstate*")


@dataclass(frozen=True)
class Plan:
    """What stands in AWS once an environment, or another root, is applied: `terraform show -json` of its state.

    Names, policies and all that is configured are whole. What AWS makes up is as in `aws_provider/README.md`: optional
    arguments that are not configured are null, whatever AWS's default is.
    """

    environment: str
    state: Mapping[str, Any]

    @property
    def outputs(self) -> dict[str, Any]:
        """Return output → value."""
        return {name: output["value"] for name, output in self._values["outputs"].items()}

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return address → attributes of the managed resources of a type, e.g. `aws_iam_role_policy`."""
        return {address: values for address, (found, values) in self.all_resources().items() if found == kind}

    def all_resources(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return address → type and attributes of all managed resources."""
        return {
            resource["address"]: (resource["type"], resource["values"])
            for module in _modules(self._values["root_module"])
            for resource in module.get("resources", [])
            if resource["mode"] == "managed"
        }

    @property
    def _values(self) -> Any:
        return self.state["values"]


@dataclass(frozen=True)
class Terraform:
    """A program that runs configurations, and the environment in which it finds the offline provider."""

    program: str
    variables: Mapping[str, str]

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command; its errors are part of the output, on lines that are not broken."""
        return subprocess.run(  # noqa: S603 - what the tests say
            [self.program, f"-chdir={folder}", *arguments],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def must(self, folder: Path, *arguments: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        ended = self.run(folder, *arguments)
        if ended.returncode:
            raise AssertionError(f"{' '.join(arguments)} in {folder.name} failed:\n{ended.stdout}")
        return ended.stdout

    def prepare(self, folder: Path) -> Path:
        """Copy the configuration and initialize its roots with a local state; return the copy."""
        copy = Path(shutil.copytree(CONFIGURATION, folder / "terraform", ignore=_INITIALIZED))
        for root in ROOTS.values():
            (copy / root / "backend_override.tf").write_text(_LOCAL_STATE)
            self.must(copy / root, "init", "-no-color")
        return copy

    def apply(self, copy: Path, environment: str) -> Plan:
        """Plan a root as if nothing was there, apply that, and return the outcome."""
        folder = copy / ROOTS[environment]
        self.must(folder, "plan", "-no-color", "-input=false", "-out=planned")
        self.must(folder, "apply", "-no-color", "-input=false", "planned")
        return Plan(environment, json.loads(self.must(folder, "show", "-json")))


def _modules(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield module
    for child in module.get("child_modules", []):
        yield from _modules(child)
