"""What `cali replay` makes of the manifest of an environment is what all sides take, and what the stand-in is given."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from jobs.log_insight.settings import Settings
from jobs.replay.manifest import build as build_run
from jobs.replay.manifest import read_template, run_named
from local.kubernetes import MANIFEST
from tests.deploy import names
from tests.deploy.flink_cluster import VALIDATOR, objections
from tests.deploy.manifests import ENVIRONMENTS, Manifest, misfits, name_of
from tests.deploy.names import Environment
from tests.deploy.terraform_plan import Plan

Build = Callable[[str], list[Manifest]]
MakeRun = Callable[[str], Manifest]


@pytest.fixture
def run_of(build: Build, settings_from: Callable[[Mapping[str, str]], Settings], tmp_path: Path) -> MakeRun:
    """Return the FlinkDeployment of a run with the longest id, made as a pod of Airflow makes it."""

    def make(environment: str) -> Manifest:
        manifest = tmp_path / "manifest.yaml"
        manifest.write_text(yaml.safe_dump_all(build(f"replay/{environment}")))
        (live,) = [each for each in build(f"overlays/{environment}") if name_of(each) == "ConfigMap cali-settings"]
        settings = settings_from(live["data"])
        paths = [f"{settings.store.archive}/dt=2026-11-22", f"{settings.store.archive}/dt=2026-11-23/hour=00"]
        return build_run(read_template(manifest), run_named("a" * 26), settings, paths)

    return make


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_run_is_what_kubernetes_and_the_operator_take(
    environment: str, run_of: MakeRun, require_tool: Callable[[str], str]
) -> None:
    """No field is unknown, and the operator's own validator has no objection to name and spec."""
    if not VALIDATOR.exists():
        pytest.skip("the operator's validator is not there: `make deploy-tools` makes it")
    run = run_of(environment)
    assert misfits([run]) == []
    assert objections(require_tool("java"), [run]) == [""]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_run_may_read_and_write_where_it_does(
    environment: str,
    build: Build,
    run_of: MakeRun,
    planned: Callable[[str], Plan],
    settings_from: Callable[[Mapping[str, str]], Settings],
) -> None:
    """Its folders below those of replays, of state and of letters, are open to its role, and it needs no ConfigMap."""
    accounts = [each for each in build(f"overlays/{environment}") if each["kind"] == "ServiceAccount"]
    run = run_of(environment)
    given = Environment(planned(environment), planned("account"), (*accounts, run), {})
    (cluster,) = clusters = names.clusters(given, settings_from)
    assert names.closed_paths(given, clusters) == []
    elsewhere = cluster.settings.store.model_copy(update={"dead_letters": cluster.settings.store.archive})
    wrong = dataclasses.replace(cluster, settings=cluster.settings.model_copy(update={"store": elsewhere}))
    closed = names.closed_paths(given, [wrong])
    assert closed
    assert all("store.dead_letters" in line for line in closed)


def test_the_manifest_of_the_local_stack_is_what_kustomize_makes(build: Build) -> None:
    """`local/replay.yaml` is the FlinkDeployment of flink-k8s/replay/dev; only its ConfigMap is another."""
    (made,) = [each for each in build("replay/dev") if each["kind"] == "FlinkDeployment"]
    text = re.sub(r"\blog-insight-settings-[a-z0-9]+", "log-insight-settings", yaml.safe_dump(made))
    assert yaml.safe_load(MANIFEST.read_text()) == yaml.safe_load(text), f"write to {MANIFEST.name}:\n{text}"
