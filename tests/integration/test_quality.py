"""The archive that the job really wrote to S3 is as expected; what is damaged there afterwards is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.commands.objects import folder
from jobs.hours import hour_name
from local.run import Run
from udfs.chunk import HOUR_MS, hour_folder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

LINES, SECONDS = 3_000, 4.0
CALI = Path(sys.executable).with_name("cali")


@pytest.fixture(scope="module")
def ended(run: Run) -> Run:
    """A job that read what was on the stream, and ended."""
    run.tell(LINES, SECONDS, seed=4)
    job = run.start({"CALI_SOURCE__KINESIS__STOP_POSITION": "now"})
    run.stack.flink.await_state(job, "FINISHED", 180)
    return run


def hours(run: Run) -> list[int]:
    return sorted({receipt["hour"] for receipt in run.stores.receipts()})


def quality(run: Run) -> subprocess.CompletedProcess[str]:
    first, *_, last = [*hours(run), *hours(run)]
    return subprocess.run(  # noqa: S603 - our own command
        [CALI, "quality", "--from", hour_name(first), "--to", hour_name(last + HOUR_MS)],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_the_job_wrote_is_as_expected(ended):
    result = quality(ended)
    assert result.returncode == 0, result.stderr
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert [report["hour"] for report in reports] == hours(ended)
    assert sum(report["lines"] for report in reports) == sum(1 for _ in ended.stores.archive())
    bucket, _, key = reports[0]["page"].removeprefix("s3://").partition("/")
    page = ended.stack.moto.client("s3").get_object(Bucket=bucket, Key=key)
    assert page["ContentType"] == "text/html"
    assert b"passed" in page["Body"].read()


def test_an_object_that_was_cut_in_the_bucket_is_named(ended):
    archive = folder(ended.settings.store.archive, ended.settings.aws)
    name = next(archive.names(hour_folder(hours(ended)[0])))
    with archive.open(name) as stream:
        content = stream.read()
    archive.write(name, content[: len(content) // 2])
    try:
        result = quality(ended)
    finally:
        archive.write(name, content)
    assert result.returncode == 1
    assert any("objects_are_whole" in line and name in line for line in result.stderr.splitlines())
    assert quality(ended).returncode == 0
