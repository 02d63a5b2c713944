"""What the parts of the stack have in common."""

import contextlib
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from local.ports import HOST, is_free
from local.process import GuardedProcess, PartError

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
        self._starting = threading.Event()
        self._spawning = threading.Lock()

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
    def heal(self) -> None:
        """Start again what has ended by itself.

        Raises:
            PartError: it cannot be: what it held is lost.
        """

    @abstractmethod
    def addresses(self) -> dict[str, str]:
        """Return what a person may open or point a client at: label to address."""

    def environment(self) -> dict[str, str]:
        """Return the variables with which the job finds this part."""
        return {}

    def _begin(self, port: int) -> None:
        """Allow processes to be started until `stop` is called.

        Raises:
            PartError: the port is taken.
        """
        if not is_free(port):
            raise PartError(f"{self.name}: port {port} of {HOST} is taken; stop what listens there or choose another")
        self._starting.set()

    def _spawn(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> GuardedProcess:
        """Start a process, unless `stop` was called in another thread since `_begin`."""
        with self._spawning:
            if not self._starting.is_set():
                raise PartError(f"{self.name} was stopped while it started")
            return GuardedProcess(name, command, env, self.directory / "logs" / f"{name}.log")

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

    port: int
    _process: GuardedProcess | None = None

    def start(self) -> None:
        """Start the command and return when `is_healthy`; after `stop` with the data it had, if it keeps any."""
        self._begin(self.port)
        self.data.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self._process = self._spawn(self.name, self.command(), self.process_environment())
        self._process.await_healthy(self.is_healthy, self.start_seconds)
        self.finish()

    def stop(self) -> None:
        """Stop the command."""
        with self._spawning:
            self._starting.clear()
        if self._process:
            self._process.stop()

    def heal(self) -> None:
        """Start the command again, with the data it had, if it has ended by itself."""
        if self._starting.is_set() and not self.is_running:
            self.start()

    def kill(self) -> None:
        """End the command with SIGKILL."""
        if self._process:
            self._process.kill()

    def pause(self) -> None:
        """Stop the command in its tracks: its port accepts connections, and nothing answers."""
        if self._process:
            self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused command go on."""
        if self._process:
            self._process.signal(signal.SIGCONT)

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
