"""A run of the job with names of its own, on a stack that others may share: for tests and benchmarks."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from jobs.commands.index import drain_backlog
from jobs.log_insight.settings import Secrets, Settings, load_secrets, load_settings
from local.audit import Stores, read_alert
from local.generator.manifest import Manifest
from local.generator.send import KinesisStream, send
from local.generator.story import Options, Shape, Story
from local.job import submit_job
from local.stack import Stack

SHARDS = 2
_POLL_SECONDS = 0.5


class LateError(AssertionError):
    """Something did not come about in time; the message says what is there instead."""


class Run:
    """One run of the job, with a stream, stores, indices and incident ids that no other run uses."""

    def __init__(self, stack: Stack, name: str) -> None:
        """Start what of the stack does not run yet; name everything after `name`, lower case with hyphens."""
        stack.start()
        self.stack = stack
        self.name = name
        self.settings_env = {
            "CALI_ENVIRONMENT": name,
            "CALI_SOURCE__KINESIS__STREAM": name,
            "CALI_STORE__ARCHIVE": f"s3://cali-archive/{name}/logs",
            "CALI_STORE__RECEIPTS": f"s3://cali-archive/{name}/receipts",
            "CALI_STORE__MARKERS": f"s3://cali-archive/{name}/markers",
            "CALI_STORE__INDEX_BACKLOG": f"s3://cali-archive/{name}/index-backlog",
            "CALI_STORE__DEAD_LETTERS": f"s3://cali-dlq/{name}/dlq",
            "CALI_INDEX__PREFIX": f"{name}-",
            "CALI_MILVUS__COLLECTION": name.replace("-", "_"),
        }
        self.kinesis = stack.moto.client("kinesis")
        self.job_id = ""

    def create_stream(self) -> None:
        """Create the stream."""
        self.kinesis.create_stream(StreamName=self.name, ShardCount=SHARDS)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=self.name)

    def start(self, extra: Mapping[str, str] | None = None) -> str:
        """Submit the job with these settings on top; return its id when it runs."""
        self.job_id = submit_job(self.stack, self.settings_env | dict(extra or {}))
        return self.job_id

    @property
    def settings(self) -> Settings:
        """What the job was started with."""
        return load_settings()

    @property
    def secrets(self) -> Secrets:
        """What the job was started with, the secret part."""
        return load_secrets()

    @property
    def stores(self) -> Stores:
        """What the job writes to."""
        return Stores(self.settings, self.secrets)

    def tell(self, lines: int, seconds: float, *, seed: int = 1, shape: Shape = Shape.STORY) -> Manifest:
        """Send a story at its own pace."""
        story = Story(Options(seed, lines, seconds, time.time_ns() // 1_000_000, shape))
        return send(story, KinesisStream(self.kinesis, self.name, seed), paced=True)

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages that tell of this run's incidents."""
        mine = {incident["id"] for incident in self.stores.incidents()}
        return [message for message in self.stack.inbox.messages() if read_alert(message).incident_id in mine]

    def told_of(self) -> int:
        """Count the incidents that have had their first alert."""
        return len(self._told())

    def untold(self) -> str:
        """Say what is known of the incidents without a first alert, and how far behind now the job's time is."""
        told = self._told()
        incidents = [each for each in self.stores.incidents("title", "revision", "alert") if each["id"] not in told]
        behind = {name: f"{time.time() - at:.1f} s" for name, at in self.stack.flink.watermarks(self.job_id).items()}
        state = self.stack.flink.state(self.job_id)
        return f"untold: {incidents}; the job is {state}, its time is behind by {behind}"

    def caught_up(self) -> int:
        """Index what lies in the backlog; return how many documents there are."""
        root = self.settings.store.index_backlog
        asyncio.run(drain_backlog(self.settings, self.secrets, root, lambda *_: None))
        return self.stores.indexed_count()

    def _told(self) -> set[str]:
        return {alert.incident_id for alert in map(read_alert, self.messages()) if alert.is_first}

    def stop(self) -> None:
        """Cancel the job if it still runs."""
        if self.job_id and self.stack.flink.state(self.job_id) not in {"FINISHED", "FAILED", "CANCELED"}:
            self.stack.flink.cancel(self.job_id)


def await_that(condition: Callable[[], bool], seconds: float, what: Callable[[], object] | str) -> None:
    """Return when the condition holds; after `seconds` fail with what is there instead.

    Raises:
        LateError: it did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LateError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(_POLL_SECONDS)


def await_complete(run: Run, manifest: Manifest, *, alerts: int) -> None:
    """Return when everything that was sent is where it belongs, and so many alerts are there.

    On a busy machine OpenSearch may be too slow for the job; its backlog is caught up with, as an operator would.
    """
    stores = run.stores
    await_that(lambda: len(stores.dead_letter_ids()) >= manifest.dead_letters, 120, "all dead letters")
    await_that(lambda: sum(1 for _ in stores.archive()) >= manifest.lines, 120, "the whole archive")
    await_that(lambda: run.caught_up() >= manifest.lines, 120, "the whole index")
    await_that(lambda: _are_told(run, alerts), 120, lambda: f"{run.told_of()} of {alerts} were told of; {run.untold()}")


def _are_told(run: Run, alerts: int) -> bool:
    # A message counts once its incident's document is there, and that may lie in the backlog too.
    run.caught_up()
    return run.told_of() >= alerts
