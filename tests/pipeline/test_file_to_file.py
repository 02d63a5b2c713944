"""The real job from a file to files: every line is archived or dead, and its own archive reads the same again."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local.generator.failures import FAILURES
from local.generator.manifest import Manifest
from local.generator.send import LineFile, send
from local.generator.story import Options, Story
from local.ports import free_port
from local.stack import Stack
from schemas.receipt import sequence_order

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

START_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z


def write_story(path: Path) -> Manifest:
    story = Story(Options(seed=5, lines=3_000, seconds=30.0, start_ms=START_MS, text_only=True))
    with path.open("wb") as stream:
        return send(story, LineFile(stream), paced=False)


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.ndjson.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            yield json.loads(line)


def hours_of(store: Path) -> set[str]:
    return {path.parent.relative_to(store).as_posix() for path in store.rglob("*.gz")}


def run_job(stack: Stack, source: Path, content: str, out: Path) -> None:
    """Run the job to its end. OpenSearch is not there, so that all documents end in the backlog."""
    environment = {
        "CALI_ENVIRONMENT": "pipeline",
        "CALI_SOURCE__KIND": "file",
        "CALI_SOURCE__PATH": str(source),
        "CALI_SOURCE__CONTENT": content,
        "CALI_STORE__ARCHIVE": str(out / "archive"),
        "CALI_STORE__RECEIPTS": str(out / "receipts"),
        "CALI_STORE__MARKERS": str(out / "markers"),
        "CALI_STORE__DEAD_LETTERS": str(out / "dlq"),
        "CALI_STORE__INDEX_BACKLOG": str(out / "backlog"),
        "CALI_INDEX__URL": f"http://127.0.0.1:{free_port()}",
        "CALI_MILVUS__URI": f"http://127.0.0.1:{free_port()}",
        "CALI_NOTIFY__ENABLED": "false",
    }
    job = stack.flink.submit(env=environment)
    stack.flink.await_state(job, "FINISHED", 240)


@pytest.fixture(scope="module")
def first(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    folder = tmp_path_factory.mktemp("first")
    manifest = write_story(folder / "story.ndjson")
    run_job(stack, folder / "story.ndjson", "records", folder)
    return manifest, folder


def test_every_line_is_archived_or_dead_once(first):
    manifest, folder = first
    archived = Counter(line["id"] for line in read_lines(folder / "archive"))
    dead = Counter(line["id"] for line in read_lines(folder / "dlq"))
    assert (len(archived), len(dead)) == (manifest.lines, manifest.dead_letters)
    assert set((archived + dead).values()) == {1}


def test_files_lie_in_the_folder_of_their_utc_hour(first):
    _, folder = first
    assert "dt=2026-11-22/hour=12" in hours_of(folder / "archive")


def test_receipts_add_up(first):
    manifest, folder = first
    receipts = list(read_lines(folder / "receipts"))
    assert sum(receipt["archived"] for receipt in receipts) == manifest.lines
    assert sum(receipt["dead"] for receipt in receipts) == manifest.dead_letters


def test_each_hour_has_a_marker_with_the_sums_of_its_receipts(first):
    _, folder = first
    receipts = defaultdict(list)
    for receipt in read_lines(folder / "receipts"):
        receipts[receipt["hour"]].append(receipt)
    markers = {marker["hour"]: marker for marker in read_lines(folder / "markers")}
    assert markers.keys() == receipts.keys()
    for hour, marker in markers.items():
        assert (marker["revision"], marker["receipts"]) == (0, len(receipts[hour]))
        for name in ("records", "lines", "archived", "dead"):
            assert marker[name] == sum(receipt[name] for receipt in receipts[hour])
        ((origin, reached),) = marker["origins"].items()
        assert origin.endswith("story.ndjson")
        assert int(reached) == max(int(receipt["last_sequence"]) for receipt in receipts[hour])


def test_a_marker_lies_in_the_folder_of_its_hour(first):
    _, folder = first
    assert hours_of(folder / "markers") == hours_of(folder / "receipts")


def test_the_receipts_of_a_file_are_a_chain_without_a_gap(first):
    _, folder = first
    receipts = sorted(read_lines(folder / "receipts"), key=lambda receipt: sequence_order(receipt["last_sequence"]))
    assert receipts[0]["after"] == ""
    assert [two["after"] for _, two in pairwise(receipts)] == [one["last_sequence"] for one, _ in pairwise(receipts)]


def test_without_opensearch_all_documents_and_incidents_lie_in_the_backlog(first):
    _, folder = first
    archived = {line["id"]: line for line in read_lines(folder / "archive")}
    assert {line["id"]: line for line in read_lines(folder / "backlog" / "logs")} == archived
    services = {line["service"] for line in read_lines(folder / "backlog" / "incidents")}
    assert services >= {kind.service for kind in FAILURES}


def test_the_archive_reads_the_same_again(stack, first, tmp_path):
    _, folder = first
    run_job(stack, folder / "archive", "archive", tmp_path)
    again = {line["id"]: line for line in read_lines(tmp_path / "archive")}
    assert again == {line["id"]: line for line in read_lines(folder / "archive")}
    assert not list(read_lines(tmp_path / "dlq"))
