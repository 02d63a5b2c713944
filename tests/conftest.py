"""What all tests share."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from local.stack import Stack

SEED_VARIABLE = "CALI_TEST_SEED"
#: What `make deploy-tools` makes. First on PATH: its versions are the ones that the tests were written for.
DEPLOY_TOOLS = Path(__file__).parents[1] / "build" / "deploy-tools" / "bin"

# How long an example takes says more of the machine's load than of the code.
hypothesis.settings.register_profile("cali", deadline=None)
hypothesis.settings.load_profile("cali")


def pytest_configure(config: pytest.Config) -> None:
    """Find the deploy tools, forget the settings of the user's shell, seed `random`: as told, or by a printed seed."""
    os.environ["PATH"] = f"{DEPLOY_TOOLS}{os.pathsep}{os.environ['PATH']}"
    for name in [name for name in os.environ if name.startswith("CALI_") and name != SEED_VARIABLE]:
        del os.environ[name]
    config.stash[_SEED] = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(2**32))
    random.seed(config.stash[_SEED])


def pytest_report_header(config: pytest.Config) -> str:
    return f"random seed: {SEED_VARIABLE}={config.stash[_SEED]}"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack, one for all tests: `stack.opensearch` and so on start on first use.

    Tests share its stores: use names of your own, and leave no fault behind. Jobs ask the LLM stub.
    """
    with Stack(tmp_path_factory.mktemp("stack"), task_managers=1, llm=True) as started:
        yield started


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """Return the path of a program; without it the test is skipped by name, and fails where `CI=true`."""

    def require(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            give_up(f"{name} is not installed")
        return path

    return require


_SEED = pytest.StashKey[int]()
