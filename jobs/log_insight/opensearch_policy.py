"""The ISM policy of the daily log indices: how it is made from its file, and how it is compared.

The form is that of OpenSearch's index-management plugin.
"""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import orjson

#: What the server adds to a policy.
_ADDED = frozenset({"policy_id", "last_updated_time", "schema_version", "user"})
#: What the server makes of an action that says nothing of retries.
_RETRY = {"count": 3, "backoff": "exponential", "delay": "1m"}


def load_policy(prefix: str, retention_days: int) -> dict[str, Any]:
    """Return the body of a put-policy request for the log indices with this prefix."""
    body: dict[str, Any] = orjson.loads(resources.files("schemas").joinpath("opensearch", "ism-logs.json").read_bytes())
    for state in body["policy"]["states"]:
        for transition in state["transitions"]:
            if transition["state_name"] == "delete":
                transition["conditions"]["min_index_age"] = f"{retention_days}d"
    for template in body["policy"]["ism_template"]:
        template["index_patterns"] = [f"{prefix}{pattern}" for pattern in template["index_patterns"]]
    return body


def is_same_policy(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether a policy as the server returns it is the one that was put."""
    return _canonical(present) == _canonical(wanted)


def _canonical(policy: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in policy.items() if name not in _ADDED and value is not None}
    kept["states"] = [
        state | {"actions": [{"retry": _RETRY} | action for action in state["actions"]]} for state in policy["states"]
    ]
    kept["ism_template"] = [
        {name: value for name, value in template.items() if name not in _ADDED}
        for template in policy.get("ism_template") or []
    ]
    return kept
