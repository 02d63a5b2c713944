"""How long `cali quality` takes for an hour of a million records, and whether its memory depends on their number.

    python benchmarks/quality.py [--lines 1000000] [--folder DIR]

An hour of so many log lines is made by the stages of the job, and one of a tenth. Each is checked by the command,
as a process of its own: every line is read, and an hour as it should be has to be found to be so. Printed are seconds
from start to end of the process and the peak of its resident memory. DIR keeps the hours for the next time: making them
takes longer than checking them.

Ends with 1 where the larger hour takes longer than 60 seconds or more than 1 GiB, or half as much again as the smaller.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from local.archived_hour import VARIABLES, write_hour  # noqa: E402 - a script is run from anywhere
from udfs.chunk import HOUR_MS  # noqa: E402

HOUR = 1_795_345_200_000  # 2026-11-22T11:00:00Z
CALI = str(Path(sys.executable).with_name("cali"))
MAX_SECONDS = 60.0
MAX_MIB = 1024
MAX_GROWTH = 1.5


class Measured(NamedTuple):
    """One check."""

    lines: int
    seconds: float
    mebibytes: float


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        small, large = (measure(folder, lines) for lines in (options.lines // 10, options.lines))
    print("| lines | seconds | lines/s | peak MiB |\n|---|---|---|---|")
    for each in (small, large):
        rate = each.lines / each.seconds
        print(f"| {each.lines:,} | {each.seconds:.1f} | {rate:,.0f} | {each.mebibytes:,.0f} |")
    is_slow = large.seconds > MAX_SECONDS
    is_large = large.mebibytes > min(MAX_MIB, MAX_GROWTH * small.mebibytes)
    return int(is_slow or is_large)


def measure(folder: Path, lines: int) -> Measured:
    """Make an hour where it is missing, and check it."""
    root = folder / f"hour-{lines}"
    if not root.exists():
        unfinished = folder / f"hour-{lines}.unfinished"
        write_hour(unfinished, HOUR, lines)
        unfinished.rename(root)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALI_")}
    environment |= {variable: str(root / name) for variable, name in VARIABLES.items()}
    started = time.monotonic()
    process = os.posix_spawn(
        CALI,
        [CALI, "quality", "--from", iso(HOUR), "--to", iso(HOUR + HOUR_MS)],
        environment,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(process, 0)
    seconds = time.monotonic() - started
    if status:
        sys.exit(f"cali quality ended with {os.waitstatus_to_exitcode(status)}")
    return Measured(lines, seconds, usage.ru_maxrss / 1024)


def iso(hour: int) -> str:
    """Return an hour as the command takes it."""
    return time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(hour / 1000))


if __name__ == "__main__":
    sys.exit(main())
