"""Settings, manifests, Terraform and the edge call streams, buckets, secrets, roles and ports the same."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from jobs.log_insight.settings import Settings
from tests.deploy import names
from tests.deploy.manifests import ENVIRONMENTS, ROOT, Manifest, name_of, set_at
from tests.deploy.names import Environment
from tests.deploy.terraform_plan import Plan

SettingsFrom = Callable[[Mapping[str, str]], Settings]
Named = Callable[[str], Environment]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def named(
    planned: Callable[[str], Plan], build: Callable[[str], list[Manifest]], whole: Callable[[str], list[Manifest]]
) -> Named:
    """Return all that speaks of an environment."""

    def collect(name: str) -> Environment:
        manifests = {name_of(each): each for each in (*build("platform"), *whole(name), _airflow())}
        return Environment(planned(name), planned("account"), tuple(manifests.values()), _edge(name))

    return collect


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_all_sides_of_an_environment_speak_of_the_same_things(
    name: str, named: Named, settings_from: SettingsFrom
) -> None:
    """No rule finds a difference between what is made, what is told to the pods and what the edge does."""
    assert _differences(named(name), settings_from) == []


def test_each_credential_of_the_job_is_in_the_instructions_for_the_secrets() -> None:
    """Who fills the secrets finds the name of each file that the job looks for."""
    told = (ROOT / "flink-k8s" / "base" / "secrets.yaml").read_text()
    assert names.unknown_secret_files(told) == []
    assert names.unknown_secret_files(told.replace("cali_milvus_token", "")) == ["nothing is said of cali_milvus_token"]


def _settings(change: Mapping[str, str]) -> Change:
    def apply(manifest: dict[str, Any]) -> None:
        if manifest["kind"] == "ConfigMap":
            manifest["data"] |= {key: value for key, value in change.items() if key in manifest["data"]}

    return apply


def _flink(option: str, value: str) -> Change:
    def apply(manifest: dict[str, Any]) -> None:
        if manifest["kind"] == "FlinkDeployment":
            manifest["spec"]["flinkConfiguration"][option] = value

    return apply


def _at(kind: str, path: str, value: Any) -> Change:
    """Return a change of one value, `a/b/0/c` from the top of all manifests of a kind; `~` is a `/` in a name."""

    def apply(manifest: dict[str, Any]) -> None:
        if manifest["kind"] == kind:
            set_at(manifest, path, value)

    return apply


MISTAKES = {
    "another stream": (_settings({"CALI_SOURCE__KINESIS__STREAM": "prod-logs"}), "no stream prod-logs is made"),
    "another bucket": (
        _settings({"CALI_STORE__ARCHIVE": "s3://cali-archive/logs"}),
        "store.archive is s3://cali-archive/logs, and no such bucket is made",
    ),
    "a prefix that the role may not write": (
        _settings({"CALI_STORE__RECEIPTS": "s3://cali-prod-123456789012-archive/proofs"}),
        "store.receipts is s3://cali-prod-123456789012-archive/proofs, where",
    ),
    "markers in a folder that the role may not write": (
        _settings({"CALI_STORE__MARKERS": "s3://cali-prod-123456789012-archive/hours"}),
        "log-insight: store.markers is s3://cali-prod-123456789012-archive/hours, where",
    ),
    "reports in a folder that the commands may not write": (
        _settings({"CALI_QUALITY__REPORTS": "s3://cali-prod-123456789012-archive/logs"}),
        "quality.reports is s3://cali-prod-123456789012-archive/logs, where",
    ),
    "savepoints where nobody may write": (
        _flink("execution.checkpointing.savepoint-dir", "s3://cali-prod-123456789012-archive/savepoints"),
        "execution.checkpointing.savepoint-dir is s3://cali-prod-123456789012-archive/savepoints, where",
    ),
    "another region": (_settings({"CALI_AWS__REGION": "us-east-1"}), "us-east-1, not ap-northeast-2"),
    "a secret that is not made": (
        _at("ExternalSecret", "spec/dataFrom/0/extract/key", "cali/prod/slak"),
        "no secret cali/prod/slak is made",
    ),
    "the master's password": (
        _at("ExternalSecret", "spec/dataFrom/0/extract/key", "cali/prod/opensearch-master"),
        "may not read cali/prod/opensearch-master",
    ),
    "a Secret by another name": (
        _at("ExternalSecret", "spec/target/name", "cali-credentials"),
        "no Secret of cali-credentials is mounted there",
    ),
    "a service account that the role does not know": (
        _at("ServiceAccount", "metadata/namespace", "flink"),
        "is not made or does not trust it",
    ),
    "rights for a group that Terraform does not know": (
        _at("RoleBinding", "subjects/0/name", "deployers"),
        "Group cali-deploy has no rights in Kubernetes",
    ),
    "rights for an account that is not there": (
        _at("RoleBinding", "subjects/0/name", "flink"),
        "ServiceAccount cali-job has no rights in Kubernetes",
    ),
    "nodes that nobody makes": (
        _at("FlinkDeployment", "spec/podTemplate/spec/nodeSelector/cali.dev~nodes", "stream"),
        "log-insight asks for nodes stream, not ['flink', 'system']",
    ),
    "another reporter's port": (
        _flink("metrics.reporter.prom.port", "9250"),
        "no NetworkPolicy opens 9250 (metrics)",
    ),
    "another image": (
        _at("FlinkDeployment", "spec/image", "docker.example/cali:0.1.0"),
        "docker.example/cali:0.1.0 is not from 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/cali",
    ),
    "OpenSearch at a closed port": (
        _settings({"CALI_INDEX__URL": "https://search.example:9200"}),
        "no NetworkPolicy opens 9200 (OpenSearch)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_name_that_only_one_side_knows_is_found(mistake: str, named: Named, settings_from: SettingsFrom) -> None:
    """One manifest that says another name than the others is named, with what it says."""
    change, told = MISTAKES[mistake]
    right = named("prod")
    manifests = copy.deepcopy(right.manifests)
    for manifest in manifests:
        change(manifest)
    wrong = dataclasses.replace(right, manifests=manifests)
    assert any(told in each for each in _differences(wrong, settings_from))


def test_another_stream_of_the_edge_is_found(named: Named, settings_from: SettingsFrom) -> None:
    """Fluent Bit that sends elsewhere than the job reads is named."""
    right = named("prod")
    wrong = dataclasses.replace(right, edge={**right.edge, "stream": "cali-dev-logs"})
    assert _differences(wrong, settings_from) == ["fluent-bit: no stream cali-dev-logs is made"]


#: What is withheld → the resource that gives it, what it says, what it shall say; what is told, by place and reason.
WITHHELD = {
    "markers from the job": (
        'aws_iam_role_policy.this["job"]',
        "archive/markers/*",
        "archive/hours/*",
        "log-insight: store.markers is ",
        "role/cali-prod-job may not s3:PutObject",
    ),
    "unfinished markers from the job": (
        'aws_iam_role_policy.this["job"]',
        "archive/markers/*/.incomplete/*",
        "archive/markers/*.incomplete",
        "log-insight: an unfinished file of store.markers is ",
        "role/cali-prod-job may not s3:DeleteObject",
    ),
    "the list of markers": (
        'aws_iam_role_policy.this["tools"]',
        '"markers/*"',
        '"hours/*"',
        "cali-tools: store.markers is ",
        "role/cali-prod-tools may not s3:ListBucket",
    ),
    "dead letters, by the role": (
        'aws_iam_role_policy.this["tools"]',
        '"arn:aws:s3:::cali-prod-123456789012-dlq/replay-*/dlq/*"',
        '"arn:aws:s3:::cali-prod-123456789012-dlq/replay-*/letters/*"',
        "cali-tools: a replay's dead letters is ",
        "role/cali-prod-tools may not s3:GetObject",
    ),
    "dead letters, by the bucket": (
        "module.dlq.aws_s3_bucket_policy.this",
        "role/cali-prod-tools",
        "role/cali-prod-quality",
        "cali-tools: store.dead_letters is ",
        "the bucket refuses arn:aws:iam::123456789012:role/cali-prod-tools s3:GetObject",
    ),
    "dead letters, by the key": (
        "module.key_raw.aws_kms_key.this",
        "role/cali-prod-tools",
        "role/cali-prod-quality",
        "cali-tools: store.dead_letters is ",
        "the bucket's key refuses arn:aws:iam::123456789012:role/cali-prod-tools kms:Decrypt",
    ),
    "reports, by the key": (
        "module.key_archive.aws_kms_key.this",
        "kms:GenerateDataKey",
        "kms:DescribeKey",
        "cali-tools: quality.reports is ",
        "the bucket's key refuses arn:aws:iam::123456789012:role/cali-prod-tools kms:GenerateDataKey",
    ),
}


@pytest.mark.parametrize("what", WITHHELD)
def test_a_right_that_somebody_needs_and_does_not_have_is_found(
    what: str, named: Named, settings_from: SettingsFrom
) -> None:
    """A right in S3 is whole where the role, the bucket and its key give it; a place and who refuses are named."""
    address, given, without, place, reason = WITHHELD[what]
    right = named("prod")
    wrong = dataclasses.replace(right, plan=Plan("prod", copy.deepcopy(right.plan.state)))
    [resource] = [each for at, (_, each) in wrong.plan.all_resources().items() if at.endswith(address)]
    assert given in resource["policy"]
    resource["policy"] = resource["policy"].replace(given, without)
    assert any(place in each and each.endswith(reason) for each in _differences(wrong, settings_from))


def _differences(environment: Environment, settings_from: SettingsFrom) -> list[str]:
    try:
        clusters = names.clusters(environment, settings_from)
    except KeyError as error:
        return [f"{error} is not made or does not trust it"]
    return [
        *names.unknown_stream(environment, clusters),
        *names.closed_paths(environment, clusters),
        *names.closed_to_commands(environment, settings_from),
        *names.unknown_secrets(environment),
        *names.unmounted_secrets(environment),
        *names.untrusted_accounts(environment),
        *names.unbound_accounts(environment),
        *names.missing_nodes(environment),
        *names.other_images(environment),
        *names.other_regions(environment, clusters),
        *names.closed_ports(environment, clusters),
        *names.unscraped_ports(environment, clusters, "metrics"),
    ]


def _airflow() -> Manifest:
    """Return the account of Airflow's scheduler, as far as its chart is told of one."""
    values = yaml.safe_load((ROOT / "airflow" / "values.yaml").read_text())
    return {
        "kind": "ServiceAccount",
        "metadata": {"name": values["scheduler"]["serviceAccount"]["name"], "namespace": "airflow"},
    }


def _edge(name: str) -> dict[str, str]:
    """Return what Helm tells the edge, under the names of the rules."""
    folder = ROOT / "fluent-bit"
    common, own = (yaml.safe_load((folder / file).read_text()) for file in ("values.yaml", f"values-{name}.yaml"))
    variables = {each["name"]: each["value"] for each in own["env"]}
    return {
        "namespace": "logging",  # what README.md installs it in
        "service_account": common["serviceAccount"]["name"],
        "stream": variables["KINESIS_STREAM"],
        "region": variables["AWS_REGION"],
        "role": own["serviceAccount"]["annotations"]["eks.amazonaws.com/role-arn"],
    }


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_edge_is_told_what_terraform_says(name: str, planned: Callable[[str], Plan]) -> None:
    """The values file of an environment is what Terraform prints for it."""
    values = (ROOT / "fluent-bit" / f"values-{name}.yaml").read_text()
    assert values == planned(name).outputs["fluent_bit_values"]
