"""The operator's status says whether a run goes on, has finished or is lost, and why."""

import json

import pytest

from jobs.replay.outcome import Verdict, outcome


def deployment(lifecycle="STABLE", job="RUNNING", manager="READY", error=None, **metadata):
    status = {"lifecycleState": lifecycle, "jobManagerDeploymentStatus": manager, "jobStatus": {"state": job}}
    return {"metadata": {"name": "log-insight-replay-7"} | metadata, "status": status | {"error": error}}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ({"metadata": {}}, Verdict.GOING_ON),
        (deployment("CREATED", None, "MISSING"), Verdict.GOING_ON),
        (deployment("UPGRADING", "RECONCILING", "DEPLOYING"), Verdict.GOING_ON),
        (deployment("DEPLOYED", "RESTARTING"), Verdict.GOING_ON),
        (deployment(), Verdict.GOING_ON),
        (deployment("DEPLOYED", "RECONCILING", "MISSING", "Missing JobManager deployment"), Verdict.GOING_ON),
        (deployment("STABLE", "FINISHED"), Verdict.FINISHED),
        (deployment("STABLE", "FINISHED", "MISSING"), Verdict.FINISHED),
        (deployment("FAILED", "FAILED"), Verdict.LOST),
        (deployment("SUSPENDED", "CANCELED"), Verdict.LOST),
        (deployment("SUSPENDED", "RUNNING"), Verdict.LOST),
        (deployment("FAILED", None, "MISSING", "spec refused"), Verdict.LOST),
        (deployment("DEPLOYED", "RECONCILING", "ERROR", "ImagePullBackOff"), Verdict.LOST),
        (deployment(deletionTimestamp="2026-11-22T09:00:00Z"), Verdict.LOST),
        (None, Verdict.LOST),
    ],
)
def test_a_status_says_how_a_run_stands(found, verdict):
    assert outcome(found).verdict is verdict


def test_what_the_operator_refuses_is_lost_with_its_words():
    error = {"type": "org.apache.flink.kubernetes.operator.exception.ValidationException", "message": "no memory"}
    said = outcome(deployment("FAILED", None, "MISSING", json.dumps(error))).said
    assert "ValidationException: no memory" in said


def test_causes_of_a_failure_are_told():
    error = {
        "type": "org.apache.flink.runtime.JobException",
        "message": "Recovery is suppressed",
        "throwableList": [{"type": "java.io.IOException", "message": "cannot read s3://a/b"}],
    }
    said = outcome(deployment("FAILED", "FAILED", error=json.dumps(error))).said
    assert "JobException: Recovery is suppressed; caused by IOException: cannot read s3://a/b" in said


def test_a_secret_that_the_job_threw_is_not_repeated_and_a_long_text_is_cut():
    said = outcome(deployment("FAILED", "FAILED", error=f"password=hunter2-Xy9q {'x' * 9_000}")).said
    assert "hunter2" not in said
    assert len(said) < 2_200
