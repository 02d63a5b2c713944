"""The manifests of flink-k8s: kustomize builds them, every field is known, and they fit together."""

import copy
import json
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.promql import Flink
from jobs.log_insight import __main__ as job
from jobs.log_insight.settings import Settings
from local.flink import flink_home
from tests.deploy import manifests
from tests.deploy.flink_cluster import VALIDATOR, clusters, objections, task_managers
from tests.deploy.manifest_rules import Applied, mistakes
from tests.deploy.manifests import BUILDS, ENVIRONMENTS, FLINK_DEPLOYMENT, FLINK_K8S, ROOT, Manifest, misfits, name_of

Build = Callable[[str], list[Manifest]]
Change = Callable[[list[Manifest]], None]

POM = Path(__file__).parent / "operator_validator" / "pom.xml"
MONITORING = FLINK_K8S / "monitoring.py"
README = FLINK_K8S / "README.md"
DIGEST = "sha256:" + "0" * 64


@pytest.fixture(scope="session")
def java(require_tool: Callable[[str], str]) -> str:
    """A JVM, and the operator's code for it: built by the first test that needs it, where `make setup` did not."""
    if not VALIDATOR.exists():
        command = [require_tool("mvn"), "--batch-mode", "--quiet", "--file", str(POM), "package"]
        subprocess.run(command, check=True, timeout=280)  # noqa: S603 - our module, no shell
    return require_tool("java")


def each_with_name(names: Mapping[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mistake", names)


def flink_deployments(given: list[Manifest]) -> list[Manifest]:
    return [each for each in given if each["kind"] == "FlinkDeployment"]


def set_at(name: str, path: str, value: Any) -> Change:
    """Return a change of one manifest (`Kind name`): the value at `a/b/0/c` is another one, or goes with `None`."""

    def apply(given: list[Manifest]) -> None:
        (place,) = [each for each in given if name_of(each) == name]
        manifests.set_at(place, path, value)

    return apply


# --- Every field is known


@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("folder", BUILDS)
def test_kustomize_builds_what_kubernetes_would_take(folder: str, build: Build) -> None:
    """Each folder gives manifests of which the strictest API server would refuse no field."""
    assert build(folder)
    assert misfits(build(folder)) == []


JOB = "FlinkDeployment log-insight"
CONTAINER = "spec/podTemplate/spec/containers/0"
UNKNOWN_FIELDS = {
    "a typo in the FlinkDeployment": (set_at(JOB, "spec/jobManger", {}), "spec: Additional properties", "'jobManger'"),
    "a typo in its job": (set_at(JOB, "spec/job/upgradeMod", "savepoint"), "spec.job: ", "'upgradeMod' was unexpected"),
    "a typo in the pod template": (
        set_at(JOB, f"{CONTAINER}/volumeMount", []),
        "spec.podTemplate.spec.containers.0: ",
        "'volumeMount' was unexpected",
    ),
    "a Flink that the operator does not know": (
        set_at(JOB, "spec/flinkVersion", "v2_9"),
        "spec.flinkVersion: ",
        "'v2_9' is not one of",
    ),
    "an upgrade mode that there is not": (
        set_at(JOB, "spec/job/upgradeMode", "safepoint"),
        "spec.job.upgradeMode: ",
        "'safepoint'",
    ),
    "a number that is a text": (set_at(JOB, "spec/job/parallelism", "two"), "spec.job.parallelism: ", "'two' is not"),
    "a typo in a kind of Kubernetes": (
        set_at("NetworkPolicy dns", "spec/podSelektor", {}),
        "NetworkPolicy dns: spec: ",
        "'podSelektor' was unexpected",
    ),
    "a field that is missing": (
        set_at("LimitRange containers", "spec/limits", None),
        "LimitRange containers: ",
        "'limits' is a required property",
    ),
    "a typo in an ExternalSecret": (
        set_at("ExternalSecret cali-secrets", "spec/target/deletePolicy", "Retain"),
        "spec.target: ",
        "'deletePolicy' was unexpected",
    ),
    "a typo in the PodMonitor": (
        set_at("PodMonitor cali", "spec/podMetricsEndpoints/0/metricRelabeling", []),
        "spec.podMetricsEndpoints.0: ",
        "'metricRelabeling' was unexpected",
    ),
    "a typo in a rule": (
        set_at("PrometheusRule cali", "spec/groups/0/rules/0/form", "5m"),
        "spec.groups.0.rules.0: ",
        "'form' was unexpected",
    ),
}


@pytest.mark.usefixtures("java")
@each_with_name(UNKNOWN_FIELDS)
def test_a_field_that_is_not_as_it_should_be_is_named(mistake: str, build: Build) -> None:
    """One mistake in otherwise good manifests is one line, with the field and what is wrong."""
    change, *told = UNKNOWN_FIELDS[mistake]
    wrong = copy.deepcopy(build("overlays/prod"))
    change(wrong)
    (line,) = misfits(wrong)
    assert all(each in line for each in told), line


def test_the_crd_of_the_chart_is_told_of_flink_2_3() -> None:
    """The addition puts one value at the end of the versions that the operator's CRD lists."""
    patch = json.loads((FLINK_K8S / "platform" / "crd-flink-2.3.json").read_text())
    versions = {"type": "string", "enum": ["v2_2"]}
    schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": {"flinkVersion": versions}}}}}
    manifests.applied(patch, {"spec": {"versions": [{"schema": schema}]}})
    assert versions["enum"] == ["v2_2", "v2_3"]


# --- The operator and Flink take it


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_operators_own_validator_has_no_objection(
    environment: str, whole: Callable[..., list[Manifest]], java: str
) -> None:
    """Live job and replay are what the operator would start."""
    assert objections(java, flink_deployments(whole(environment))) == ["", ""]


OBJECTIONS = {
    "a savepoint upgrade without a directory": (
        set_at(JOB, "spec/flinkConfiguration/execution.checkpointing.savepoint-dir", None),
        "Job could not be upgraded with savepoint while config key[state.savepoints.dir] is not set",
    ),
    "no directory for checkpoints": (
        set_at(JOB, "spec/flinkConfiguration/execution.checkpointing.dir", None),
        "Checkpoint directory",
    ),
    "memory that is none": (
        set_at(JOB, "spec/taskManager/resource/memory", "6gg"),
        "TaskManager resource memory parse error",
    ),
    "parallelism 0": (set_at(JOB, "spec/job/parallelism", 0), "Job parallelism must be larger than 0"),
    "a standby JobManager without high availability": (
        set_at(JOB, "spec/flinkConfiguration/high-availability.type", None),
        "High availability should be enabled when starting standby JobManagers.",
    ),
    "an option that is the operator's": (
        set_at(JOB, "spec/flinkConfiguration/kubernetes.cluster-id", "cali"),
        "Forbidden Flink config key: kubernetes.cluster-id",
    ),
}


@pytest.fixture(scope="session")
def objected(build: Build, java: str) -> dict[str, str]:
    """What the operator's validator says of each mistake; one JVM for all."""
    wrong = []
    for change, _ in OBJECTIONS.values():
        given = copy.deepcopy(flink_deployments(build("overlays/prod")))
        change(given)
        wrong += given
    return dict(zip(OBJECTIONS, objections(java, wrong), strict=True))


@each_with_name(OBJECTIONS)
def test_the_operators_own_validator_objects(mistake: str, objected: dict[str, str]) -> None:
    """What is well written and makes no sense is refused, with its reason."""
    assert OBJECTIONS[mistake][1] in objected[mistake]


# --- They fit together


@pytest.fixture(scope="session")
def applied(whole: Callable[[str], list[Manifest]], java: str) -> dict[str, Applied]:
    """Each environment, and prod with each mistake: with the pods that Flink makes of it. One JVM for all."""
    given = {name: copy.deepcopy(whole(name)) for name in ENVIRONMENTS}
    for mistake, (change, _) in MISFITS.items():
        given[mistake] = copy.deepcopy(whole("prod"))
        change(given[mistake])
    made = iter(clusters(java, [each for all_of in given.values() for each in flink_deployments(all_of)]))
    return {
        name: Applied(tuple(all_of), tuple(next(made) for _ in flink_deployments(all_of)))
        for name, all_of in given.items()
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_applied_fits_together(environment: str, applied: dict[str, Applied]) -> None:
    """Nothing is named that is not there, no pod may do more than it needs, and all memory is accounted for."""
    assert mistakes(applied[environment]) == []


SETUP = "Job setup-opensearch"
SETUP_CONTAINER = "spec/template/spec/containers/0"
MISFITS = {
    "another Secret": (
        set_at(JOB, "spec/podTemplate/spec/volumes/0/secret/secretName", "cali-secret"),
        "log-insight JobManager names the secret cali-secret, which nobody makes",
    ),
    "another ConfigMap": (
        set_at(SETUP, f"{SETUP_CONTAINER}/envFrom/0/configMapRef/name", "settings"),
        "names the configMap settings, which nobody makes",
    ),
    "another service account": (
        set_at(JOB, "spec/serviceAccount", "cali"),
        "log-insight TaskManager names the serviceAccount cali, which nobody makes",
    ),
    "a budget for nobody": (
        set_at("PodDisruptionBudget log-insight-taskmanager", "spec/selector/matchLabels/component", "worker"),
        "PodDisruptionBudget log-insight-taskmanager selects no pod",
    ),
    "a policy for nobody": (
        set_at("NetworkPolicy flink-rest", "spec/podSelector/matchLabels/component", "job-manager"),
        "NetworkPolicy flink-rest selects no pod",
    ),
    "a PodMonitor for nobody": (
        set_at("PodMonitor cali", "spec/selector/matchLabels/app.kubernetes.io~part-of", "shop"),
        "log-insight JobManager is found by no PodMonitor",
    ),
    "a budget that keeps all JobManagers": (
        set_at("PodDisruptionBudget log-insight-jobmanager", "spec/minAvailable", 2),
        "PodDisruptionBudget log-insight-jobmanager allows no eviction: 2 of 2 pods",
    ),
    "a standby that was taken away": (
        set_at(JOB, "spec/jobManager/replicas", 1),
        "PodDisruptionBudget log-insight-jobmanager allows no eviction: 1 of 1 pods",
    ),
    "a container without resources": (
        set_at(SETUP, f"{SETUP_CONTAINER}/resources", None),
        "Job setup-opensearch: container cali has no limits of memory, ephemeral-storage",
    ),
    "root": (
        set_at(JOB, "spec/podTemplate/spec/securityContext/runAsUser", 0),
        "log-insight TaskManager: container flink-main-container may run as root",
    ),
    "an image that can be written to": (
        set_at(SETUP, f"{SETUP_CONTAINER}/securityContext/readOnlyRootFilesystem", None),
        "Job setup-opensearch: container cali can write to its image",
    ),
    "another port of the reporter": (
        set_at(JOB, f"{CONTAINER}/ports/0/containerPort", 9250),
        "log-insight JobManager listens at 9250, and no NetworkPolicy opens it",
    ),
    "a policy for another port": (
        set_at("NetworkPolicy flink-rest", "spec/ingress/0/ports/0/port", 8080),
        "NetworkPolicy flink-rest opens 8080, and no pod that it selects listens there",
    ),
    "a random port for data": (
        set_at(JOB, "spec/flinkConfiguration/taskmanager.data.port", "6199"),
        "log-insight TaskManager listens at 6199, and no NetworkPolicy opens it",
    ),
    "a probe of nothing": (
        set_at(JOB, "spec/jobManager/podTemplate/spec/containers/0/livenessProbe/tcpSocket/port", 6122),
        "log-insight JobManager: livenessProbe asks port 6122",
    ),
    "the node's credentials": (
        set_at("NetworkPolicy https", "spec/egress/0/to/0/ipBlock/except", []),
        "NetworkPolicy https lets pods ask 169.254.169.254",
    ),
    "an open namespace": (
        set_at("NetworkPolicy default-deny", "spec/egress", [{}]),
        "namespace cali has no policy that closes what no other opens",
    ),
    "an image without a version": (
        set_at(JOB, "spec/image", "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/cali:latest"),
        "cali:latest is not repository:version",
    ),
    "a set-up of another release": (
        set_at(SETUP, f"{SETUP_CONTAINER}/image", "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/cali:0.0.9"),
        "not one image: ",
    ),
    "more slots in the same memory": (
        set_at(JOB, "spec/flinkConfiguration/taskmanager.numberOfTaskSlots", "8"),
        "log-insight TaskManager: 314 MB are left for a Python worker",
    ),
    "no room for the driver": (
        set_at(JOB, "spec/flinkConfiguration/jobmanager.memory.jvm-overhead.min", None),
        "log-insight JobManager: 13 MB are left for the Python that builds the job",
    ),
    "parts that are more than the whole": (
        set_at(JOB, "spec/taskManager/resource/memory", "4096m"),
        "Flink refuses log-insight: ",
    ),
}


@each_with_name(MISFITS)
def test_what_does_not_fit_together_is_named(mistake: str, applied: dict[str, Applied]) -> None:
    """One mistake in otherwise good manifests is found by the rules, with a line that names it."""
    found = mistakes(applied[mistake])
    assert any(MISFITS[mistake][1] in line for line in found), found


@pytest.mark.parametrize(("environment", "column"), [("prod", 0), ("dev", 1)])
def test_the_sum_in_the_readme_is_flinks_own(environment: str, column: int, applied: dict[str, Applied]) -> None:
    """The table of a TaskManager's memory has the figures that Flink works out."""
    rows = re.findall(r"^\| \**(\w+)[^|]*\| \**([\d,]+)\** \| \**([\d,]+)\**", README.read_text(), re.MULTILINE)
    written = {name: int(figures[column].replace(",", "")) for name, *figures in rows}
    memory = next(each.memory["taskManager"] for each in applied[environment].clusters if each.memory)
    names = {
        "heap": "heap",
        "network": "direct",
        "metaspace": "metaspace",
        "JVM": "overhead",
        "managed": "managed",
        "process": "process",
    }
    assert written == {name: round(memory[part]) for name, part in names.items()}
    assert sum(written.values()) - written["process"] == pytest.approx(written["process"], abs=2)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_drain_takes_one_task_manager_at_a_time(environment: str, build: Build) -> None:
    """The budget of TaskManagers is one less than there are, which follows from the parallelism."""
    given = build(f"overlays/{environment}")
    wanted = [each["spec"]["minAvailable"] for each in given if name_of(each).endswith(" log-insight-taskmanager")]
    count = task_managers(*flink_deployments(given))
    assert wanted == ([count - 1] if count > 1 else [])


# --- Settings


@pytest.fixture
def settings_of(settings_from: Callable[[Mapping[str, str]], Settings]) -> Callable[[list[Manifest]], Settings]:
    """What the job makes of the environment of its pods."""

    def load(given: list[Manifest]) -> Settings:
        (deployment,) = flink_deployments(given)
        (source,) = deployment["spec"]["podTemplate"]["spec"]["containers"][0]["envFrom"]
        (data,) = [each["data"] for each in given if name_of(each) == f"ConfigMap {source['configMapRef']['name']}"]
        return settings_from(data)

    return load


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_live_job_reads_its_stream_for_ever(
    environment: str, build: Build, settings_of: Callable[..., Settings]
) -> None:
    """The job takes its settings, and leaves the parallelism to the FlinkDeployment."""
    settings = settings_of(build(f"overlays/{environment}"))
    assert settings.environment == environment
    assert settings.source.kinesis.stream == f"cali-{environment}-logs"
    assert not settings.source.is_bounded
    assert settings.flink.parallelism is None
    assert settings.flink.connectors_jar is None


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_replay_ends_and_writes_nothing_that_the_live_job_writes(
    environment: str, build: Build, settings_of: Callable[..., Settings]
) -> None:
    """A replay is bounded, silent, known as one by the alert rules, and has folders, indices and state of its own."""
    live, replay = (settings_of(build(f"{kind}/{environment}")) for kind in ("overlays", "replay"))
    assert replay.source.is_bounded
    assert replay.environment == live.environment  # part of the ids of incidents
    assert re.fullmatch(r"log_insight-replay-\d+", replay.flink.job_name)
    number = replay.flink.job_name.removeprefix("log_insight-")
    assert replay.index.prefix == f"{number}-"
    assert not replay.store.write_archive
    assert not replay.notify.enabled
    assert replay.source.path is not None
    assert all(path.startswith(f"{live.store.archive}/dt=") for path in replay.source.path)
    dead_letters = live.store.dead_letters.removesuffix("dlq") + number
    assert replay.store.dead_letters == f"{dead_letters}/dlq"
    assert replay.store.index_backlog == f"{dead_letters}/index-backlog"
    assert not _state(build(f"overlays/{environment}")) & _state(build(f"replay/{environment}"))


def _state(given: list[Manifest]) -> set[str]:
    (deployment,) = flink_deployments(given)
    return {value for value in deployment["spec"]["flinkConfiguration"].values() if value.startswith("s3://")}


def test_a_replay_is_never_upgraded_and_leaves_little_behind(build: Build) -> None:
    """It starts without state, takes no savepoints, and its JobManager goes an hour after it has finished."""
    (deployment,) = flink_deployments(build("replay/prod"))
    configuration = deployment["spec"]["flinkConfiguration"]
    assert deployment["spec"]["job"]["upgradeMode"] == "stateless"
    assert configuration["kubernetes.operator.jm-deployment.shutdown-ttl"] == "1h"
    assert not configuration.keys() & {"kubernetes.operator.periodic.savepoint.interval", "job.autoscaler.enabled"}


def test_a_replay_gets_none_of_the_secrets_that_it_does_not_need(build: Build) -> None:
    """It is silent and analyses nothing: no webhook and no key of a model is in its pods."""
    (deployment,) = flink_deployments(build("replay/prod"))
    (volume,) = [each for each in deployment["spec"]["podTemplate"]["spec"]["volumes"] if "secret" in each]
    assert [each["key"] for each in volume["secret"]["items"]] == ["cali_opensearch_password"]


@pytest.mark.parametrize("folder", BUILDS)
def test_each_value_of_terraform_is_where_it_belongs(folder: str, build: Build) -> None:
    """No place still holds the name of the value that belongs there."""
    names = {line.partition("=")[0] for line in (FLINK_K8S / "overlays" / "prod" / "terraform.env").read_text().split()}
    left = [text for each in build(folder) for text in _texts(each) if any(name in text for name in names | {"BUCKET"})]
    assert left == []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


@pytest.fixture
def a_copy(tmp_path: Path) -> Path:
    """A copy of flink-k8s/ to change."""
    return Path(shutil.copytree(FLINK_K8S, tmp_path / "flink-k8s"))


def test_a_change_of_settings_restarts_the_job(a_copy: Path, kustomize: str, build: Build) -> None:
    """Another setting is another ConfigMap, and so another FlinkDeployment; the one for commands keeps its name."""
    with (a_copy / "overlays" / "prod" / "settings.env").open("a") as file:
        file.write("CALI_NOTIFY__LANGUAGE=ko\n")
    before, after = build("overlays/prod"), manifests.built(kustomize, a_copy / "overlays" / "prod")
    (old,), (new,) = flink_deployments(before), flink_deployments(after)
    assert old["spec"]["podTemplate"] != new["spec"]["podTemplate"]
    assert misfits(after) == []
    (settings,) = [each for each in after if name_of(each) == "ConfigMap cali-settings"]
    assert settings["data"]["CALI_NOTIFY__LANGUAGE"] == "ko"


@pytest.mark.parametrize("told", ["cali:0.2.0", f"cali:0.2.0@{DIGEST}"])
def test_a_deployment_sets_the_image_of_job_and_set_up(told: str, a_copy: Path, kustomize: str) -> None:
    """One command sets version and digest, and the repository is Terraform's."""
    command = [kustomize, "edit", "set", "image", told]
    subprocess.run(command, cwd=a_copy / "overlays" / "prod", check=True)  # noqa: S603 - our files, no shell
    (deployment,) = flink_deployments(manifests.built(kustomize, a_copy / "overlays" / "prod"))
    (setup,) = [each for each in manifests.built(kustomize, a_copy / "setup" / "prod") if each["kind"] == "Job"]
    image = f"123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/{told}"
    assert deployment["spec"]["image"] == image
    assert setup["spec"]["template"]["spec"]["containers"][0]["image"] == image


# --- Flink's configuration


class _Options(dict[str, Any]):
    """Stands in for PyFlink's Configuration, which would start a JVM."""

    set_integer = set_boolean = set_string = dict.__setitem__


@pytest.mark.parametrize("folder", [each for each in BUILDS if each.startswith(("overlays", "replay"))])
def test_job_and_cluster_never_set_the_same_option(folder: str, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the job sets itself is not in the cluster's configuration, where it could only contradict."""
    monkeypatch.setattr(job, "Configuration", _Options)
    options = job.configuration(Settings.model_validate({"flink": {"parallelism": 2}}))
    (deployment,) = flink_deployments(build(folder))
    assert len(options) > 5
    assert options.keys() & deployment["spec"]["flinkConfiguration"].keys() == set()


def test_jvms_get_the_options_that_flinks_distribution_gives_them(build: Build) -> None:
    """The operator replaces the distribution's configuration, and without these options Flink does not start."""
    shipped = yaml.safe_load((flink_home() / "conf" / "config.yaml").read_text())["env"]["java"]["opts"]["all"]
    (deployment,) = flink_deployments(build("overlays/prod"))
    assert deployment["spec"]["flinkConfiguration"]["env.java.opts.all"] == shipped


# --- Monitoring


def test_the_prometheus_operator_is_told_what_prometheus_is_told() -> None:
    """PodMonitor and PrometheusRule are made from the files that Prometheus reads without the operator."""
    rendered = runpy.run_path(str(MONITORING))["rendered"]()
    assert (FLINK_K8S / "base" / "monitoring.yaml").read_text() == rendered, f"python {MONITORING.relative_to(ROOT)}"


def test_the_pod_monitor_relabels_as_the_scrape_job_does(build: Build) -> None:
    """Job name, pods, port and relabelings are those of scrape.yaml, on which rules and dashboards rely."""
    (scrape,) = yaml.safe_load((ROOT / "grafana" / "prometheus" / "scrape.yaml").read_text())["scrape_configs"]
    (monitor,) = [each["spec"] for each in build("overlays/prod") if each["kind"] == "PodMonitor"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert monitor["selector"]["matchLabels"][monitor["jobLabel"]] == scrape["job_name"]
    assert endpoint["interval"] == scrape["scrape_interval"]
    assert [_as_prometheus(each) for each in endpoint["metricRelabelings"]] == scrape["metric_relabel_configs"]
    by_hand = [each for each in scrape["relabel_configs"] if each.get("target_label") == "component"]
    assert [_as_prometheus(each) for each in endpoint["relabelings"]][:-1] == by_hand
    assert all(metric.value in str(endpoint["metricRelabelings"]) for metric in Flink)


def _as_prometheus(relabeling: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub("[A-Z]", lambda upper: f"_{upper[0].lower()}", key): value for key, value in relabeling.items()}


# --- What it stands on


def test_the_script_that_installs_the_platform_is_sound(require_tool: Callable[[str], str]) -> None:
    """A shell reads it as it is meant, and all files that it names are there."""
    script = FLINK_K8S / "platform" / "install.sh"
    subprocess.run([require_tool("shellcheck"), str(script)], check=True)  # noqa: S603 - our file, no shell
    named = re.findall(r"(?:--values|--patch-file) (\S+)", script.read_text())
    assert len(named) == 4
    assert all((script.parent / name).is_file() for name in named)
    assert os.access(script, os.X_OK)


def test_the_volumes_of_milvus_are_of_a_class_that_is_there(build: Build) -> None:
    """EKS has no default class: a claim of none, or of one that nobody makes, waits for ever."""
    values = yaml.safe_load((FLINK_K8S / "platform" / "milvus.yaml").read_text())
    volumes = [values["standalone"]["persistence"]["persistentVolumeClaim"]]
    volumes += [values[part]["persistence"] for part in ("etcd", "minio")]
    (made,) = [each["metadata"]["name"] for each in build("platform") if each["kind"] == "StorageClass"]
    assert {volume["storageClass"] for volume in volumes} == {made}


def test_the_flink_of_the_manifests_is_the_one_that_is_locked(build: Build) -> None:
    """The operator is told of the Flink that the image has."""
    (locked,) = re.findall(
        r"^apache-flink==(\d+)\.(\d+)\.", (ROOT / "requirements" / "job.txt").read_text(), re.MULTILINE
    )
    (deployment,) = flink_deployments(build("overlays/prod"))
    assert deployment["spec"]["flinkVersion"] == f"v{locked[0]}_{locked[1]}"
    assert f"{deployment['apiVersion']}/{deployment['kind']}" == FLINK_DEPLOYMENT
