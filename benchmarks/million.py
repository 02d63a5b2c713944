"""A million equal errors, then a million different ones: alerts, analyses, state and memory.

    python benchmarks/million.py [--records 1000000]

Each run has a job of its own. Prints alerts, analysis calls, the size of the checkpoints and the memory of the Python
workers along the run, so that growth would be seen; exits with 1 where a bound is broken.
"""

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from local.generator.story import Shape
from local.run import Run, await_that
from local.stack import Stack

#: A service may have its cap of new fingerprints alerted one by one up to the storm threshold, then one roll-up an
#: interval and one overflow alert; with ten services and minutes of flood this bounds all of it.
MAX_ALERTS_PER_SERVICE_AND_MINUTE = 14
SAMPLE_SECONDS = 2.0
MAX_GROWTH = 1.5
SLACK_BYTES = 2_000_000


class Watch:
    """Samples what may grow, in a thread."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.checkpoint_bytes: list[int] = []
        self.python_bytes: list[int] = []
        self._thread.start()

    def end(self) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.checkpoint_bytes.append(self._run.stack.flink.checkpoint_bytes(self._run.job_id))
            self.python_bytes.append(_python_worker_bytes())


def _python_worker_bytes() -> int:
    """Return the resident memory of all Python workers of this stack."""
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if any("pyflink.fn_execution" in part for part in _command(process))
    ]
    return sum(_resident(process) for process in workers)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def flood(stack: Stack, name: str, shape: Shape, records: int) -> dict[str, Any]:
    """Put `records` errors on a stream of their own, as fast as it goes, and follow the job until all are indexed."""
    stack.inbox.clear()
    stack.llm.clear()
    run = Run(stack, name)
    run.create_stream()
    run.start()
    watch = Watch(run)
    began = time.monotonic()
    manifest = run.tell(records, 1.0, shape=shape)
    await_that(lambda: run.caught_up() >= manifest.lines, 1_800, lambda: f"{run.stores.indexed_count()} indexed")
    seconds = time.monotonic() - began
    _await_quiet(lambda: len(stack.inbox.messages()))
    watch.end()
    messages = stack.inbox.messages()
    run.stop()
    return {
        "shape": str(shape),
        "records": manifest.lines,
        "seconds": round(seconds, 1),
        "alerts": len(messages),
        "incidents": len(run.stores.incidents()),
        "analysis_calls": len(stack.llm.requests),
        "checkpoint_bytes": _growth(watch.checkpoint_bytes),
        "python_worker_bytes": _growth(watch.python_bytes),
    }


def _await_quiet(count: Callable[[], int], seconds: float = 20.0) -> None:
    """Return when the count has stood still for `seconds`."""
    last, since = count(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(1.0)
        if (now := count()) != last:
            last, since = now, time.monotonic()


def _growth(samples: list[int]) -> dict[str, int]:
    """Return medians of the first and the last third, and the maximum."""
    third = max(1, len(samples) // 3)
    return {
        "first_third": int(statistics.median(samples[:third])),
        "last_third": int(statistics.median(samples[-third:])),
        "max": max(samples),
    }


def main() -> int:
    """Run both floods and print their figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    records = parser.parse_args().records
    with TemporaryDirectory() as directory, Stack(Path(directory)) as stack:
        stack.llm.answer({"cause": "flood", "action": "wait", "evidence": []})
        os.environ.update(stack.llm.environment())
        stack.start()
        equal = flood(stack, "equal", Shape.EQUAL_ERRORS, records)
        different = flood(stack, "different", Shape.DIFFERENT_ERRORS, records)
    print(json.dumps([equal, different], indent=2))
    minutes = different["seconds"] / 60 + 1
    told = equal["alerts"] == equal["analysis_calls"] == 1
    bounded = different["alerts"] <= MAX_ALERTS_PER_SERVICE_AND_MINUTE * 10 * minutes
    return 0 if told and bounded and _is_flat(equal) and _is_flat(different) else 1


def _is_flat(figures: dict[str, Any]) -> bool:
    """Say whether neither state nor memory grew with the records; the first third includes the start."""
    return all(
        figures[name]["last_third"] <= MAX_GROWTH * figures[name]["first_third"] + SLACK_BYTES
        for name in ("checkpoint_bytes", "python_worker_bytes")
    )


if __name__ == "__main__":
    sys.exit(main())
