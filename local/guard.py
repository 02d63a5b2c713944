"""Runs one command and sees to it that nothing of it outlives the process that asked for it.

    python -I -S guard.py GRACE_SECONDS COMMAND…

Standard input is a pipe whose other end the asking process holds open and never writes to. When that process goes away,
however it goes, the pipe ends, and the guard ends the whole process group of the command: SIGTERM, then SIGKILL after
the grace. The same happens on SIGTERM to the guard, and when the command itself ends and leaves children behind.

A script of the standard library alone, without `site`: one runs for every part of the stack.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05


def main() -> int:
    """Guard the command of the arguments; return its exit code, as a shell would say it."""
    grace, command = float(sys.argv[1]), sys.argv[2:]
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    child = _spawn(command)
    status = _wait(child, woken)
    if status is None:
        status = _end(child, grace)
    _kill_group(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _spawn(command: list[str]) -> int:
    """Start the command as the leader of a new session, so that its process group is all that descends from it."""
    guard = os.getpid()
    child = os.fork()
    if child:
        return child
    with contextlib.suppress(OSError):
        os.setsid()
        _die_with(guard)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and so would the command
        with open(os.devnull) as nothing:  # noqa: PTH123 - pathlib would be most of this script's start-up time
            os.dup2(nothing.fileno(), 0)
        os.execvp(command[0], command)  # noqa: S606 - the command is the project's own, and no shell is wanted
    sys.stderr.write(f"cannot run {command[0]}\n")
    sys.stderr.flush()
    os._exit(127)


def _die_with(guard: int) -> None:
    """Have Linux kill the command if the guard itself is killed; elsewhere only the pipe protects."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(127)


def _wait(child: int, woken: int) -> int | None:
    """Wait for the end of the child, and return its status, or for that of the owner, and return None."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        ready, _, _ = select.select([0, woken], [], [])
        if 0 in ready and not os.read(0, 1):
            return None
        if woken in ready and set(os.read(woken, 64)) & {signal.SIGTERM, signal.SIGINT}:
            return None


def _end(child: int, grace: float) -> int:
    _kill_group(child, signal.SIGTERM)
    _kill_group(child, signal.SIGCONT)  # a paused command hears the first only now
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(POLL_SECONDS)
    _kill_group(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _kill_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
