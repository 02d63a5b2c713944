"""Five minutes without Kinesis, and a kill of Fluent Bit in the middle of them, while containers go on writing traces.

    PATH=/opt/fluent-bit/bin:$PATH python -m benchmarks.edge_outage [--seconds 300] [--containers 60] [--rate 20]

Needs Fluent Bit 5.1 on PATH; the configuration is that of `fluent-bit/`. Every container writes traces of one of four
languages, a line a write. Prints what became of them; exits with 1 if a line is lost, or more traces are in pieces than
the ends of chunks explain.
"""

import argparse
import json
import random
import shutil
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.deploy.fluent_bit.edge import Container, Edge
from tests.deploy.fluent_bit.ledger import LANGUAGES, Ledger

#: Before the outage and behind it, seconds.
_CALM = 15.0
_DRAINED_WITHIN = 120.0
#: Of traces, that may be in two records.
_SPLIT_SHARE = 0.001


def main() -> int:
    """Run the outage and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long Kinesis is away")
    parser.add_argument("--containers", type=int, default=60)
    parser.add_argument("--rate", type=float, default=20.0, help="traces a second, of all containers together")
    parser.add_argument("--pause", type=float, default=0.0, help="between two lines of a trace, seconds")
    arguments = parser.parse_args()
    program = shutil.which("fluent-bit")
    if program is None:
        parser.error("fluent-bit is not on PATH")
    with TemporaryDirectory() as directory, Edge(program, Path(directory), {}) as edge:
        node = _Node(edge, arguments.containers, arguments.rate, arguments.pause)
        figures = _ride_out(edge, node, arguments.seconds)
    print(json.dumps(figures, indent=2))
    return 0 if not figures["lost_lines"] and figures["split"] <= figures["traces"] * _SPLIT_SHARE else 1


class _Node:
    """Containers that write until they are told to stop."""

    def __init__(self, edge: Edge, containers: int, rate: float, pause: float) -> None:
        self.ledger = Ledger()
        self._languages = {
            edge.container("bench", f"{LANGUAGES[number % len(LANGUAGES)]}-{number}", "app"): number
            for number in range(containers)
        }
        self._rate, self._pause = rate, pause
        self._stopped = threading.Event()
        self._writer = threading.Thread(target=self._write)

    def start(self) -> None:
        self._writer.start()

    def stop(self) -> None:
        self._stopped.set()
        self._writer.join()

    def _write(self) -> None:
        containers = [*self._languages]
        rng = random.Random(1)  # noqa: S311 - made-up traces
        began, number = time.monotonic(), 0
        while not self._stopped.is_set():
            self._write_one(rng.choice(containers), number)
            number += 1
            time.sleep(max(0.0, began + number / self._rate - time.monotonic()))

    def _write_one(self, container: Container, number: int) -> None:
        lines = self.ledger.trace(container.pod.partition("-")[0], number)
        if not self._pause:
            container.write(lines, "stderr")
            return
        for line in lines:
            container.write([line], "stderr")
            time.sleep(self._pause)


def _ride_out(edge: Edge, node: _Node, seconds: float) -> dict[str, float]:
    edge.start()
    node.start()
    time.sleep(_CALM)
    edge.front.close()
    time.sleep(seconds / 2)
    edge.kill()
    edge.start()
    time.sleep(seconds / 2)
    buffered = sum(path.stat().st_size for path in (edge.directory / "state" / "storage").rglob("*.flb"))
    memory = max(process.memory_info().rss for process in _processes(edge))
    edge.front.open()
    back = time.monotonic()
    time.sleep(_CALM)
    node.stop()
    records = edge.await_records(lambda found: not node.ledger.account(found).lost, _DRAINED_WITHIN)
    account = node.ledger.account(records)
    return {
        "seconds_without_kinesis": seconds,
        "traces": account.traces,
        "split": account.traces - account.whole,
        "lost_lines": account.lost,
        "extra_lines": account.extra,
        "records_sent_again": account.again,
        "buffered_megabytes": round(buffered / 1e6, 1),
        "memory_megabytes": round(memory / 1e6),
        "seconds_until_all_was_there": round(time.monotonic() - back),
    }


def _processes(edge: Edge) -> list[psutil.Process]:
    return [
        process for process in psutil.process_iter(["cmdline"]) if str(edge.program) in (process.info["cmdline"] or [])
    ]


if __name__ == "__main__":
    sys.exit(main())
