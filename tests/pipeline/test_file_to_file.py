"""The real job from a file to files: every line is archived or dead, and its own archive reads the same again."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.generator.failures import FAILURES
from local.generator.manifest import Manifest
from local.generator.send import LineFile, send
from local.generator.story import Options, Story
from local.ports import free_port
from local.stack import Stack

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


def run_job(stack: Stack, source: Path, content: str, out: Path) -> None:
    """Run the job to its end. OpenSearch is not there, so that all documents end in the backlog."""
    environment = {
        "CALI_ENVIRONMENT": "pipeline",
        "CALI_SOURCE__KIND": "file",
        "CALI_SOURCE__PATH": str(source),
        "CALI_SOURCE__CONTENT": content,
        "CALI_STORE__ARCHIVE": str(out / "archive"),
        "CALI_STORE__RECEIPTS": str(out / "receipts"),
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
    hours = {path.parent.relative_to(folder / "archive").as_posix() for path in (folder / "archive").rglob("*.gz")}
    assert "dt=2026-11-22/hour=12" in hours


def test_receipts_add_up(first):
    manifest, folder = first
    receipts = list(read_lines(folder / "receipts"))
    assert sum(receipt["archived"] for receipt in receipts) == manifest.lines
    assert sum(receipt["dead"] for receipt in receipts) == manifest.dead_letters


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
