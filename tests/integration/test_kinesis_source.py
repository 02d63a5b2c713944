"""The real source against a real Kinesis API, through the job's own settings and file sink."""

import gzip
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local.moto import REGION, Moto
from local.paths import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

JOB = Path(__file__).with_name("source_job.py")
SERVER = Path(__file__).with_name("resharding_moto.py")
JOB_SECONDS = 300


class ReshardingMoto(Moto):
    """moto with shards that split and merge as on AWS."""

    def command(self) -> list[str]:
        return [sys.executable, str(SERVER), "--port", str(self.port)]


class Stream:
    """A data stream of its own for one test."""

    def __init__(self, server: Moto, shards: int) -> None:
        self.name = f"logs-{uuid.uuid4().hex[:8]}"
        self._server = server
        self._kinesis = server.client("kinesis")
        self._kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        self._put = 0

    def put(self, count: int) -> list[str]:
        """Put records over all open shards and return their payloads."""
        texts = [f"record-{number}" for number in range(self._put, self._put + count)]
        self._put += count
        records = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
        answer = self._kinesis.put_records(StreamName=self.name, Records=records)
        assert answer["FailedRecordCount"] == 0
        return texts

    def last_arrival(self) -> datetime:
        """Return when the newest record arrived."""
        arrivals = [
            record["ApproximateArrivalTimestamp"]
            for shard in self.shards()
            for record in self._records(shard["ShardId"])
        ]
        newest: datetime = max(arrivals)
        return newest

    def shards(self) -> list[dict[str, Any]]:
        shards: list[dict[str, Any]] = self._kinesis.list_shards(StreamName=self.name)["Shards"]
        return shards

    def split(self) -> None:
        """Split the first open shard."""
        shard = self._open_shards()[0]
        hashes = shard["HashKeyRange"]
        middle = (int(hashes["StartingHashKey"]) + int(hashes["EndingHashKey"])) // 2
        self._kinesis.split_shard(StreamName=self.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(middle))

    def merge(self) -> None:
        """Merge the first two open shards."""
        first, second = self._open_shards()[:2]
        self._kinesis.merge_shards(
            StreamName=self.name, ShardToMerge=first["ShardId"], AdjacentShardToMerge=second["ShardId"]
        )

    def environment(self, **options: str) -> dict[str, str]:
        """Return the job's variables; `options` are settings of `source.kinesis`."""
        settings = {f"CALI_SOURCE__KINESIS__{name.upper()}": value for name, value in options.items()}
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CALI_", "AWS_"))},
            **self._server.environment(),
            "PYTHONPATH": str(ROOT),
            "CALI_SOURCE__KINESIS__STREAM": self.name,
            "CALI_SOURCE__KINESIS__SHARD_DISCOVERY_INTERVAL_MS": "500",
            **settings,
        }

    def _open_shards(self) -> list[dict[str, Any]]:
        shards = [shard for shard in self.shards() if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        return sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))

    def _records(self, shard_id: str) -> list[dict[str, Any]]:
        iterator = self._kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records: list[dict[str, Any]] = self._kinesis.get_records(ShardIterator=iterator)["Records"]
        return records


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with ReshardingMoto(tmp_path_factory.mktemp("moto")) as moto:
        yield moto


class Job:
    """A job in a process of its own; what it says is in `log`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.output = folder / "output"
        self._log = folder / "job.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, JOB, self.output],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def await_start(self) -> None:
        """Wait until Flink runs it."""
        deadline = time.monotonic() + JOB_SECONDS
        while "RUNNING\n" not in self.log and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)

    def await_end(self) -> None:
        """Wait until it ends by itself."""
        self._process.wait(JOB_SECONDS)

    def cancel(self) -> None:
        """End it, if it runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.await_end()

    @property
    def log(self) -> str:
        return self._log.read_text()


Start = Callable[[dict[str, str]], Job]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a job with an environment; it does not outlive the test."""
    with ExitStack() as jobs:

        def start_job(environment: dict[str, str]) -> Job:
            job = Job(tmp_path, environment)
            jobs.callback(job.cancel)
            return job

        yield start_job


def await_records(folder: Path, texts: list[str]) -> None:
    """Wait until all of them are in committed files."""
    deadline = time.monotonic() + JOB_SECONDS
    while not set(texts) <= set(payloads(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)


def lines(folder: Path) -> list[list[str]]:
    """Return origin, sequence and payload of each record in the committed files."""
    return [
        line.split(" ", maxsplit=2)
        for file in folder.rglob("*.ndjson.gz")
        for line in gzip.decompress(file.read_bytes()).decode().splitlines()
    ]


def payloads(folder: Path) -> list[str]:
    return sorted(payload for _, _, payload in lines(folder))


def test_now_reads_what_was_put_before_and_ends_on_split_merged_and_empty_shards(server: Moto, start: Start) -> None:
    stream = Stream(server, shards=3)
    expected = stream.put(300)
    stream.split()
    expected += stream.put(300)
    stream.merge()
    stream.split()

    job = start(stream.environment(initial_position="TRIM_HORIZON", stop_position="now"))
    job.await_end()

    assert payloads(job.output) == sorted(expected), job.log
    origins = {origin for origin, _, _ in lines(job.output)}
    assert origins <= {f"{stream.name}/{shard['ShardId']}" for shard in stream.shards()}
    assert len(origins) > 3


def test_reads_from_one_time_up_to_another(server: Moto, start: Start) -> None:
    stream = Stream(server, shards=2)
    stream.put(50)
    first = after(stream)
    expected = stream.put(50)
    last = after(stream)
    stream.put(50)

    job = start(
        stream.environment(
            initial_position="AT_TIMESTAMP",
            initial_timestamp=first.isoformat(),
            stop_position="timestamp",
            stop_timestamp=last.isoformat(),
        )
    )
    job.await_end()

    assert payloads(job.output) == sorted(expected), job.log


def test_latest_reads_on_through_splits_and_merges_while_it_runs(server: Moto, start: Start) -> None:
    stream = Stream(server, shards=2)
    stream.put(50)
    second_after(stream.last_arrival())

    job = start(stream.environment(initial_position="LATEST"))
    job.await_start()
    expected = stream.put(200)
    for reshard in (stream.split, stream.split, stream.merge):
        reshard()
        expected += stream.put(200)
        await_records(job.output, expected)

    assert payloads(job.output) == sorted(expected), job.log


def test_a_stream_that_does_not_exist_ends_the_job_with_its_name_and_region(server: Moto, start: Start) -> None:
    stream = Stream(server, shards=1)

    job = start(stream.environment(stream="no-such-stream"))
    job.await_end()

    assert f"Kinesis stream 'no-such-stream' in region '{REGION}'" in job.log


def after(stream: Stream) -> datetime:
    """Return a time behind all records so far, and before all to come."""
    last = stream.last_arrival()
    second_after(last)
    return datetime.fromtimestamp(last.timestamp() + 0.5, tz=last.tzinfo)


def second_after(moment: datetime) -> None:
    """Wait until a second has passed: LATEST is known to the second."""
    while time.time() < moment.timestamp() + 1.1:
        time.sleep(0.05)
