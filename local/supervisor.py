"""Keeps a stack and its job running in the background: what `cali up` starts and `cali down` ends.

Run as a module it is that background process. It holds the lock of the stack's folder as long as it lives, so a state
file without the lock is stale. Everything it started ends with it, however it ends.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local.job import submit_job
from local.kubernetes import replay_manifest
from local.paths import ROOT
from local.process import PartError
from local.stack import SUPERVISOR_LOG, Stack, StackError, lock_owner, watched_parts

STATE_FILE = "state.json"
ENVIRONMENT_FILE = "environment"
MANIFEST_FILE = "replay-manifest.yaml"
MANIFEST_VARIABLE = "CALI_REPLAY__MANIFEST"
START_SECONDS = 300.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.2
HEAL_SECONDS = 1.0


@dataclass(frozen=True)
class State:
    """What the background process says of itself. `status` is `starting`, `ready` or `failed`."""

    pid: int
    status: str
    addresses: dict[str, str] = field(default_factory=dict)
    job_id: str | None = None
    problem: str | None = None


def up(directory: Path, ports: Mapping[str, int], tell: Callable[[str], None]) -> State:
    """Start stack and job in the background, unless they run already; return when they are ready.

    Args:
        directory: folder of the stack.
        ports: by name of the part; free ones where not given. Of no effect where the stack runs already.
        tell: called with a line of text now and then.

    Raises:
        StackError: they did not become ready, and nothing of them runs any more; or another program uses the folder.
    """
    if lock_owner(directory) is None:
        tell("starting Kinesis, S3, OpenSearch, Milvus, the Slack inbox, Flink and the job …")
        started = _launch(directory, ports)
    else:
        started = None
    try:
        state = _await_ready(directory, started)
    except BaseException:
        if started:
            started.terminate()
            started.wait()
        raise
    if started:
        started.returncode = 0  # it outlives this process on purpose; without this `subprocess` warns of it
    return state


def down(directory: Path) -> bool:
    """Stop what `up` started and wait until it is gone; return False if nothing ran.

    Raises:
        StackError: another program uses the folder, or the background process does not end.
    """
    pid = lock_owner(directory)
    if pid is None:
        (directory / STATE_FILE).unlink(missing_ok=True)
        return False
    state = read_state(directory)
    if state is None or state.pid != pid:
        raise StackError(f"the stack in {directory} was not started by `cali up` but by process {pid}; end that")
    os.kill(pid, signal.SIGTERM)
    if not _await_unlocked(directory, STOP_SECONDS):
        os.kill(pid, signal.SIGKILL)  # the guards of its parts end those
        if not _await_unlocked(directory, STOP_SECONDS):
            raise StackError(f"process {pid} does not end")
    for name in (STATE_FILE, ENVIRONMENT_FILE):
        (directory / name).unlink(missing_ok=True)
    return True


def read_state(directory: Path) -> State | None:
    """Return the state file of the folder, or None where there is none."""
    try:
        return State(**json.loads((directory / STATE_FILE).read_text()))
    except FileNotFoundError:
        return None


def _launch(directory: Path, ports: Mapping[str, int]) -> subprocess.Popen[bytes]:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / STATE_FILE).unlink(missing_ok=True)
    options = [argument for name, port in ports.items() for argument in ("--port", f"{name}={port}")]
    with (directory / SUPERVISOR_LOG).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - this very module, no shell
            [sys.executable, "-m", "local.supervisor", "--directory", str(directory), *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_ready(directory: Path, started: subprocess.Popen[bytes] | None) -> State:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = read_state(directory)
        ended = started.poll() is not None if started else lock_owner(directory) is None
        if state and state.status == "ready" and not ended:
            return state
        if state and state.problem:
            raise StackError(state.problem)
        if ended:
            raise StackError(f"the stack did not start:\n{(directory / SUPERVISOR_LOG).read_text()[-4000:]}")
        if started is None and state is None:
            raise StackError(f"the stack in {directory} was not started by `cali up`")
        time.sleep(POLL_SECONDS)
    raise StackError(f"the stack was not ready after {START_SECONDS:.0f} s")


def _await_unlocked(directory: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while lock_owner(directory) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def main() -> None:
    """Run a stack with its job until SIGTERM, or until a part is lost that cannot be replaced."""
    parser = argparse.ArgumentParser(prog="local.supervisor")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", action="append", default=[], metavar="PART=NUMBER")
    arguments = parser.parse_args()
    ports = {name: int(number) for name, _, number in (port.partition("=") for port in arguments.port)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with Stack(arguments.directory, ports=ports) as stack:
            _serve(stack)
    except (PartError, StackError, ValueError) as error:
        sys.exit(str(error))


def _serve(stack: Stack) -> None:
    try:
        _write_state(stack, State(os.getpid(), "starting"))
        stack.start(watched_parts())
        _ = stack.kubernetes  # for `cali replay`
        manifest = stack.directory / MANIFEST_FILE
        _write_private(manifest, replay_manifest(stack.environment()))
        environment = stack.environment() | {MANIFEST_VARIABLE: str(manifest)}
        _write_private(stack.directory / ENVIRONMENT_FILE, _as_shell(environment))
        job_id = submit_job(stack)
        _write_state(stack, State(os.getpid(), "ready", stack.addresses(), job_id))
        while True:
            time.sleep(HEAL_SECONDS)
            stack.heal()
    except Exception as error:  # noqa: BLE001 - told to whoever waits, and this process ends
        traceback.print_exc()  # first: whoever waits for the state ends this process
        _write_state(stack, State(os.getpid(), "failed", problem=str(error)))
        sys.exit(1)


def _write_state(stack: Stack, state: State) -> None:
    _write_private(stack.directory / STATE_FILE, json.dumps(asdict(state), indent=2) + "\n")


def _as_shell(environment: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))


def _write_private(path: Path, text: str) -> None:
    """Write the file as a whole or not at all, for the owner's eyes."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


if __name__ == "__main__":
    main()
