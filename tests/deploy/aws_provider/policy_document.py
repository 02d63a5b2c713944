"""The data source `aws_iam_policy_document`, which the AWS provider computes without asking AWS."""

import json
from typing import Any

_FIELDS = {"actions": "Action", "not_actions": "NotAction", "resources": "Resource", "not_resources": "NotResource"}
_PRINCIPALS = {"principals": "Principal", "not_principals": "NotPrincipal"}


def policy_document(config: dict[str, Any]) -> str:
    """Return the JSON of a policy document; a statement that overrides takes the place of the one of its `sid`."""
    statements = [
        *_statements_of(config["source_policy_documents"]),
        *(_statement(statement) for statement in config["statement"] or []),
    ]
    for overriding in _statements_of(config["override_policy_documents"]):
        statements = [one for one in statements if "Sid" not in one or one["Sid"] != overriding.get("Sid")]
        statements.append(overriding)
    document = {"Version": config["version"] or "2012-10-17", "Id": config["policy_id"], "Statement": statements}
    return json.dumps({name: value for name, value in document.items() if value is not None}, indent=2)


def _statements_of(documents: list[str] | None) -> list[dict[str, Any]]:
    return [statement for document in documents or [] for statement in json.loads(document)["Statement"]]


def _statement(block: dict[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": block["sid"]} if block["sid"] else {}
    statement["Effect"] = block["effect"] or "Allow"
    for argument, name in _FIELDS.items():
        if block[argument]:
            statement[name] = _one_or_many(block[argument])
    for argument, name in _PRINCIPALS.items():
        if block[argument]:
            statement[name] = _principals(block[argument])
    if block["condition"]:
        statement["Condition"] = _conditions(block["condition"])
    return statement


def _principals(blocks: list[dict[str, Any]]) -> Any:
    found: dict[str, list[str]] = {}
    for block in blocks:
        found.setdefault(block["type"], []).extend(block["identifiers"])
    if found == {"*": ["*"]}:
        return "*"
    return {kind: _one_or_many(identifiers) for kind, identifiers in found.items()}


def _conditions(blocks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, list[str]]] = {}
    for block in blocks:
        found.setdefault(block["test"], {}).setdefault(block["variable"], []).extend(block["values"])
    return {test: {name: _one_or_many(values) for name, values in of.items()} for test, of in found.items()}


def _one_or_many(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else sorted(values, reverse=True)
