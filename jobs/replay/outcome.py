"""What the operator's status of a FlinkDeployment says of a run that is to end by itself.

States and their meanings: `CommonStatus`, `JobManagerDeploymentStatus` and `JobStatusObserver` of the Flink Kubernetes
operator 1.15.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from udfs.redact import Redactor, load_redact_rules

_MAX_REASON = 2_000

#: States of a job, and of the resource, that no bounded run leaves for the better.
_LOST_JOB = {"FAILED", "CANCELED", "SUSPENDED"}
_LOST_RESOURCE = {"FAILED", "SUSPENDED", "ROLLED_BACK", "DELETING", "DELETED"}
#: A JobManager in this state waits for another spec: its image cannot be pulled, or it ends as soon as it starts.
_LOST_JOB_MANAGER = "ERROR"


class Verdict(StrEnum):
    """Whether a run has ended, and how."""

    FINISHED = "finished"
    GOING_ON = "going on"
    LOST = "lost"


class Outcome(NamedTuple):
    """What became of a run; `said` is for people."""

    verdict: Verdict
    said: str


def outcome(deployment: Mapping[str, Any] | None) -> Outcome:
    """Judge a FlinkDeployment as the API returned it; None: there is none."""
    if deployment is None:
        return Outcome(Verdict.LOST, "there is no such FlinkDeployment")
    status: Mapping[str, Any] = deployment.get("status") or {}
    lifecycle = status.get("lifecycleState", "CREATED")
    manager = status.get("jobManagerDeploymentStatus", "MISSING")
    job = (status.get("jobStatus") or {}).get("state") or "not there yet"
    said = f"job {job}, {lifecycle}, JobManager {manager}"
    if deployment["metadata"].get("deletionTimestamp"):
        return Outcome(Verdict.LOST, f"it is being removed; {said}")
    if job == "FINISHED":
        return Outcome(Verdict.FINISHED, said)
    if job in _LOST_JOB or lifecycle in _LOST_RESOURCE or manager == _LOST_JOB_MANAGER:
        return Outcome(Verdict.LOST, f"{said}{_reason(status.get('error'))}")
    return Outcome(Verdict.GOING_ON, f"{said}{_reason(status.get('error'))}")


def _reason(error: str | None) -> str:
    """Return the operator's error as a text, redacted: it quotes what the job threw, which may quote anything."""
    if not error:
        return ""
    text = Redactor(load_redact_rules()).redact(_messages(error))
    return f": {text if len(text) <= _MAX_REASON else f'{text[:_MAX_REASON]}…'}"


def _messages(error: str) -> str:
    """Return the messages of an exception and its causes, as the operator writes them: JSON with `throwableList`."""
    try:
        told = json.loads(error)
        chain = [told, *(told.get("throwableList") or [])]
        return "; caused by ".join(f"{each.get('type', '').rpartition('.')[2]}: {each['message']}" for each in chain)
    except (ValueError, AttributeError, KeyError, TypeError):
        return error
