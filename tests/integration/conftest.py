"""What the integration tests share."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import pytest

from local.generator.manifest import Manifest
from local.prometheus import Prometheus, Sample
from local.run import Run, await_complete, await_that
from local.stack import Stack

#: The story that several modules look at.
LINES, SECONDS = 6_000, 25.0
#: Grounded for the failures for which this document is found, not for the others.
ANSWER = {
    "cause": "All connections of the pool are in use.",
    "action": "Find who holds them.",
    "evidence": ["rb-db-connection-pool-exhausted"],
}

_numbers = count(1)


class Told(NamedTuple):
    """A story that was told to the job, which has ended since. `began` and `ended` are epoch seconds.

    `messages` is what the inbox held of it then: other tests empty the inbox.
    """

    run: Run
    manifest: Manifest
    messages: list[dict[str, Any]]
    began: float
    ended: float
    environment: Mapping[str, str]


class Observed(NamedTuple):
    """The story, and a Prometheus that has watched it."""

    told: Told
    prometheus: Prometheus

    @property
    def run(self) -> Run:
        return self.told.run

    @property
    def manifest(self) -> Manifest:
        return self.told.manifest

    def query(self, promql: str) -> list[Sample]:
        """Return what an expression gave at the end of the story, while the job still ran."""
        return self.prometheus.query(promql, at=self.told.ended)


@pytest.fixture(scope="module")
def run(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Run]:
    """A run for the tests of one module; the job is cancelled afterwards, the environment is as it was."""
    name = f"{request.module.__name__.rpartition('.')[2].removeprefix('test_').replace('_', '-')}-{next(_numbers)}"
    with _environment_restored():
        made = Run(stack, name)
        made.create_stream()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="session")
def _told(stack: Stack) -> Told:
    prometheus = stack.prometheus if Prometheus.is_installed() else None
    stack.llm.answer(ANSWER)
    with _environment_restored():
        made = Run(stack, "observed")
        made.create_stream()
        try:
            made.start()
            began = time.time()
            manifest = made.tell(LINES, SECONDS)
            await_complete(made, manifest, alerts=len(manifest.failures))
            if prometheus:
                _await_scrape(prometheus)
            ended = time.time()
        finally:
            made.stop()
        return Told(made, manifest, made.messages(), began, ended, dict(os.environ))


@pytest.fixture(scope="module")
def told(_told: Told) -> Iterator[Told]:
    """One story for all modules that only look at what came of it; settings are those of its run."""
    with _environment_restored():
        os.environ.update(_told.environment)
        yield _told


@pytest.fixture(scope="module")
def observed(require_tool: Callable[[str], str], told: Told, stack: Stack) -> Observed:
    """The story of `told` with its metrics."""
    require_tool("prometheus")
    return Observed(told, stack.prometheus)


def _await_scrape(prometheus: Prometheus) -> None:
    """Return when every process has been scraped once more, a bundle later."""
    after = time.time() + 1
    await_that(lambda: prometheus.query("min(timestamp(up))")[0].value > after, 30, "a scrape of everything")


@contextmanager
def _environment_restored() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
