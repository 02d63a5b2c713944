"""What tests of operators have in common."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.operators.event_time import Job


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Job]]:
    """Return a function that starts a job; settings are named as in `jobs.log_insight.settings`."""
    with ExitStack() as stack:

        def start(*operators: str, parallelism: int = 1, **settings: object) -> Job:
            job = Job(operators, tmp_path, parallelism, settings)
            stack.callback(job.stop)
            return job

        yield start
