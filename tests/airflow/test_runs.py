"""Runs of the DAGs with `dag.test()`, each pod's command for real against the local stack: the pod is a process."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from jobs.log_insight.settings import MilvusSettings
from local.archived_hour import write_hour
from local.moto import BUCKETS, REGION
from local.stack import Stack
from tests.airflow.conftest import AIRFLOW, REPORTS, ROOT
from udfs.chunk import hour_folder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

FIRST = datetime(2026, 11, 22, 0, tzinfo=UTC)
#: Sub-folder of a written hour → its bucket.
BUCKET_OF = {"logs": BUCKETS[0], "receipts": BUCKETS[0], "markers": BUCKETS[0], "dlq": BUCKETS[1]}
KNOWLEDGE = "cali-knowledge"
REPLAYED = FIRST + timedelta(hours=4)


class Store:
    """The buckets of the local stack."""

    def __init__(self, stack: Stack) -> None:
        self._s3 = stack.moto.client("s3")

    def put(self, folder: Path) -> None:
        """Upload a written hour."""
        for path in sorted(folder.rglob("*.gz")):
            key = path.relative_to(folder)
            self._s3.upload_file(str(path), BUCKET_OF[key.parts[0]], key.as_posix())

    def lose(self, key: Path) -> None:
        self._s3.delete_object(Bucket=BUCKET_OF[key.parts[0]], Key=key.as_posix())

    def names(self, bucket: str, prefix: str) -> list[str]:
        found = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [each["Key"] for each in found]


def write(folder: Path, hour: datetime) -> None:
    """Write an hour of 300 lines in several files of each kind."""
    write_hour(folder, round(hour.timestamp() * 1000), 300, frame_bytes=8 * 1024)


def below(hour: datetime) -> str:
    return hour_folder(round(hour.timestamp() * 1000))


def told(stack: Stack) -> list[str]:
    return [each["payload"]["text"] for each in stack.inbox.messages()]


def test_an_hour_is_checked_though_its_first_pod_was_lost(run_dag, pods_of, stack, tmp_path):
    """A pod that is killed is no answer: another is started, and nobody is told."""
    hour = FIRST
    write(tmp_path / "hour", hour)
    store = Store(stack)
    store.put(tmp_path / "hour")
    pods = pods_of("moto", "inbox")
    pods.kill_next()

    ran = run_dag(pods, "archive_quality", (hour + timedelta(hours=1)).isoformat(), retry_at_once=True)

    assert ran.state == "success", ran.log
    assert ran.tasks == {"check": {"state": "success", "tries": 2}}
    span = ["--from", "2026-11-22T00:00:00+00:00", "--to", "2026-11-22T01:00:00+00:00", "--wait", "40"]
    assert [pod.command for pod in pods.pods] == [["cali", "quality", *span]] * 2
    assert f"quality/{below(hour)}/index.html" in store.names(BUCKETS[0], "quality/")
    assert pods.pods[-1].output.strip() in ran.log
    assert told(stack) == []


def test_an_hour_is_checked_though_airflow_is_restarted_meanwhile(run_dag, pods_of, stack, tmp_path):
    """The pod that is deleted on the way has given no answer, and is not taken for one."""
    hour = FIRST + timedelta(hours=2)
    write(tmp_path / "hour", hour)
    store = Store(stack)
    store.put(tmp_path / "hour")
    pods = pods_of("moto", "inbox")

    ran = run_dag(pods, "archive_quality", (hour + timedelta(hours=1)).isoformat(), retry_at_once=True, restart=True)

    assert ran.state == "success", ran.log
    assert ran.tasks["check"]["tries"] > 1, ran.log
    assert ran.tasks["check"]["state"] == "success"
    assert f"quality/{below(hour)}/index.html" in store.names(BUCKETS[0], "quality/")
    assert told(stack) == []


def test_an_hour_that_is_not_as_expected_fails_once_and_slack_is_told_once(run_dag, pods_of, stack, tmp_path):
    """The message says which hour, which task, what is wrong, and links report and log."""
    hour = FIRST + timedelta(hours=1)
    write(tmp_path / "hour", hour)
    archived = next((tmp_path / "hour" / "logs" / below(hour)).iterdir())
    lines = gzip.decompress(archived.read_bytes())
    archived.write_bytes(gzip.compress(lines.replace(b'"severity_text":"INFO"', b'"severity_text":"LOUD"')))
    Store(stack).put(tmp_path / "hour")

    pods = pods_of("moto", "inbox")
    ran = run_dag(pods, "archive_quality", (hour + timedelta(hours=1)).isoformat())

    assert ran.state == "failed", ran.log
    assert ran.tasks == {"check": {"state": "failed", "tries": 1}}
    (message,) = told(stack)
    assert "*archive_quality* failed: hour 2026-11-22 01:00 UTC" in message
    assert f"{REPORTS}/dt=2026-11-22/hour=01/index.html" in message
    assert f"Task `check`, try 1: <{AIRFLOW}/dags/archive_quality/runs/" in message
    assert "archive severities_are_known" in message
    assert '"page"' not in message, "what it says to machines"
    assert pods.asked == {f"{verb} {name}" for right in pods.rights for verb in right.verbs for name in right.resources}


def test_an_hour_that_is_late_is_told_to_slack(miss_deadline, stack):
    """The deadline is an hour after the hour's end; who misses it is the scheduler's run, whose tasks did not begin."""
    missed = miss_deadline("archive_quality", "2026-11-22T12:00:00+00:00")
    assert missed == {"due": "2026-11-22T14:00:00+00:00", "callback": "success"}
    (message,) = told(stack)
    assert "*archive_quality* is late: the hour that began 2026-11-22T12:00:00Z was to be checked by" in message
    assert "2026-11-22 14:00:00+00:00, and its run is queued" in message


@pytest.fixture(scope="module")
def knowledge(stack: Stack) -> Any:
    """A bucket with the documents of knowledge/, and a client of it."""
    s3 = stack.moto.client("s3")
    s3.create_bucket(Bucket=KNOWLEDGE, CreateBucketConfiguration={"LocationConstraint": REGION})
    folder = ROOT / "knowledge"
    for path in (*folder.glob("*/*.md"), folder / "eval" / "queries.ndjson"):
        s3.upload_file(str(path), KNOWLEDGE, path.relative_to(folder).as_posix())
    return s3


def live_collection(stack: Stack) -> str:
    client = MilvusClient(stack.milvus.uri, alias="airflow")
    try:
        return str(client.describe_alias(MilvusSettings().collection)["collection_name"])
    finally:
        client.close()


def test_documents_go_live_and_worse_ones_do_not(run_dag, pods_of, stack, knowledge):
    """Stage, check, promote, each a pod of its own; the second run is stopped: a runbook that queries name is gone."""
    pods = pods_of("moto", "milvus", "inbox", KNOWLEDGE_URI=f"s3://{KNOWLEDGE}/")
    ran = run_dag(pods, "knowledge_refresh", "2026-11-22T03:00:00+00:00")
    assert ran.state == "success", ran.log
    assert ran.states() == dict.fromkeys(("stage", "check", "promote"), "success")
    assert [pod.command[-1] for pod in pods.pods] == [f"s3://{KNOWLEDGE}/"] * 3
    live = live_collection(stack)
    assert json.loads(pods.pods[-1].output)["live"] == live
    assert told(stack) == []

    knowledge.delete_object(Bucket=KNOWLEDGE, Key="runbooks/rb-database-deadlock.md")
    pods = pods_of("moto", "milvus", "inbox", KNOWLEDGE_URI=f"s3://{KNOWLEDGE}/")
    ran = run_dag(pods, "knowledge_refresh", "2026-11-23T03:00:00+00:00")
    assert ran.state == "failed", ran.log
    assert ran.states() == {"stage": "success", "check": "failed", "promote": "upstream_failed"}
    assert ran.tasks["check"]["tries"] == 1
    (message,) = told(stack)
    assert "*knowledge_refresh* failed: the alias has not moved" in message
    assert "Task `check`" in message
    assert "rb-database-deadlock" in message
    assert live_collection(stack) == live


@pytest.fixture
def replayed(stack: Stack, tmp_path: Path) -> Path:
    """An hour of the archive, and a Flink that can read it."""
    _ = stack.kubernetes
    write(tmp_path / "hour", REPLAYED)
    Store(stack).put(tmp_path / "hour")
    return tmp_path / "hour"


def the_hour_as(run: str) -> dict[str, str]:
    """Return the parameters of a replay, as the form sends them."""
    return {"run": run, "from": REPLAYED.isoformat(), "to": (REPLAYED + timedelta(hours=1)).isoformat()}


@pytest.mark.usefixtures("replayed")
def test_a_replay_starts_waits_compares_and_leaves_nothing(run_dag, pods_of, stack):
    """Four pods; those that ask Kubernetes have the account's token, the comparison has none."""
    pods = pods_of("moto", "opensearch", "inbox")
    ran = run_dag(pods, "replay", "2026-11-23T00:00:00+00:00", the_hour_as("airflow-1"))
    assert ran.state == "success", ran.log
    assert ran.states() == dict.fromkeys(("start", "wait", "compare", "remove"), "success"), ran.log
    assert [pod.command[2] for pod in pods.pods] == ["start", "wait", "compare", "remove"]
    assert all("airflow-1" in pod.command for pod in pods.pods)
    assert json.loads(pods.pods[2].output.splitlines()[-1])["same"]
    assert told(stack) == []


def test_a_replay_that_differs_fails_and_is_removed_all_the_same(run_dag, pods_of, stack, replayed):
    """A file that the archive has lost since is missed; the FlinkDeployment goes nevertheless."""
    Store(stack).lose(next((replayed / "logs" / below(REPLAYED)).iterdir()).relative_to(replayed))
    pods = pods_of("moto", "opensearch", "inbox")
    ran = run_dag(pods, "replay", "2026-11-23T01:00:00+00:00", the_hour_as("airflow-2"))
    assert ran.state == "failed", ran.log
    assert ran.states() == {"start": "success", "wait": "success", "compare": "failed", "remove": "success"}
    (message,) = told(stack)
    assert "*replay* failed: run `airflow-2`" in message
    assert "Task `compare`" in message
    assert "differs" in message
    assert "is gone" in pods.pods[-1].output
