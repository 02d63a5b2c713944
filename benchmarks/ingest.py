"""Throughput of the ingest stage, side by side on the same file.

    python -m benchmarks.ingest                       # 3 million records, median of 3: about 20 minutes
    python -m benchmarks.ingest --records 200000 --runs 1

Four contestants do the same work on every record: parse, validate, redact, fingerprint, combine.

    batches   the job's own source and operator in Flink: a batch of records an element
    records   PyFlink as it is usually written: a record an element, the same functions, combined by key
    loop      the same functions over the same batches in a bare Python loop, on one core
    bytewax   the same functions over the same batches in Bytewax, in an environment of its own

Flink runs on a real cluster with Python workers of their own, and has one slot or two; Bytewax one process or two.
The rate is that of the steady state: it counts from the end of the first fifth of the records, when a JVM has compiled
what it runs, to the last record that a function was done with. `make setup` must have run.
"""

import argparse
import contextlib
import itertools
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from benchmarks.ingest_work import FRAMES_VARIABLE, METER_FOLDER_VARIABLE, Mark, framed, read_marks
from jobs.log_insight.settings import SourceSettings
from local.flink import MALLOC, Flink
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
#: This part of the records is not counted.
WARM_UP = 0.2
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


def run_measured(run: Callable[[], None], records: int) -> Result:
    """Run a contestant and measure it.

    Raises:
        RuntimeError: its meters did not count every record.
    """
    shutil.rmtree(METERS, ignore_errors=True)
    METERS.mkdir()
    with Watch() as watch:
        run()
    meters = read_marks(METERS)
    # The per-record function looks at the clock every 256 records only, and may stop short of the end by so many.
    counted = sum(marks[-1].records for marks in meters)
    if not records - UNCOUNTED <= counted <= records:
        raise RuntimeError(f"{counted} of {records} records were counted")
    steady = steady_part(meters)
    per_million = 1e6 / steady.records
    return Result(
        rate=steady.records / (steady.end - steady.begin),
        python_cpu=steady.cpu * per_million,
        jvm_cpu=(_cpu_at(watch.jvm, steady.end) - _cpu_at(watch.jvm, steady.begin)) * per_million,
        python_memory=_peak(watch.python, steady),
        jvm_memory=_peak(watch.jvm, steady),
    )


class Steady(NamedTuple):
    """The part of a run that counts: its moments, its records in all processes, and their Python CPU seconds."""

    begin: float
    end: float
    records: int
    cpu: float


def steady_part(meters: Sequence[Sequence[Mark]]) -> Steady:
    """Return what is left of a run without its first `WARM_UP` records, in which the JVM compiles itself."""
    total = sum(marks[-1].records for marks in meters)
    steps = sorted(
        (later.at, later.records - earlier.records) for marks in meters for earlier, later in itertools.pairwise(marks)
    )
    sums = itertools.accumulate(records for _, records in steps)
    begin, done = next((at, done) for (at, _), done in zip(steps, sums, strict=True) if done >= total * WARM_UP)
    return Steady(
        begin=begin,
        end=steps[-1][0],
        records=total - done,
        cpu=sum(marks[-1].cpu - _cpu_at(marks, begin) for marks in meters),
    )


def _cpu_at(samples: Sequence[Sample | Mark], moment: float) -> float:
    """Return the CPU seconds at a moment, on the line between the samples around it."""
    before = max((sample for sample in samples if sample.at <= moment), default=samples[0], key=attrgetter("at"))
    after = min((sample for sample in samples if sample.at > moment), default=samples[-1], key=attrgetter("at"))
    if after.at <= before.at:
        return before.cpu
    return before.cpu + (after.cpu - before.cpu) * (moment - before.at) / (after.at - before.at)


def _peak(samples: Sequence[Sample], steady: Steady) -> float:
    during = [sample.memory for sample in samples if steady.begin <= sample.at <= steady.end]
    return max(during, default=0) / 2**20


class Contest:
    """The prepared files, the environments and a cluster."""

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
    everything = {**os.environ, **MALLOC, METER_FOLDER_VARIABLE: str(METERS), **(env or {})}
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
    with prepared(arguments.records) as (lines, frames):
        for number in range(arguments.runs):
            # Each job leaves its classes in the metaspace of a TaskManager, which is full after a dozen.
            with cluster() as flink:
                for contestant, run in Contest(lines, frames, flink, bytewax).contestants().items():
                    result = run_measured(run, arguments.records)
                    results.setdefault(contestant, []).append(result)
                    print(f"run {number + 1}: {contestant.name}, {contestant.slots}: {result}", file=sys.stderr)
    text = (
        f"{arguments.records:,} records, median of {arguments.runs}; Python {platform.python_version()},"
        f" {os.cpu_count()} cores.\n\n{table(results)}"
    )
    print(text)
    if arguments.keep:
        keep(text)


if __name__ == "__main__":
    main()
