"""A process of the stack: started under a guard, logged to a file, ended as a whole group."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

GUARD = Path(__file__).with_name("guard.py")
STOP_GRACE_SECONDS = 10.0
TAIL_LINES = 30
TAIL_BYTES = 16_384
POLL_SECONDS = 0.1


class PartError(Exception):
    """A part did not start, or ended by itself. The message shows the end of its log."""


class GuardedProcess:
    """A command with all its descendants.

    They end with `stop`, with `kill`, and with the death of this Python process, even by SIGKILL (see `guard.py`).
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        """Start `command` with exactly the environment `env`, its output appended to `log`."""
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        guard = [sys.executable, "-I", "-S", str(GUARD), str(STOP_GRACE_SECONDS)]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(  # noqa: S603 - the stack's own commands, no shell
                [*guard, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def guard_pid(self) -> int:
        """Process id of the guard; its only child leads the group of the command."""
        return self._guard.pid

    @property
    def is_running(self) -> bool:
        """Whether the command still runs."""
        return self._guard.poll() is None

    def tail(self) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as lines:
            lines.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            text = lines.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    def await_healthy(self, is_healthy: Callable[[], bool], seconds: float) -> None:
        """Return when `is_healthy` says so.

        Raises:
            PartError: the process ended, or `seconds` passed.
        """
        deadline = time.monotonic() + seconds
        while not is_healthy():
            if not self.is_running:
                raise PartError(f"{self.name} ended with exit code {self._guard.returncode}. {self._last_words()}")
            if time.monotonic() > deadline:
                raise PartError(f"{self.name} was not healthy after {seconds:.0f} s. {self._last_words()}")
            time.sleep(POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """Have the guard end the group: SIGTERM, SIGKILL after the grace. Returns at once."""
        if self._guard.stdin:
            self._guard.stdin.close()

    def stop(self) -> None:
        """End the group and return when it is gone."""
        self.ask_to_stop()
        self._guard.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        child = child_of(self._guard.pid)
        if child is not None:
            os.killpg(child, number)

    def kill(self) -> None:
        """End the group with SIGKILL, as a lost machine would. Returns when it is gone."""
        self.signal(signal.SIGKILL)
        self.stop()

    def _last_words(self) -> str:
        return f"The end of {self.log}:\n{self.tail()}"


def stop_all(processes: Iterable[GuardedProcess]) -> None:
    """Stop several processes at the same time."""
    asked = list(processes)
    for process in asked:
        process.ask_to_stop()
    for process in asked:
        process.stop()


def child_of(pid: int) -> int | None:
    """Return the process id of the first child, or None when there is none any more."""
    try:
        children = psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return None
    return children[0].pid if children else None
