"""Throughput of the ingest stage, side by side on the same file.

    python -m benchmarks.ingest                       # 3 million records, median of 3: about 20 minutes
    python -m benchmarks.ingest --records 200000 --runs 1

Four contestants do the same work on every record: parse, validate, redact, fingerprint, combine.

    batches   the job's own source and operator in Flink: a batch of records an element
    records   PyFlink as it is usually written: a record an element, the same functions, combined by key
    loop      the same functions over the same batches in a bare Python loop, on one core
    bytewax   the same functions over the same batches in Bytewax, in an environment of its own

Flink runs on a real cluster with Python workers of their own, and has one slot or two; Bytewax one process or two.
The rate is that of the steady state: it counts from the first record that a function saw to the last one it was done
with, so that the start of a job is left out. `make setup` must have run.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from benchmarks.ingest_work import FRAMES_VARIABLE, METER_FOLDER_VARIABLE, framed
from jobs.log_insight.settings import SourceSettings
from local.flink import Flink
from local.generator.send import LineFile, send
from local.generator.story import Options, Shape, Story
from udfs.frame import RawRecord, encode_frame

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "bench"
METERS = WORK / "meters"
TABLE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- ingest: begin -->", "<!-- ingest: end -->"
#: So many files of lines, and of frames: two readers end at nearly the same time.
FILES = 32
SLOTS = (1, 2)
#: Records that the per-record function may not have counted when it ends.
UNCOUNTED = 255 * max(SLOTS)
FLINK_JOBS = ("batches", "records")
HEAD = (
    "| contestant | slots | records/s | lowest to highest | vs records | vs loop"
    " | CPU s / million: Python | JVM | peak MiB: Python | JVM |"
)
JOB_SECONDS = 1_800
SAMPLE_SECONDS = 0.2
BYTEWAX = "bytewax==0.21.1"
#: What the ingest functions import; Bytewax's environment gets the same versions.
NEEDED = ("google-re2", "orjson", "pydantic", "pydantic-settings", "pyyaml", "typing-extensions", "zstandard")
LOOP_MODULE, BYTEWAX_MODULE, FLINK_MODULE = (f"benchmarks.ingest_{name}" for name in ("loop", "bytewax", "flink"))


class Contestant(NamedTuple):
    """Who runs, in how many slots or processes."""

    name: str
    slots: int


class Result(NamedTuple):
    """One run. CPU in seconds per million records, memory in MiB at its peak."""

    rate: float
    python_cpu: float
    jvm_cpu: float
    python_memory: float
    jvm_memory: float


class Sample(NamedTuple):
    """What processes had used at a moment: CPU seconds so far, and bytes now."""

    at: float
    cpu: float
    memory: int


class Watch:
    """Samples the JVM of the TaskManager and the Python processes below this one."""

    def __init__(self) -> None:
        self.python: list[Sample] = []
        self.jvm: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            jvm, python = _processes()
            self.jvm.append(_sample(jvm))
            self.python.append(_sample(python))


def _processes() -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Return the TaskManager's JVM, and the Python processes that do the work."""
    jvm, python = [], []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            command = " ".join(process.cmdline())
            if "TaskManagerRunner" in command:
                jvm.append(process)
            elif any(name in command for name in ("pyflink.fn_execution", LOOP_MODULE, BYTEWAX_MODULE)):
                python.append(process)
    return jvm, python


def _sample(processes: list[psutil.Process]) -> Sample:
    cpu, memory = 0.0, 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            cpu += times.user + times.system
            memory += process.memory_info().rss
    return Sample(time.time(), cpu, memory)


class Meters(NamedTuple):
    """The meters of all processes of one run, put together."""

    records: int
    first: float
    last: float
    cpu: float


def run_measured(run: Callable[[], None], records: int) -> Result:
    """Run a contestant and measure it.

    Raises:
        RuntimeError: its meters did not count every record.
    """
    shutil.rmtree(METERS, ignore_errors=True)
    METERS.mkdir()
    with Watch() as watch:
        run()
    meters = _read_meters()
    # The per-record function looks at the clock every 256 records only, and may stop short of the end by so many.
    if not records - UNCOUNTED <= meters.records <= records:
        raise RuntimeError(f"{meters.records} of {records} records were counted")
    per_million = 1e6 / meters.records
    return Result(
        rate=meters.records / (meters.last - meters.first),
        python_cpu=meters.cpu * per_million,
        jvm_cpu=(_cpu_at(watch.jvm, meters.last) - _cpu_at(watch.jvm, meters.first)) * per_million,
        python_memory=_peak(watch.python, meters),
        jvm_memory=_peak(watch.jvm, meters),
    )


def _read_meters() -> Meters:
    reports = [json.loads(path.read_text()) for path in METERS.iterdir()]
    return Meters(
        records=sum(report["records"] for report in reports),
        first=min(report["first"] for report in reports),
        last=max(report["last"] for report in reports),
        cpu=sum(report["cpu_last"] - report["cpu_first"] for report in reports),
    )


def _cpu_at(samples: list[Sample], moment: float) -> float:
    """Return the CPU seconds at a moment, on the line between the samples around it."""
    before = max((sample for sample in samples if sample.at <= moment), default=samples[0])
    after = min((sample for sample in samples if sample.at > moment), default=samples[-1])
    if after.at <= before.at:
        return before.cpu
    return before.cpu + (after.cpu - before.cpu) * (moment - before.at) / (after.at - before.at)


def _peak(samples: list[Sample], meters: Meters) -> float:
    during = [sample.memory for sample in samples if meters.first <= sample.at <= meters.last]
    return max(during, default=0) / 2**20


class Contest:
    """The prepared files, the environments and the cluster."""

    def __init__(self, lines: Path, frames: Path, flink: Flink, bytewax: Path | None) -> None:
        self._lines = lines
        self._frames = frames
        self._flink = flink
        self._bytewax = bytewax

    def contestants(self) -> dict[Contestant, Callable[[], None]]:
        """Return what is to run."""
        runs: dict[Contestant, Callable[[], None]] = {Contestant("loop", 1): self._run_loop}
        for slots in SLOTS:
            for job in FLINK_JOBS:
                runs[Contestant(job, slots)] = partial(self._run_flink, job, slots)
            if self._bytewax:
                runs[Contestant("bytewax", slots)] = partial(self._run_bytewax, self._bytewax, slots)
        return runs

    def _run_loop(self) -> None:
        _call([sys.executable, "-m", LOOP_MODULE, *(str(path) for path in sorted(self._frames.iterdir()))])

    def _run_bytewax(self, python: Path, processes: int) -> None:
        command = [str(python), "-m", "bytewax.testing", f"{BYTEWAX_MODULE}:flow", "-p", str(processes)]
        _call(command, {FRAMES_VARIABLE: str(self._frames)})

    def _run_flink(self, job: str, slots: int) -> None:
        settings = {
            "CALI_SOURCE__KIND": "file",
            "CALI_SOURCE__PATH": str(self._lines),
            "CALI_FLINK__PARALLELISM": str(slots),
        }
        job_id = self._flink.submit([job], settings, module=FLINK_MODULE)
        self._flink.await_state(job_id, "FINISHED", JOB_SECONDS)


def _call(command: list[str], env: Mapping[str, str] | None = None) -> None:
    everything = {**os.environ, METER_FOLDER_VARIABLE: str(METERS), **(env or {})}
    ran = subprocess.run(command, cwd=ROOT, env=everything, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ended with {ran.returncode}:\n{ran.stderr[-2000:]}")


@contextlib.contextmanager
def prepared(records: int) -> Iterator[tuple[Path, Path]]:
    """Write so many records twice: as files of lines, and as files of the frames that these lines make."""
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        lines, frames = Path(folder, "lines"), Path(folder, "frames")
        lines.mkdir()
        frames.mkdir()
        now = int(time.time())
        for number in range(FILES):
            count = records * (number + 1) // FILES - records * number // FILES
            options = Options(number, count, 60.0, now * 1000, Shape.MIXED, text_only=True)
            path = lines / f"{number:02d}.ndjson"
            with path.open("wb") as stream:
                send(Story(options), LineFile(stream), paced=False)
            # A line of a file arrives when the file was written; behind Kinesis that is a moment after the event.
            os.utime(path, (now, now))
            _write_frames(path, frames / f"{number:02d}.frames", now * 1000)
        yield lines, frames


def _write_frames(lines: Path, frames: Path, arrival_ms: int) -> None:
    with lines.open("rb") as source, frames.open("wb") as target:
        batch: list[RawRecord] = []
        size = offset = 0
        for line in source:
            if size + len(line) > SourceSettings().batch_bytes:
                target.write(framed(encode_frame(str(lines), batch)))
                batch, size = [], 0
            batch.append(RawRecord(str(offset), arrival_ms, line.rstrip(b"\n")))
            size += len(line)
            offset += len(line)
        target.write(framed(encode_frame(str(lines), batch)))


def bytewax_python() -> Path | None:
    """Return the interpreter of Bytewax's environment, made at the first call; None where it cannot be installed."""
    folder = WORK / "bytewax"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        lock = (ROOT / "requirements" / "dev.txt").read_text()
        pins = [line.split(" ")[0] for line in lock.splitlines() if line.split("==")[0] in NEEDED]
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)  # noqa: S603 - our own
        install = [str(python), "-m", "pip", "install", "--quiet", BYTEWAX, *pins]
        if subprocess.run(install, check=False).returncode:  # noqa: S603 - our own
            return None
        (folder / "ready").touch()
    return python


@contextlib.contextmanager
def cluster() -> Iterator[Flink]:
    """Start a Flink cluster as the job has it, without S3."""
    configuration = {
        "execution.checkpointing.dir": (WORK / "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": (WORK / "checkpoints").as_uri(),
    }
    environment = {METER_FOLDER_VARIABLE: str(METERS), "PYTHONPATH": str(ROOT)}
    with Flink(WORK / "cluster", environment, slots=max(SLOTS), configuration=configuration) as flink:
        yield flink


def table(results: Mapping[Contestant, list[Result]]) -> str:
    """Return the medians as a Markdown table, best and worst rate beside them, and the ratios."""
    medians = {
        contestant: Result(*(statistics.median(values) for values in zip(*runs, strict=True)))
        for contestant, runs in results.items()
    }
    loop = medians[Contestant("loop", 1)].rate
    lines = [HEAD, "|---" * HEAD.count(" |") + "|"]
    for contestant, median in medians.items():
        rates = [run.rate for run in results[contestant]]
        usual = medians.get(Contestant("records", contestant.slots))
        lines.append(
            f"| {contestant.name} | {contestant.slots} | {median.rate:,.0f} | {min(rates):,.0f} to {max(rates):,.0f}"
            f" | {_ratio(median.rate, usual.rate if usual else None)} | {_ratio(median.rate, loop)}"
            f" | {median.python_cpu:.2f} | {_jvm(contestant, f'{median.jvm_cpu:.2f}')}"
            f" | {median.python_memory:,.0f} | {_jvm(contestant, f'{median.jvm_memory:,.0f}')} |"
        )
    return "\n".join(lines)


def _jvm(contestant: Contestant, text: str) -> str:
    """Leave out what the idle cluster used while others ran."""
    return text if contestant.name in FLINK_JOBS else ""


def _ratio(rate: float, of: float | None) -> str:
    return "" if of is None else f"{rate / of:.2f}"


def keep(text: str) -> None:
    """Put the table into the documentation, in place of the one before."""
    page = TABLE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    TABLE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    """Hold the contest and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.ingest", description="Throughput of the ingest stage.")
    parser.add_argument("--records", type=int, default=3_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="put the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    bytewax = bytewax_python()
    results: dict[Contestant, list[Result]] = {}
    with prepared(arguments.records) as (lines, frames), cluster() as flink:
        contest = Contest(lines, frames, flink, bytewax)
        for number in range(arguments.runs):
            for contestant, run in contest.contestants().items():
                result = run_measured(run, arguments.records)
                results.setdefault(contestant, []).append(result)
                print(f"run {number + 1}: {contestant.name}, {contestant.slots}: {result.rate:,.0f}/s", file=sys.stderr)
    text = (
        f"{arguments.records:,} records, median of {arguments.runs}; Python {platform.python_version()},"
        f" {os.cpu_count()} cores.\n\n{table(results)}"
    )
    print(text)
    if arguments.keep:
        keep(text)


if __name__ == "__main__":
    main()
