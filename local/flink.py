"""A Flink cluster: JobManager and TaskManagers from the distribution inside the PyFlink wheel."""

import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from local import http
from local.moto import BUCKETS
from local.part import Part, clean_environment
from local.paths import CONNECTORS_JAR, JARS, ROOT, flink_home
from local.ports import HOST, free_port
from local.process import GuardedProcess, PartError, stop_all

ENTRY_MODULE = "jobs.log_insight"
SUBMITTED = re.compile(r"Job has been submitted with JobID ([0-9a-f]{32})")
FINAL_STATES = {"FINISHED", "FAILED", "CANCELED"}
SUBMIT_SECONDS = 180.0
SAVEPOINT_SECONDS = 180.0
POLL_SECONDS = 0.2
HEAD_CHARACTERS = 500
TAIL_CHARACTERS = 3500
#: Blocks of a megabyte, as batches are, stay with the process: fresh ones from the kernel for each batch cost the
#: Python workers a tenth of their CPU.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
#: As Flink on Kubernetes is to have them too; label values as they are, not with every sign but letters replaced.
REPORTER = {
    "metrics.reporter.prom.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
    "metrics.reporter.prom.filterLabelValueCharacters": "false",
}


class FlinkError(Exception):
    """The cluster refused or could not do what was asked of it."""


class Flink(Part):
    """One JobManager and `task_managers` TaskManagers, with checkpoints in the S3 API of moto."""

    name = "flink"

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        *,
        port: int | None = None,
        task_managers: int = 1,
        slots: int = 8,
        state_backend: str = "rocksdb",
        configuration: Mapping[str, str] | None = None,
        metrics_targets: Path | None = None,
        program: Sequence[str] = (),
    ) -> None:
        """Make the part.

        Args:
            directory: the stack's folder.
            environment: what JobManager, TaskManagers, their Python workers and the client get on top of this process's
                own environment, e.g. the addresses of the other parts.
            port: of the web UI and REST API, or a free one.
            task_managers: how many to start.
            slots: of each TaskManager; the job has four slot-sharing groups, so it needs four times its parallelism.
            state_backend: `rocksdb` or `hashmap`.
            configuration: Flink options that go before those of this part.
            metrics_targets: a file of Prometheus' `file_sd_configs` that is to tell where each process can be scraped.
                Without it none can: Flink's reporter has no option for its address and listens on all of them.
            program: what the cluster is there for, as arguments of `standalone-job.sh` (application mode): the
                JobManager runs it and ends with its job. Without it the cluster takes jobs that are submitted.
        """
        super().__init__(directory)
        self.port = port or free_port()
        self.slots = slots
        self._wanted = task_managers
        self._environment = dict(environment)
        self._configuration = self._own_configuration(state_backend) | dict(configuration or {})
        self._metrics_targets = metrics_targets
        self._job_manager_command = ("standalone-job.sh", *program) if program else ("jobmanager.sh",)
        self._metrics_ports: dict[str, int] = {}
        self._job_manager: GuardedProcess | None = None
        self._task_managers: dict[str, GuardedProcess] = {}
        self._started = itertools.count(1)

    @property
    def url(self) -> str:
        """Address of web UI and REST API."""
        return f"http://{HOST}:{self.port}"

    @property
    def task_managers(self) -> list[str]:
        """Flink's resource ids of the TaskManagers that were started and not killed, oldest first."""
        return list(self._task_managers)

    def start(self) -> None:
        """Start JobManager and TaskManagers together; return when every TaskManager has registered."""
        self._begin(self.port)
        self._write_home()
        self._job_manager = self._launch("jobmanager", *self._job_manager_command)
        for _ in range(self._wanted):
            self._launch_task_manager()
        self._job_manager.await_healthy(lambda: http.answers(f"{self.url}/overview"), self.start_seconds)
        self._await_task_managers()

    def stop(self) -> None:
        """Stop every process of the cluster; running jobs end with it, without a savepoint."""
        with self._spawning:
            self._starting.clear()
        processes = [*self._task_managers.values(), *([self._job_manager] if self._job_manager else [])]
        stop_all(processes)
        self._task_managers.clear()
        self._metrics_ports.clear()

    def kill_task_manager(self) -> None:
        """End the oldest TaskManager and its Python workers with SIGKILL, as a lost machine would."""
        name = self.task_managers[0]
        self._task_managers.pop(name).kill()
        self._forget_target(name)

    def start_task_manager(self) -> None:
        """Start one more TaskManager; return when it has registered."""
        self._launch_task_manager()
        self._await_task_managers()

    def heal(self) -> None:
        """Start a new TaskManager for each that has ended.

        Raises:
            PartError: the JobManager has ended, and with it the jobs.
        """
        if self._job_manager and not self._job_manager.is_running:
            raise PartError(f"the JobManager has ended, and with it the jobs; see {self._job_manager.log}")
        for resource_id in [name for name, process in self._task_managers.items() if not process.is_running]:
            del self._task_managers[resource_id]
            self._forget_target(resource_id)
            self.start_task_manager()

    def submit(
        self, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None, *, module: str = ENTRY_MODULE
    ) -> str:
        """Run `flink run --detached` for a Python module and return the id of the job.

        Args:
            arguments: arguments of the module.
            env: variables of the client on top of the cluster's environment, e.g. settings of the job.
            module: what to run, as `python -m` would.

        Raises:
            FlinkError: the client failed; the message holds the end of what it printed.
        """
        # `flink run` wants --pyFiles with a module. The project is installed in the environment of both client and
        # workers, so the file that is handed over only has to be there.
        marker = self.data / "conf" / "installed.txt"
        command = [str(flink_home() / "bin" / "flink"), "run", "--detached", "--pyModule", module]
        command += ["--pyFiles", marker.as_uri(), *arguments]
        ran = self._run_client(command, env or {})
        found = SUBMITTED.search(ran.stdout)
        if ran.returncode or not found:
            raise FlinkError(f"flink run failed with exit code {ran.returncode}:\n{_shorten(ran.stdout)}")
        return found[1]

    def state(self, job_id: str) -> str:
        """Return the state of a job, e.g. `RUNNING`."""
        return str(self._get(f"/jobs/{job_id}")["state"])

    def jobs(self) -> dict[str, str]:
        """Return the state of every job the cluster knows, by id."""
        return {job["id"]: job["status"] for job in self._get("/jobs")["jobs"]}

    def await_state(self, job_id: str, wanted: str, seconds: float) -> None:
        """Return when the job is in state `wanted`; for `RUNNING`, when also every task runs.

        Raises:
            FlinkError: it ended in another final state, or `seconds` passed. The message holds its root exception.
        """
        deadline = time.monotonic() + seconds
        while not self._is_in(job_id, wanted):
            state = self.state(job_id)
            if state in FINAL_STATES - {wanted} or time.monotonic() > deadline:
                raise FlinkError(f"job {job_id} is {state}, not {wanted}:\n{_shorten(self.root_exception(job_id))}")
            time.sleep(POLL_SECONDS)

    def root_exception(self, job_id: str) -> str:
        """Return the newest failure of a job, or an empty string."""
        entries = self._get(f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return str(entries[0]["stacktrace"]) if entries else ""

    def restarts(self, job_id: str) -> int:
        """Return how often the job was restarted."""
        return int(self._get(f"/jobs/{job_id}/metrics?get=numRestarts")[0]["value"])

    def checkpoints(self, job_id: str) -> dict[str, int]:
        """Return Flink's counts of checkpoints: `completed`, `failed`, `in_progress`, `restored`, `total`."""
        counts: dict[str, int] = self._get(f"/jobs/{job_id}/checkpoints")["counts"]
        return counts

    def checkpoint_bytes(self, job_id: str) -> int:
        """Return the size of the job's whole state at its latest checkpoint; 0 before the first."""
        latest = self._get(f"/jobs/{job_id}/checkpoints")["latest"]["completed"]
        return int(latest["state_size"]) if latest else 0

    def watermarks(self, job_id: str) -> dict[str, float]:
        """Return the watermark of each vertex that has one, epoch seconds: that of its hindmost subtask."""
        found = {}
        for vertex in self._get(f"/jobs/{job_id}")["vertices"]:
            values = [float(each["value"]) for each in self._get(f"/jobs/{job_id}/vertices/{vertex['id']}/watermarks")]
            if values:
                found[vertex["name"]] = min(values) / 1000
        return found

    def cancel(self, job_id: str) -> None:
        """Cancel a job and return when it is gone."""
        self._request("PATCH", f"/jobs/{job_id}?mode=cancel")
        self.await_state(job_id, "CANCELED", SAVEPOINT_SECONDS)

    def stop_with_savepoint(self, job_id: str) -> str:
        """Stop a job with a savepoint and return the savepoint's path.

        Raises:
            FlinkError: the savepoint failed.
        """
        body = {"targetDirectory": self._configuration["execution.checkpointing.savepoint-dir"], "drain": False}
        trigger = self._request("POST", f"/jobs/{job_id}/stop", json=body)["request-id"]
        deadline = time.monotonic() + SAVEPOINT_SECONDS
        while time.monotonic() < deadline:
            answer = self._get(f"/jobs/{job_id}/savepoints/{trigger}")
            if answer["status"]["id"] == "COMPLETED":
                return _savepoint_path(answer["operation"])
            time.sleep(POLL_SECONDS)
        raise FlinkError(f"no savepoint of job {job_id} after {SAVEPOINT_SECONDS:.0f} s")

    def addresses(self) -> dict[str, str]:
        """Return the web UI."""
        return {"Flink UI": self.url}

    def environment(self) -> dict[str, str]:
        """Return the local checkpoint interval: files of archive and DLQ appear at each checkpoint."""
        return {"CALI_FLINK__CHECKPOINT_INTERVAL_MS": "5000"}

    def _own_configuration(self, state_backend: str) -> dict[str, str]:
        checkpoints = f"s3://{BUCKETS[-1]}"
        return {
            "jobmanager.rpc.address": HOST,
            "jobmanager.rpc.port": str(free_port()),
            "jobmanager.bind-host": HOST,
            "blob.server.port": str(free_port()),
            "rest.address": HOST,
            "rest.bind-address": HOST,
            "rest.port": str(self.port),
            "web.submit.enable": "false",
            "taskmanager.host": HOST,
            "taskmanager.bind-host": HOST,
            "taskmanager.numberOfTaskSlots": str(self.slots),
            "parallelism.default": "1",
            "jobmanager.memory.process.size": "1024m",
            # Python workers are processes of their own and come on top of this.
            "taskmanager.memory.process.size": "2560m",
            "taskmanager.memory.managed.size": "512m",
            # Each job loads PyFlink's classes anew, and some stay: with 256m the cluster ends at the twentieth.
            "taskmanager.memory.jvm-metaspace.size": "512m",
            # Batches are of the size of G1's regions, which makes each a humongous object: a tenth more CPU.
            "env.java.opts.taskmanager": "-XX:+UseParallelGC",
            "metrics.fetcher.update-interval": "1000",
            # A dead TaskManager is noticed after two refused heartbeats, not after the 50 s of the silent ones.
            "heartbeat.interval": "1 s",
            "heartbeat.rpc-failure-threshold": "2",
            "restart-strategy.type": "exponential-delay",
            "restart-strategy.exponential-delay.initial-backoff": "500 ms",
            "restart-strategy.exponential-delay.max-backoff": "5 s",
            "restart-strategy.exponential-delay.attempts-before-reset-backoff": "20",
            "restart-strategy.exponential-delay.reset-backoff-threshold": "5 min",
            "state.backend.type": state_backend,
            "execution.checkpointing.incremental": "true",
            "execution.checkpointing.storage": "filesystem",
            "execution.checkpointing.dir": f"{checkpoints}/checkpoints",
            "execution.checkpointing.savepoint-dir": f"{checkpoints}/savepoints",
            "execution.checkpointing.tolerable-failed-checkpoints": "20",
            "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
            "python.executable": sys.executable,
            "python.client.executable": sys.executable,
            "s3.path-style-access": "true",
            "io.tmp.dirs": str(self.data / "tmp"),
        } | ({"s3.endpoint": endpoint} if (endpoint := self._environment.get("CALI_AWS__ENDPOINT")) else {})

    def _write_home(self) -> None:
        """Lay out what of the distribution is ours: configuration, library folder, plugins."""
        shutil.rmtree(self.data, ignore_errors=True)
        home, conf = flink_home(), self.data / "conf"
        for folder in (conf, self.data / "tmp", self.data / "pid", self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        for properties in (home / "conf").glob("log4j*.properties"):
            shutil.copy(properties, conf)
        # Flink opens the modules of the JDK that it needs with this option; a configuration without it cannot start.
        opens = yaml.safe_load((home / "conf" / "config.yaml").read_text())["env"]["java"]["opts"]["all"]
        (conf / "config.yaml").write_text(
            yaml.safe_dump({"env.java.opts.all": opens} | self._configuration, width=8192)
        )
        (conf / "installed.txt").touch()
        _link_all((home / "lib").glob("*.jar"), self.data / "lib")
        _require(CONNECTORS_JAR)
        shutil.copy(CONNECTORS_JAR, self.data / "lib")  # a copy: a JVM does not survive a rebuild of a jar it has open
        _link_all([JARS / "flink-plugins" / "s3", home / "plugins" / "metrics-prometheus"], self.data / "plugins")

    @property
    def _logs(self) -> Path:
        return self.directory / "logs" / "flink"

    def _process_environment(self) -> dict[str, str]:
        return clean_environment(os.environ) | {
            **MALLOC,
            **self._environment,
            **self.environment(),
            "FLINK_CONF_DIR": str(self.data / "conf"),
            "FLINK_LIB_DIR": str(self.data / "lib"),
            "FLINK_PLUGINS_DIR": str(self.data / "plugins"),
            "FLINK_LOG_DIR": str(self._logs),
            "FLINK_PID_DIR": str(self.data / "pid"),
            "FLINK_IDENT_STRING": "cali",
        }

    def _launch(self, name: str, script: str, *options: str) -> GuardedProcess:
        command = [str(flink_home() / "bin" / script), "start-foreground", *self._metrics_options(name), *options]
        return self._spawn(name, command, self._process_environment())

    def _metrics_options(self, name: str) -> list[str]:
        """Return the options with which a process can be scraped, and tell where."""
        if self._metrics_targets is None:
            return []
        self._metrics_ports[name] = free_port()
        self._tell_targets(self._metrics_targets)
        options = REPORTER | {"metrics.reporter.prom.port": str(self._metrics_ports[name])}
        return [argument for key, value in options.items() for argument in ("-D", f"{key}={value}")]

    def _forget_target(self, name: str) -> None:
        if self._metrics_targets:
            del self._metrics_ports[name]
            self._tell_targets(self._metrics_targets)

    def _tell_targets(self, path: Path) -> None:
        """Write the file as a whole or not at all: Prometheus reads it at any time."""
        path.parent.mkdir(parents=True, exist_ok=True)
        targets = [
            {"targets": [f"{HOST}:{port}"], "labels": {"component": name.partition("-")[0], "pod": name}}
            for name, port in self._metrics_ports.items()
        ]
        new = path.with_suffix(".new")
        new.write_text(json.dumps(targets))
        new.replace(path)

    def _launch_task_manager(self) -> None:
        resource_id = f"taskmanager-{next(self._started)}"
        options = ["-D", f"taskmanager.resource-id={resource_id}"]
        self._task_managers[resource_id] = self._launch(resource_id, "taskmanager.sh", *options)

    def _await_task_managers(self) -> None:
        for resource_id, process in self._task_managers.items():
            process.await_healthy(functools.partial(self._is_registered, resource_id), self.start_seconds)

    def _is_registered(self, resource_id: str) -> bool:
        return resource_id in {each["id"] for each in self._get("/taskmanagers")["taskmanagers"]}

    def _is_in(self, job_id: str, wanted: str) -> bool:
        job = self._get(f"/jobs/{job_id}")
        if wanted != "RUNNING" or job["state"] != "RUNNING":
            return bool(job["state"] == wanted)
        return all(self._really_runs(job_id, vertex) for vertex in job["vertices"])

    def _really_runs(self, job_id: str, vertex: dict[str, Any]) -> bool:
        """Say whether a task runs, and not only seems to, on a TaskManager whose death was not yet noticed."""
        if vertex["status"] not in {"RUNNING", "FINISHED"}:
            return False
        hosts = self._get(f"/jobs/{job_id}/vertices/{vertex['id']}/taskmanagers")["taskmanagers"]
        return all(host["taskmanager-id"] in self._task_managers for host in hosts)

    def _run_client(self, command: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - the distribution's own client, no shell
                command,
                cwd=ROOT,
                env=self._process_environment() | dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SUBMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FlinkError(f"flink run did not end in {SUBMIT_SECONDS:.0f} s") from error

    def _get(self, path: str) -> Any:
        return self._request("GET", path)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        try:
            with http.session() as client:
                answer = client.request(method, self.url + path, timeout=http.TIMEOUT_SECONDS, **options)
        except requests.RequestException as error:
            raise FlinkError(f"{method} {path}: {error}") from error
        if not answer.ok:
            raise FlinkError(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json()


def _shorten(stacktrace: str) -> str:
    """Drop the frames of the JVM, and the middle of what is still long: the last cause, often Python's, says most."""
    lines = [line for line in stacktrace.splitlines() if not line.startswith(("\tat ", "\t... "))]
    text = "\n".join(lines)
    head, tail = text[:HEAD_CHARACTERS], text[HEAD_CHARACTERS:]
    return text if len(tail) <= TAIL_CHARACTERS else f"{head}\n…\n{tail[-TAIL_CHARACTERS:]}"


def _savepoint_path(operation: dict[str, Any]) -> str:
    if "location" not in operation:
        raise FlinkError(f"the savepoint failed: {_shorten(operation['failure-cause']['stack-trace'])}")
    return str(operation["location"])


def _link_all(targets: Iterable[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for target in targets:
        _require(target)
        (folder / target.name).symlink_to(target)


def _require(path: Path) -> None:
    if not path.exists():
        raise PartError(f"{path} is missing; run `make setup`")
