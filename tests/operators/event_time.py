"""Operators in a job whose event time is under a test's control."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyflink.common import Row


class Result(NamedTuple):
    """What came out of a job; `body` is a model in its JSON form."""

    tag: str
    key: str
    body: dict[str, Any]


class Job:
    """A running job. Tests send it elements with event times and read what comes out."""

    def __init__(
        self, operators: Iterable[str], checkpoints: Path, parallelism: int, settings: Mapping[str, object]
    ) -> None:
        self._checkpoints = checkpoints
        self._server = socket.create_server(("127.0.0.1", 0))
        script = Path(__file__).with_name("event_time_job.py")
        port = self._server.getsockname()[1]
        self._process = subprocess.Popen(  # noqa: S603 - a script of this folder
            [sys.executable, script, str(port), str(parallelism), checkpoints, *operators],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {f"CALI_{name}": str(value) for name, value in settings.items()},
        )
        self._connection: socket.socket | None = None

    def send(self, row: Row, event_time: int) -> None:
        """Send an element with its event time, epoch milliseconds."""
        if self._connection is None:
            self._connection, _ = self._server.accept()
        self._connection.sendall(f"{event_time}\t{row.key}\t{row.body.decode()}\n".encode())

    def fail(self) -> None:
        """Let all that was sent get into a checkpoint, then fail the job and go on with it from there."""
        latest = self._latest_checkpoint()
        deadline = time.monotonic() + 60
        while self._latest_checkpoint() < latest + 2:
            assert time.monotonic() < deadline, "no checkpoint"
            time.sleep(0.05)
        assert self._connection
        self._connection.sendall(b"0\t\t\n")
        self._connection.close()
        self._connection = None

    def _latest_checkpoint(self) -> int:
        done = self._checkpoints.glob("*/chk-*/_metadata")
        return max((int(path.parent.name.removeprefix("chk-")) for path in done), default=0)

    def next(self) -> Result:
        """Wait for the next result."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the job ended"
        return Result(**json.loads(line))

    def end(self) -> list[Result]:
        """End the input and return the results that have not been read."""
        assert self._connection
        assert self._process.stdout
        self._connection.close()
        results = [Result(**json.loads(line)) for line in self._process.stdout]
        assert self._process.wait() == 0
        return results

    def stop(self) -> None:
        if self._connection:
            self._connection.close()
        self._server.close()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
