"""The rules of the layout: who may import PyFlink, and which folders must stay no packages."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("grafana", "great_expectations", "jobs", "local", "schemas", "udfs")
MAY_IMPORT_PYFLINK = ("jobs/", "udfs/operators/")


def imported_modules(source: str) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


def python_files() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def test_the_scan_sees_an_import_wherever_it_stands():
    assert imported_modules("def f():\n    from pyflink.common import Row\n") == {"pyflink.common"}


def test_only_the_glue_imports_pyflink():
    offenders = [
        path.relative_to(ROOT).as_posix()
        for path in python_files()
        if not path.relative_to(ROOT).as_posix().startswith(MAY_IMPORT_PYFLINK)
        and any(module.partition(".")[0] == "pyflink" for module in imported_modules(path.read_text()))
    ]
    assert offenders == []


def test_domain_and_models_do_not_know_flink_glue_or_the_local_stack():
    offenders = {
        (path.relative_to(ROOT).as_posix(), module)
        for path in python_files()
        for module in imported_modules(path.read_text())
        if path.relative_to(ROOT).parts[0] in ("udfs", "schemas") and module.partition(".")[0] in ("local", "airflow")
    }
    assert offenders == set()


@pytest.mark.parametrize("folder", ["airflow", "great_expectations"])
def test_folders_named_like_libraries_are_no_packages(folder):
    assert not (ROOT / folder / "__init__.py").exists()
