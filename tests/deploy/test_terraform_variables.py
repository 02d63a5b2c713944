"""Terraform's variables: a wrong value is refused, with a message that says which it is and what is right."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.terraform_plan import CONFIGURATION

BLOCK = re.compile(r'^variable "(?P<name>\w+)" \{\n.*?^\}$', re.MULTILINE | re.DOTALL)
NODES = {"instance_types": ["m7g.large"], "min": 1, "max": 2, "disk_gib": 100, "spot": False}
KEEP = {
    "archive_cold": 30,
    "archive": 60,
    "backlog": 7,
    "dead_letters": 14,
    "savepoints": 14,
    "raw": 2,
    "access_logs": 30,
    "service_logs": 365,
}

#: folder/variable → wrong values, one for each of its validations in their order. Where a validation looks at other
#: variables too, theirs stand beside it.
WRONG: dict[str, list[Any]] = {
    "account/github_repository": ["cali"],
    "bootstrap/account_id": ["12345678901"],
    "bootstrap/region": ["seoul"],
    "modules/ecr/keep_images": [2],
    "modules/eks/addon_versions": [{"coredns": "latest"}],
    "modules/eks/kubernetes_version": ["1.35.2"],
    "modules/eks/node_groups": [{"flink": NODES | {"min": 3}}, {"flink": NODES | {"disk_gib": 20}}],
    "modules/eks/public_access_cidrs": [["0.0.0.0/0"]],
    "modules/iam/github_repository": ["cali"],
    "modules/iam/workload_identity": ["keys"],
    "modules/kinesis/consumers": [["fraud check"]],
    "modules/kinesis/mode": ["AUTOMATIC"],
    "modules/kinesis/retention_hours": [12],
    "modules/kinesis/shard_level_metrics": [["Bytes"]],
    "modules/kinesis/shards": [{"shards": None, "mode": "PROVISIONED"}],
    "modules/names/account_id": ["12345678901"],
    "modules/names/environment": ["test"],
    "modules/names/region": ["seoul"],
    "modules/observability/alarm_emails": [["oncall"]],
    "modules/observability/iterator_age_minutes": [0],
    "modules/observability/monthly_budget_dollars": [0],
    "modules/opensearch/data_node_type": ["t2.small.search"],
    "modules/opensearch/data_nodes": [4],
    "modules/opensearch/engine_version": ["OpenSearch_2.5"],
    "modules/opensearch/master_node_type": ["m7g.large"],
    "modules/opensearch/volume_gib": [10],
    "modules/platform/addon_versions": [{"core-dns": "v1.11.1-eksbuild.4"}],
    "modules/platform/administrator_arns": [[]],
    "modules/platform/dead_letter_lock": [
        {"dead_letter_lock": {"mode": "LEGAL", "days": 7}, "keep_days": KEEP},
        {"dead_letter_lock": {"mode": "GOVERNANCE", "days": 15}, "keep_days": KEEP},
    ],
    "modules/platform/interface_endpoints": [
        {
            "interface_endpoints": ["kinesis-streams", "sts", "ecr.api", "ecr.dkr", "logs", "secretsmanager"],
            "nat_gateways": "none",
        }
    ],
    "modules/platform/keep_days": [
        KEEP | {"backlog": 0},
        KEEP | {"archive_cold": 60},
        KEEP | {"raw": 31},
        KEEP | {"service_logs": 100},
    ],
    "modules/platform/node_groups": [{"flink": NODES}],
    "modules/platform/raw_reader_arns": [["arn:aws:iam::123456789012:user/somebody"]],
    "modules/secrets/recovery_days": [3],
    "modules/vpc/availability_zones": [{"availability_zones": ["ap-northeast-2a"], "region": "ap-northeast-2"}],
    "modules/vpc/cidr": ["8.8.0.0/16"],
    "modules/vpc/nat_gateways": ["two"],
}


def _validated() -> dict[str, int]:
    """Return folder/variable → number of validations."""
    return {
        f"{path.parent.relative_to(CONFIGURATION)}/{block['name']}": block[0].count("\n  validation {")
        for path in sorted(CONFIGURATION.rglob("*.tf"))
        for block in BLOCK.finditer(path.read_text())
        if "\n  validation {" in block[0]
    }


def test_each_validation_has_a_wrong_value():
    """A validation without a wrong value in this file was never seen to refuse one."""
    assert {variable: len(wrong) for variable, wrong in WRONG.items()} == _validated()


@pytest.mark.parametrize(
    ("variable", "number"), [(name, number) for name in WRONG for number in range(len(WRONG[name]))]
)
def test_a_wrong_value_is_refused(require_tool: Callable[[str], str], tmp_path: Path, variable: str, number: int):
    """The message names the variable and what is right; no other validation refuses it."""
    folder, name = variable.rsplit("/", 1)
    blocks = {
        block["name"]: block[0] for block in BLOCK.finditer((CONFIGURATION / folder / "variables.tf").read_text())
    }
    values = _values(name, WRONG[variable][number])
    (tmp_path / "main.tf").write_text("\n\n".join(blocks[each] for each in {name, *values}))
    (tmp_path / "wrong.auto.tfvars.json").write_text(json.dumps(values))
    (refused,) = _errors(require_tool("tofu"), tmp_path)

    assert refused["summary"] == "Invalid value for variable"
    assert name in refused["detail"]
    assert re.search("for example|like|at least|have to", refused["detail"])


def _values(name: str, wrong: Any) -> dict[str, Any]:
    return wrong if isinstance(wrong, dict) and name in wrong else {name: wrong}


def _errors(tofu: str, folder: Path) -> list[dict[str, Any]]:
    """Return the errors of a plan."""
    ended = subprocess.run(  # noqa: S603 - what the test says
        [tofu, f"-chdir={folder}", "plan", "-input=false", "-json"],
        env={"TF_CLI_CONFIG_FILE": os.devnull},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    return [message["diagnostic"] for message in messages if message["@level"] == "error"]
