# ruff: noqa: INP001 - used by the scripts beside it, not part of a package
"""Steps that are done once and again when what they read has changed: what the set-up scripts are made of.

Standard library only: `setup.py` runs before there is an environment.
"""

import fcntl
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
_PROGRAM = Path(sys.argv[0]).stem.replace("_", "-")


@dataclass(frozen=True)
class Step:
    """One thing to be done when `inputs` have changed or an output is missing."""

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    do: Callable[[], None]
    stamps: Path = BUILD / "setup"

    def run(self) -> bool:
        """Do it if need be, and say whether it was."""
        stamp, digest = self.stamps / f"{self.name}.stamp", _digest(self.inputs)
        made = all(output.exists() for output in self.outputs)
        if made and stamp.exists() and stamp.read_text() == digest:
            return False
        started = time.monotonic()
        say(f"{self.name} …")
        self.do()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest)
        say(f"{self.name}: done in {time.monotonic() - started:.0f} s")
        return True


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Wait until no other process is in the block of this name."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def maven(pom: str, *options: str) -> None:
    """Build the Maven module of this pom."""
    run("mvn", "-q", "-B", "-Dstyle.color=never", "-f", pom, "package", *options)


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """Run a command, and end with its name when it fails."""
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, env=env)  # noqa: S603 - the scripts' own commands
    if ended.returncode:
        sys.exit(f"{_PROGRAM}: failed with exit code {ended.returncode}: {' '.join(command)}")


def output(*command: str) -> str:
    """Return what a command prints; nothing where there is no such program."""
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - the scripts' own commands
    except OSError:
        return ""
    return ended.stdout + ended.stderr


def say(text: str) -> None:
    """Print a line that names the script."""
    sys.stdout.write(f"{_PROGRAM}: {text}\n")
    sys.stdout.flush()


def say_missing(what: str, hints: Sequence[str]) -> None:
    """Print what is missing and how to get it, on Debian and on macOS."""
    debian, mac = hints
    say(what)
    say(f"  Debian, Ubuntu:  {debian}")
    say(f"  macOS:           {mac}")


def _digest(inputs: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{VENV} {sys.version_info[:2]}\n".encode())
    for path in inputs:
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
