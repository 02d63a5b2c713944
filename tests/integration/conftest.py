"""What the integration tests share."""

import os
from collections.abc import Iterator
from itertools import count

import pytest

from local.run import Run
from local.stack import Stack

_numbers = count(1)


@pytest.fixture(scope="module")
def run(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Run]:
    """A run for the tests of one module; the job is cancelled afterwards, the environment is as it was."""
    before = dict(os.environ)
    name = f"{request.module.__name__.rpartition('.')[2].removeprefix('test_').replace('_', '-')}-{next(_numbers)}"
    made = Run(stack, name)
    made.create_stream()
    try:
        yield made
    finally:
        made.stop()
        os.environ.clear()
        os.environ.update(before)
