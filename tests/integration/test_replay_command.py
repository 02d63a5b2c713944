"""`cali replay` starts a real job through the API of Kubernetes, waits for it, and finds what is missing of it."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import yaml

from jobs.commands.objects import folder
from jobs.log_insight.opensearch import connect
from jobs.replay.manifest import run_named
from local.kubernetes import replay_manifest
from local.run import Run
from schemas.receipt import Receipt
from udfs.chunk import HOUR_MS, hour_folder, hour_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

LINES, SECONDS = 2_000, 3.0
ID = "story-1"
CALI = str(Path(sys.executable).with_name("cali"))


class Archived(NamedTuple):
    """An archive of at least two hours; `hours` are the options that name them."""

    run: Run
    lines: int
    hours: tuple[str, ...]
    manifest: Path


@pytest.fixture(scope="module")
def archived(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """What a bounded run archived, the same once more an hour earlier, and a manifest for replays of it."""
    sent = run.tell(LINES, SECONDS, seed=7).lines
    live = run.start({"CALI_SOURCE__KINESIS__STOP_POSITION": "now"})
    run.stack.flink.await_state(live, "FINISHED", 180)
    starts = repeat_an_hour_earlier(run)
    os.environ.update(run.stack.kubernetes.environment())
    manifest = tmp_path_factory.mktemp("replay") / "manifest.yaml"
    manifest.write_text(replay_manifest(os.environ))
    os.environ["CALI_REPLAY__MANIFEST"] = str(manifest)
    hours = ("--from", iso(min(starts)), "--to", iso(max(starts) + HOUR_MS))
    return Archived(run, 2 * sent, hours, manifest)


def repeat_an_hour_earlier(run: Run) -> set[int]:
    """Write the archive once more, as of an hour earlier; return the hours' starts, epoch milliseconds."""
    store, aws = run.settings.store, run.settings.aws
    archive, receipts = folder(store.archive, aws), folder(store.receipts, aws)
    hours: dict[int, list[bytes]] = {}
    for name in list(archive.names("")):
        with archive.open(name) as stream:
            for line in gzip.decompress(stream.read()).splitlines():
                document = orjson.loads(line)
                hour = hour_of(document["arrival_time"])
                document |= {"id": f"{document['id']}-earlier", "arrival_time": document["arrival_time"] - HOUR_MS}
                hours.setdefault(hour, []).append(orjson.dumps(document) + b"\n")
    for hour, lines in hours.items():
        below = hour_folder(hour - HOUR_MS)
        archive.write(f"{below}/earlier.ndjson.gz", gzip.compress(b"".join(lines)))
        receipts.write(f"{below}/earlier.ndjson.gz", gzip.compress(earlier_receipt(hour - HOUR_MS, len(lines))))
    return {start for hour in hours for start in (hour, hour - HOUR_MS)}


def earlier_receipt(hour: int, archived: int) -> bytes:
    return Receipt(
        origin="earlier",
        hour=hour,
        after="",
        first_sequence="1",
        last_sequence="2",
        first_arrival=hour,
        last_arrival=hour,
        records=archived,
        lines=archived,
        archived=archived,
        dead=0,
        severities={},
        errors={},
        rules_version="",
    ).to_bytes()


def iso(start: int) -> str:
    return datetime.fromtimestamp(start / 1000, UTC).isoformat()


def cali(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a pod would."""
    return subprocess.run([CALI, "replay", *arguments], capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our command


def succeeded(*arguments: str) -> list[dict[str, Any]]:
    ended = cali(*arguments)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_replay_of_some_hours_is_the_same_and_a_lost_document_is_found(archived: Archived) -> None:
    """Start twice, wait, compare, lose a document, compare, remove twice: each verb as a process of its own."""
    (first,) = succeeded("start", "--run", ID, *archived.hours)
    (second,) = succeeded("start", "--run", ID, *archived.hours)
    assert (first["created"], second["created"]) == (True, False)
    assert len(first["paths"]) >= 2
    succeeded("wait", "--run", ID, "--timeout", "4")
    jobs = archived.run.stack.flink.jobs()
    assert "FINISHED" in jobs.values()

    *rows, summed = succeeded("compare", "--run", ID, *archived.hours)
    assert summed["same"]
    assert summed["received"] == summed["archived"] == archived.lines
    assert summed["documents"] + summed["backlog"] == archived.lines
    assert summed["dead_letters"] == 0

    catch_up(archived.run)
    lost = lose_a_document(archived.run)
    missed = cali("compare", "--run", ID, *archived.hours)
    assert missed.returncode == 1
    different = [row["hour"] for row in map(json.loads, missed.stdout.splitlines()) if not row["same"]]
    assert different == [lost, "total"]
    assert f"differs from the archive in {lost}" in missed.stderr
    assert len(rows) >= 2

    for _ in range(2):
        succeeded("remove", "--run", ID)
    assert cali("wait", "--run", ID).returncode == 1


def catch_up(run: Run) -> None:
    """Index what a busy OpenSearch did not take in time, as an operator would."""
    backlog = run_named(ID).index_backlog(run.settings)
    variables = os.environ | {"CALI_INDEX__PREFIX": run_named(ID).index_prefix}
    subprocess.run([CALI, "index", "catch-up", "--backlog", backlog], env=variables, check=True, timeout=120)  # noqa: S603 - our command


def lose_a_document(run: Run) -> str:
    """Delete one document of the replay; return its hour."""
    with connect(run.settings.index, run.secrets) as client:
        (hit,) = client.search(index=f"replay-{ID}-logs-*", body={"size": 1})["hits"]["hits"]
        client.delete(index=hit["_index"], id=hit["_id"])
    return datetime.fromtimestamp(hit["_source"]["arrival_time"] / 1000, UTC).strftime("%Y-%m-%dT%H:00Z")


def test_a_job_that_cannot_start_ends_the_wait_with_the_reason(archived: Archived) -> None:
    """A setting that the job refuses is told by `wait`, and the run can be removed."""
    config_map, deployment = yaml.safe_load_all(archived.manifest.read_text())
    config_map["data"]["CALI_GATE__ANALYSES_PER_HOUR"] = "-1"
    wrong = archived.manifest.with_name("wrong.yaml")
    wrong.write_text(yaml.safe_dump_all([config_map, deployment]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALI_REPLAY__MANIFEST", str(wrong))
        succeeded("start", "--run", "wrong", *archived.hours)
    ended = cali("wait", "--run", "wrong", "--timeout", "2")
    assert ended.returncode == 1
    assert "CALI_GATE__ANALYSES_PER_HOUR: '-1'" in ended.stderr
    succeeded("remove", "--run", "wrong")
