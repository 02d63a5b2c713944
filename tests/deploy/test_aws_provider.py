"""The AWS provider that stands in for the real one: it has its schema, and answers as AWS would."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.aws_provider.offline import SCHEMA
from tests.deploy.aws_provider.policy_document import policy_document
from tests.deploy.terraform_plan import Terraform

HERE = Path(__file__).parent
#: From the documentation of provider 6.25: one of each kind.
FACTS = {
    "aws_kinesis_stream.name": {"type": "string", "required": True},
    "aws_kinesis_stream.shard_count": {"type": "number", "optional": True, "computed": True},
    "aws_kinesis_stream.shard_level_metrics": {"type": ["set", "string"], "optional": True, "computed": True},
    "aws_kinesis_stream.stream_mode_details": {"nesting_mode": "list", "max_items": 1},
    "aws_kinesis_stream.stream_mode_details.stream_mode": {"type": "string", "required": True},
    "aws_kinesis_stream.timeouts": {"nesting_mode": "single"},
    "aws_eks_cluster.vpc_config": {"nesting_mode": "list", "min_items": 1, "max_items": 1},
    "aws_eks_cluster.vpc_config.cluster_security_group_id": {"type": "string", "computed": True},
    "aws_eks_cluster.certificate_authority": {"type": ["list", ["object", {"data": "string"}]], "computed": True},
    "aws_s3_bucket_lifecycle_configuration.rule.transition": {"nesting_mode": "set"},
    "aws_secretsmanager_secret_version.secret_string_wo": {"type": "string", "optional": True, "write_only": True},
    "aws_opensearch_domain.advanced_security_options.master_user_options.master_user_arn": {
        "type": "string",
        "optional": True,
        "computed": True,
    },
}


@pytest.mark.usefixtures("terraform")
@pytest.mark.parametrize("path", FACTS)
def test_the_schema_is_that_of_the_provider(path: str):
    """An argument has the type, and a block the number, that the provider's documentation says."""
    resource, *blocks, name = path.split(".")
    block = json.loads(SCHEMA.read_text())["resource_schemas"][resource]["block"]
    for nested in blocks:
        block = block["block_types"][nested]["block"]
    found = block["attributes"].get(name) or block["block_types"][name]

    assert {key: value for key, value in found.items() if key != "block"} == FACTS[path]


def test_a_package_that_is_not_the_one_expected_is_refused(tmp_path: Path):
    """A package with another hash ends the set-up with both named, and makes no schema."""
    folder = Path(shutil.copytree(HERE / "aws_provider", tmp_path / "tests" / "deploy" / "aws_provider"))
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\nfor folder; do :; done\necho forged > "$folder/package.tgz"\necho package.tgz\n')
    npm.chmod(0o755)
    ended = subprocess.run(  # noqa: S603 - the script under test
        [sys.executable, folder / "make_schema.py"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "make_schema: @cdktf/provider-aws@21.22.1 has the SHA-512 " in ended.stderr
    assert not list(tmp_path.rglob("schema.json"))


def test_a_policy_document_is_rendered_as_the_provider_does():
    """Single values stand alone, many in a list; a statement that overrides replaces the one of its Sid."""
    own = _statement(
        sid="Read",
        actions=["kinesis:GetRecords", "kinesis:DescribeStream"],
        resources=["arn:aws:kinesis:::stream/logs"],
        principals=[{"type": "AWS", "identifiers": ["arn:aws:iam::123456789012:root"]}],
        condition=[{"test": "Bool", "variable": "aws:SecureTransport", "values": ["true"]}],
    )
    overriding = {"Statement": [{"Sid": "Write", "Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}]}
    rendered = policy_document(
        {
            "version": None,
            "policy_id": None,
            "source_policy_documents": None,
            "override_policy_documents": [json.dumps(overriding)],
            "statement": [own, _statement(sid="Write", actions=["s3:PutObject"], principals=[_EVERYONE])],
        }
    )

    assert json.loads(rendered) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["kinesis:GetRecords", "kinesis:DescribeStream"],
                "Resource": "arn:aws:kinesis:::stream/logs",
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            },
            {"Sid": "Write", "Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"},
        ],
    }


#: A configuration, and what is said of it.
REFUSED = {
    "unknown resource type": (
        'resource "aws_kinesis_streams" "x" {}',
        'does not support resource type "aws_kinesis_streams"',
    ),
    "unknown argument": (
        'resource "aws_kinesis_stream" "x" {\n  name = "x"\n  retention_hours = 24\n}',
        'An argument named "retention_hours" is not expected here.',
    ),
    "missing argument": ('resource "aws_kinesis_stream" "x" {}', 'The argument "name" is required'),
    "unknown block": (
        'resource "aws_kinesis_stream" "x" {\n  name = "x"\n  stream_mode {}\n}',
        'Blocks of type "stream_mode" are not expected here.',
    ),
    "block twice": (
        'resource "aws_kinesis_stream" "x" {\n  name = "x"\n'
        + 2 * '  stream_mode_details {\n    stream_mode = "ON_DEMAND"\n  }\n'
        + "}",
        'No more than 1 "stream_mode_details" blocks are allowed',
    ),
    "argument as block": (
        'resource "aws_kinesis_stream" "x" {\n  name = "x"\n  tags {\n    a = "b"\n  }\n}',
        'Blocks of type "tags" are not expected here. Did you mean to define argument "tags"?',
    ),
    "wrong type": (
        'resource "aws_kinesis_stream" "x" {\n  name = "x"\n  retention_period = "a day"\n}',
        'Inappropriate value for attribute "retention_period": a number is required.',
    ),
    "unknown attribute": (
        'data "aws_region" "here" {}\noutput "x" {\n  value = data.aws_region.here.nam\n}',
        'This object has no argument, nested block, or exported attribute named "nam".',
    ),
    "unknown provider argument": (
        'provider "aws" {\n  regoin = "x"\n}\ndata "aws_region" "here" {}',
        'An argument named "regoin" is not expected here.',
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_refused_with_a_message_that_names_it(terraform: Terraform, tmp_path: Path, mistake: str):
    """Each kind of mistake that the schema shows is found by `validate`, and named."""
    configuration, message = REFUSED[mistake]
    ended = _validated(terraform, tmp_path, configuration)

    assert ended.returncode == 1
    assert message in " ".join(ended.stdout.split())


@pytest.mark.parametrize("made", ["arn", "id"])
def test_what_aws_makes_up_is_unknown_in_a_plan(terraform: Terraform, tmp_path: Path, made: str):
    """A number of resources that depends on it is refused, as it really would be."""
    configuration = (
        'provider "aws" {\n  region = "ap-northeast-2"\n}\n'
        'resource "aws_kinesis_stream" "one" {\n  name = "one"\n}\n'
        'resource "aws_kinesis_stream" "each" {\n'
        f"  for_each = toset([aws_kinesis_stream.one.{made}])\n  name = each.value\n}}"
    )
    assert _validated(terraform, tmp_path, configuration).returncode == 0
    ended = terraform.run(tmp_path, "plan", "-no-color", "-input=false")

    assert ended.returncode == 1
    assert "Invalid for_each argument" in ended.stdout


def test_a_data_source_that_has_to_be_asked_for_is_refused(terraform: Terraform, tmp_path: Path):
    """No answer is made up for what only AWS knows."""
    configuration = 'provider "aws" {\n  region = "ap-northeast-2"\n}\ndata "aws_eks_clusters" "all" {}'
    assert _validated(terraform, tmp_path, configuration).returncode == 0
    ended = terraform.run(tmp_path, "plan", "-no-color", "-input=false")

    assert ended.returncode == 1
    assert "aws_eks_clusters has to be asked for at AWS." in " ".join(ended.stdout.split())


def _validated(terraform: Terraform, folder: Path, configuration: str) -> subprocess.CompletedProcess[str]:
    needed = 'terraform {\n  required_providers {\n    aws = {\n      source = "hashicorp/aws"\n    }\n  }\n}\n'
    (folder / "main.tf").write_text(needed + configuration + "\n")
    terraform.must(folder, "init", "-no-color")
    return terraform.run(folder, "validate", "-no-color")


_EVERYONE = {"type": "*", "identifiers": ["*"]}


def _statement(**arguments: Any) -> dict[str, Any]:
    names = ("sid", "effect", "actions", "not_actions", "resources", "not_resources", "principals", "not_principals")
    return dict.fromkeys((*names, "condition")) | arguments
