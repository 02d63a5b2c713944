"""What the parts of the stack have in common."""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from local.process import GuardedProcess

# Variables of the user's own shell that would lead a part, or the job, to the real AWS.
AWS_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE")


class Part(ABC):
    """One service of the stack: made once, started once, stopped once."""

    name: str
    start_seconds: float = 90.0

    def __init__(self, directory: Path) -> None:
        """Make the part; it keeps data and logs below `directory`."""
        self.directory = directory
        self.data = directory / self.name
        self.log = directory / "logs" / f"{self.name}.log"

    @abstractmethod
    def start(self) -> None:
        """Start and return when healthy.

        Raises:
            PartError: it did not become healthy in `start_seconds`; the message shows the end of its log.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop and return when nothing of it runs. Does nothing where nothing runs."""

    @abstractmethod
    def addresses(self) -> dict[str, str]:
        """Return what a person may open or point a client at: label to address."""

    def environment(self) -> dict[str, str]:
        """Return the variables with which the job finds this part."""
        return {}

    def __enter__(self) -> Self:
        """Start, and stop again where that fails."""
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.stop)
            self.start()
            on_failure.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class SingleProcessPart(Part):
    """A part that is one command."""

    _process: GuardedProcess | None = None

    def start(self) -> None:
        """Start the command and return when `is_healthy`."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self._process = GuardedProcess(self.name, self.command(), self.process_environment(), self.log)
        self._process.await_healthy(self.is_healthy, self.start_seconds)
        self.finish()

    def stop(self) -> None:
        """Stop the command."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """End the command with SIGKILL."""
        if self._process:
            self._process.kill()

    @property
    def is_running(self) -> bool:
        """Whether the command runs."""
        return self._process is not None and self._process.is_running

    def prepare(self) -> None:
        """Write what the command reads; before it starts."""

    def finish(self) -> None:
        """Create what the job expects to be there; after it became healthy."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Say whether the part does its work."""

    def process_environment(self) -> dict[str, str]:
        """Return the environment of the command."""
        return clean_environment(os.environ)


def clean_environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` without what leads away from this machine."""
    kept = {name: value for name, value in base.items() if name not in AWS_VARIABLES}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
