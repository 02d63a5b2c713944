"""What Terraform makes of each environment: planned and applied with the AWS provider's schema, without AWS."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy import terraform_rules as rules
from tests.deploy.terraform_plan import ROOTS, Plan, Terraform

OVERLAYS = Path(__file__).parents[2] / "flink-k8s" / "overlays"
ENVIRONMENTS = ("dev", "prod")


@dataclass(frozen=True)
class Mistake:
    """A change of a file below terraform/, and what is said of it."""

    file: str
    right: str
    wrong: str
    said: str

    def make(self, configuration: Path) -> None:
        path = configuration / self.file
        text = path.read_text()
        assert self.right in text, f"{self.file} no longer has {self.right!r}"
        path.write_text(text.replace(self.right, self.wrong, 1))


@pytest.mark.parametrize("root", ROOTS)
def test_a_configuration_is_valid(terraform: Terraform, configuration: Path, root: str):
    """Every resource, argument, reference and type is known, and nothing is warned of."""
    said = terraform.must(configuration / ROOTS[root], "validate", "-no-color")

    assert said == "Success! The configuration is valid.\n"


@pytest.mark.parametrize("root", ROOTS)
def test_a_second_plan_changes_nothing(terraform: Terraform, applied: Path, planned: Callable[[str], Plan], root: str):
    """Once applied, all is as it is configured: no time, random number or order of a set is part of it."""
    planned(root)

    assert "No changes." in terraform.must(applied / ROOTS[root], "plan", "-no-color", "-input=false")


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("root", ROOTS)
def test_a_rule_holds(planned: Callable[[str], Plan], root: str, rule: Callable[[Plan], list[str]]):
    """Nothing is open, in clear text or allowed by a pattern; `terraform_rules` says what is meant by that."""
    assert rule(planned(root)) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_overlay_has_the_names_that_terraform_gives(planned: Callable[[str], Plan], environment: str):
    """The overlay's terraform.env is what `terraform output -raw kustomize_env` prints."""
    assert (OVERLAYS / environment / "terraform.env").read_text() == planned(environment).outputs["kustomize_env"]


def test_nothing_of_prod_is_destroyed_by_one_command(
    terraform: Terraform, applied: Path, planned: Callable[[str], Plan]
):
    """`terraform destroy` of a protected environment ends with its plan; that of another one goes on."""
    for environment in ENVIRONMENTS:
        planned(environment)
    ended = {
        environment: terraform.run(applied / ROOTS[environment], "plan", "-destroy", "-no-color", "-input=false")
        for environment in ENVIRONMENTS
    }

    assert ended["dev"].returncode == 0, ended["dev"].stdout
    assert ended["prod"].returncode == 1
    assert "module.platform.terraform_data.protection[0]" in _words(ended["prod"].stdout)


KINESIS = "modules/kinesis/main.tf"
INVALID = {
    "unknown argument": Mistake(
        KINESIS, "retention_period ", "retention_hours ", 'An argument named "retention_hours" is not expected here.'
    ),
    "missing argument": Mistake(
        KINESIS,
        "  name                      = var.name\n",
        "",
        'The argument "name" is required, but no definition was found.',
    ),
    "unknown resource type": Mistake(
        KINESIS,
        'resource "aws_kinesis_stream" "this"',
        'resource "aws_kinesis_streams" "this"',
        'does not support resource type "aws_kinesis_streams"',
    ),
    "unknown block": Mistake(
        "modules/opensearch/main.tf",
        "  encrypt_at_rest {",
        "  encryption_at_rest {",
        'Blocks of type "encryption_at_rest" are not expected here.',
    ),
    "unknown attribute": Mistake(
        "modules/kinesis/outputs.tf",
        "aws_kinesis_stream.this.arn",
        "aws_kinesis_stream.this.stream_arn",
        'has no argument, nested block, or exported attribute named "stream_arn".',
    ),
    "undeclared output": Mistake(
        "modules/platform/locals.tf",
        "module.names.settings",
        "module.names.setting",
        'This object does not have an attribute named "setting".',
    ),
    "undeclared variable": Mistake(
        KINESIS,
        "var.retention_hours",
        "var.retention",
        'An input variable with the name "retention" has not been declared.',
    ),
    "missing variable": Mistake(
        "environments/dev/main.tf",
        "  monthly_budget_dollars = ",
        "  # ",
        'The argument "monthly_budget_dollars" is required, but no definition was found.',
    ),
}


@pytest.mark.parametrize("kind", INVALID)
def test_a_mistake_is_refused_with_a_message_that_names_it(terraform: Terraform, a_copy: Path, kind: str):
    """Each kind of mistake in the real files is found by `validate`."""
    INVALID[kind].make(a_copy)
    ended = terraform.run(a_copy / ROOTS["dev"], "validate", "-no-color")

    assert ended.returncode == 1
    assert INVALID[kind].said in _words(ended.stdout)


def test_a_wrong_value_of_an_environment_is_refused(terraform: Terraform, a_copy: Path):
    """A value in terraform.tfvars gets as far as the validation in the module that uses it."""
    said = 'account_id is "1234"; it has to be twelve digits'
    Mistake("environments/dev/terraform.tfvars", '"123456789012"', '"1234"', said).make(a_copy)
    ended = terraform.run(a_copy / ROOTS["dev"], "plan", "-no-color", "-input=false")

    assert ended.returncode == 1
    assert said in _words(ended.stdout)


#: Rule → a mistake that it finds.
BROKEN = {
    rules.wildcard_actions: Mistake(
        "modules/iam/main.tf",
        '["kinesis:PutRecords"]',
        '["kinesis:*"]',
        'module.iam.aws_iam_role_policy.this["fluent_bit"] WriteStream: allows kinesis:*',
    ),
    rules.wildcard_resources: Mistake(
        "modules/iam/main.tf",
        ":secret:${name}-??????",
        ":secret:*",
        "GetSecretValue on arn:aws:secretsmanager:ap-northeast-2:123456789012:secret:*",
    ),
    rules.policies_of_aws: Mistake(
        "modules/eks/main.tf",
        '"AmazonEC2ContainerRegistryPullOnly"]',
        '"AmazonEC2ContainerRegistryPullOnly", "AdministratorAccess"]',
        'nodes["AdministratorAccess"]: attaches arn:aws:iam::aws:policy/AdministratorAccess',
    ),
    rules.open_to_anyone: Mistake(
        "modules/bucket/main.tf",
        'Sid       = "FewReaders"\n    Effect    = "Deny"',
        'Sid       = "FewReaders"\n    Effect    = "Allow"',
        "module.raw.aws_s3_bucket_policy.this FewReaders: allows s3:GetObject, s3:GetObjectVersion to everyone",
    ),
    rules.trusted_by_pattern: Mistake(
        "modules/iam/main.tf",
        '"system:serviceaccount:${account.namespace}:${account.name}"',
        '"system:serviceaccount:${account.namespace}:*"',
        'aws_iam_role.this["fluent_bit"] (no Sid): trusts system:serviceaccount:logging:* for sts.amazonaws.com',
    ),
    rules.public_buckets: Mistake(
        "modules/bucket/main.tf",
        "block_public_policy     = true",
        "block_public_policy     = false",
        "module.archive.aws_s3_bucket.this: cali-dev-123456789012-archive: public access is not blocked",
    ),
    rules.unencrypted_buckets: Mistake(
        "modules/bucket/main.tf",
        '"aws:SecureTransport" = "false"',
        '"aws:SecureTransport" = "true"',
        "module.dlq.aws_s3_bucket.this: cali-dev-123456789012-dlq: can be used without TLS",
    ),
    rules.buckets_that_only_grow: Mistake(
        "modules/s3/main.tf",
        "expire_after_days = var.days.raw",
        "expire_after_days = var.days.archive",
        "module.raw.aws_s3_bucket.this: cali-dev-123456789012-raw: keeps records with secrets for too long",
    ),
    rules.open_ports: Mistake(
        "modules/vpc/main.tf",
        "cidr_ipv4         = var.cidr",
        'cidr_ipv4         = "0.0.0.0/0"',
        "module.vpc.aws_vpc_security_group_ingress_rule.endpoints: anyone may come in",
    ),
    rules.open_clusters: Mistake(
        "modules/eks/main.tf",
        "endpoint_public_access  = length(var.public_access_cidrs) > 0",
        "endpoint_public_access  = true",
        "module.eks.aws_eks_cluster.this: the API server answers anyone",
    ),
    rules.keys_that_eks_cannot_take: Mistake(
        "modules/kms/main.tf",
        'Condition = { StringEquals = { "kms:ViaService" = ["${service}',
        'Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" }, '
        'StringEquals = { "kms:ViaService" = ["${service}',
        "module.eks.aws_eks_cluster.this: EKS gets no grant of its key",
    ),
    rules.unencrypted_streams: Mistake(
        KINESIS,
        'encryption_type           = "KMS"',
        'encryption_type           = "NONE"',
        "module.kinesis.aws_kinesis_stream.this: records are not encrypted with a KMS key",
    ),
    rules.open_search: Mistake(
        "modules/opensearch/main.tf",
        "  advanced_security_options {\n    enabled                        = true",
        "  advanced_security_options {\n    enabled                        = false",
        "module.opensearch.aws_opensearch_domain.this: advanced_security_options.enabled is not true",
    ),
    rules.secrets_in_clear: Mistake(
        "modules/secrets/main.tf",
        'resource "aws_secretsmanager_secret" "this" {',
        'resource "aws_secretsmanager_secret_version" "slack" {\n'
        '  secret_id     = "cali/dev/slack"\n  secret_string = "hunter2"\n}\n\n'
        'resource "aws_secretsmanager_secret" "this" {',
        "module.secrets.aws_secretsmanager_secret_version.slack: the state keeps its secret_string",
    ),
}


def test_each_rule_was_seen_to_find_something():
    """A rule without a mistake that it finds may find nothing at all."""
    assert set(BROKEN) == set(rules.RULES)


@pytest.fixture(scope="module")
def broken(terraform: Terraform, configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """`dev` as it is with one mistake against each rule."""
    copy = Path(shutil.copytree(configuration, tmp_path_factory.mktemp("broken") / "terraform"))
    for mistake in BROKEN.values():
        mistake.make(copy)
    return terraform.apply(copy, "dev")


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.__name__)
def test_a_rule_finds_a_mistake_and_names_its_place(broken: Plan, rule: Callable[[Plan], list[str]]):
    """Each rule finds the mistake that was made against it, and says where and what it is."""
    problems = rule(broken)

    assert [problem for problem in problems if problem.endswith(BROKEN[rule].said)], problems


def _words(printed: str) -> str:
    """Return what was printed without frames and line breaks."""
    return " ".join(printed.replace("\u2502", " ").split())
