"""Stands in for the API of Kubernetes and the Flink operator, as far as FlinkDeployments go.

A FlinkDeployment that is created here runs its job for real, on the stack's own Flink cluster, with the variables of
its pod template; `status` tells of that job as the operator would. Where the operator's own words matter they are those
of version 1.15.

Known limits: image, resources, parallelism and Flink's configuration are not looked at, and are those of the stack. Of
a spec only what is used here is checked (schema and validator of the operator: tests/deploy). Nothing can be changed
once it is created. There is one account, which may do everything.
"""

import json
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml

from jobs.log_insight.settings import Settings, describe, variable_name
from local.flink import FINAL_STATES, FlinkError
from local.part import Part
from local.paths import ROOT
from local.ports import HOST, free_port

RESOURCE = "/apis/flink.apache.org/v1beta1/namespaces/cali/flinkdeployments"
FINALIZER = "flinkdeployments.flink.apache.org/finalizer"
MAIN_CONTAINER = "flink-main-container"
#: What kustomize makes of flink-k8s/replay/dev, without its settings.
MANIFEST = Path(__file__).with_name("replay.yaml")
REPLAY_SETTINGS = ROOT / "flink-k8s" / "replay" / "dev" / "replay.env"
RECONCILE_SECONDS = 0.5
#: How often the server's thread looks whether it is to end.
POLL_SECONDS = 0.05
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,251}[a-z0-9])?")

Object = dict[str, Any]


class Jobs(Protocol):
    """What runs the jobs: `local.flink.Flink`."""

    def submit(self, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None, *, module: str = ...) -> str:
        """Start a Python module as a job; return its id."""
        ...

    def state(self, job_id: str) -> str:
        """Return the state of a job."""
        ...

    def root_exception(self, job_id: str) -> str:
        """Return the newest failure of a job, or an empty string."""
        ...

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        ...


class RefusedError(Exception):
    """A request that the API refuses, with its status and reason."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class Told(NamedTuple):
    """What the operator says of a FlinkDeployment and its job."""

    lifecycle: str
    job: str
    job_id: str | None = None
    error: str | None = None
    manager: str = "READY"


def replay_manifest(settings: Mapping[str, str]) -> str:
    """Return the manifest of a replay as a deployment hands it out, with these of a job's variables as settings.

    Those of no setting are left out, such as secrets.
    """
    known = {variable_name(location) for location, _ in describe(Settings)}
    lines = [line for line in REPLAY_SETTINGS.read_text().splitlines() if line.startswith("CALI_")]
    replay = {name: value for name, _, value in (line.partition("=") for line in lines)}
    deployment = yaml.safe_load(MANIFEST.read_text())
    (source,) = deployment["spec"]["podTemplate"]["spec"]["containers"][0]["envFrom"]
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": source["configMapRef"]["name"], "namespace": "cali"},
        "data": {name: value for name, value in settings.items() if name in known} | replay,
    }
    return yaml.safe_dump_all([config_map, deployment])


class Kubernetes(Part):
    """The API on a port of 127.0.0.1, and the operator behind it; both are threads of this process."""

    name = "kubernetes"

    def __init__(self, directory: Path, jobs: Jobs, port: int | None = None) -> None:
        """Make the part on `port`, or a free one; `jobs` is the Flink cluster, which has to run."""
        super().__init__(directory)
        self.port = port or free_port()
        self._jobs = jobs
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://{HOST}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The file with which a client finds the API; it holds a token."""
        return self.data / "kubeconfig"

    def start(self) -> None:
        """Listen, and write the kubeconfig."""
        self._begin(self.port)
        self.data.mkdir(parents=True, exist_ok=True)
        token = secrets.token_urlsafe(18)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(_kubeconfig(self.url, token)))
        self._server = _Server(self.port, token, Operator(self._jobs, self.data))
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name=self.name, daemon=True).start()

    def stop(self) -> None:
        """Close the port. Jobs end with their cluster."""
        self._starting.clear()
        if self._server:
            self._server.operator.stop()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def heal(self) -> None:
        """Do nothing: what is a thread of this process ends with it."""

    def fail(self, code: int, times: int) -> None:
        """Answer the next requests with an error, as an API server does that is busy or starts."""
        if self._server:
            self._server.fail(code, times)

    def addresses(self) -> dict[str, str]:
        """Return the API."""
        return {"Kubernetes API": self.url}

    def environment(self) -> dict[str, str]:
        """Return the variable with which clients find the API."""
        return {"KUBECONFIG": str(self.kubeconfig)}


class Operator:
    """Keeps FlinkDeployments, runs their jobs and tells how they are; each in a thread of its own."""

    def __init__(self, jobs: Jobs, folder: Path) -> None:
        """Make the operator; `folder` is for what pods would mount."""
        self._jobs = jobs
        self._folder = folder
        self._objects: dict[str, Object] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def create(self, given: Object) -> Object:
        """Keep a new FlinkDeployment and start its job.

        Raises:
            RefusedError: it is none, or there is one of its name.
        """
        name = _checked_name(given)
        with self._lock:
            if name in self._objects:
                raise RefusedError(409, "AlreadyExists", f'flinkdeployments.flink.apache.org "{name}" already exists')
            metadata = given["metadata"] | {
                "uid": str(uuid.uuid4()),
                "generation": 1,
                "creationTimestamp": _now(),
                "finalizers": [FINALIZER],
            }
            self._objects[name] = given | {"metadata": metadata}
        threading.Thread(target=self._reconcile, args=(name,), name=name, daemon=True).start()
        return self.get(name)

    def get(self, name: str) -> Object:
        """Return a FlinkDeployment as it is now.

        Raises:
            RefusedError: there is none of this name.
        """
        with self._lock:
            if name not in self._objects:
                raise RefusedError(404, "NotFound", f'flinkdeployments.flink.apache.org "{name}" not found')
            return json.loads(json.dumps(self._objects[name]))  # type: ignore[no-any-return]

    def items(self) -> list[Object]:
        """Return all FlinkDeployments."""
        with self._lock:
            return list(json.loads(json.dumps(list(self._objects.values()))))

    def delete(self, name: str) -> Object:
        """Mark a FlinkDeployment; it goes when its job has ended.

        Raises:
            RefusedError: there is none of this name.
        """
        self.get(name)
        with self._lock:
            self._objects[name]["metadata"].setdefault("deletionTimestamp", _now())
        return self.get(name)

    def stop(self) -> None:
        """Look after none of them any more."""
        self._stopped.set()

    def _reconcile(self, name: str) -> None:
        """Run the job of a FlinkDeployment, follow it, and let it go when it is deleted."""
        self._tell(name, Told("UPGRADING", "RECONCILING", manager="DEPLOYING"))
        job_id = self._deploy(name)
        while not self._stopped.is_set() and "deletionTimestamp" not in self.get(name)["metadata"]:
            if job_id:
                self._observe(name, job_id)
            self._stopped.wait(RECONCILE_SECONDS)
        if self._stopped.is_set():
            return
        if job_id and self._jobs.state(job_id) not in FINAL_STATES:
            self._jobs.cancel(job_id)
        with self._lock:
            del self._objects[name]

    def _deploy(self, name: str) -> str | None:
        """Submit the job; return its id. What ends before there is a job is told as Flink tells it of a failed one."""
        spec = self.get(name)["spec"]
        try:
            job_id = self._jobs.submit(env=self._variables(spec["podTemplate"]["spec"]), module=_module(spec["job"]))
        except FlinkError as error:
            self._tell(name, Told("FAILED", "FAILED", error=_error("ProgramAbortException", str(error))))
            return None
        self._tell(name, Told("DEPLOYED", "CREATED", job_id))
        return job_id

    def _observe(self, name: str, job_id: str) -> None:
        try:
            state = self._jobs.state(job_id)
        except FlinkError:
            self._tell(name, Told("DEPLOYED", "RECONCILING", job_id))
            return
        if state == "FAILED":
            error = _error("JobExecutionException", self._jobs.root_exception(job_id))
            self._tell(name, Told("FAILED", state, job_id, error))
            return
        # A job that somebody cancelled is taken for suspended.
        lifecycle = {"CANCELED": "SUSPENDED", "RUNNING": "STABLE", "FINISHED": "STABLE"}.get(state, "DEPLOYED")
        self._tell(name, Told(lifecycle, state, job_id))

    def _variables(self, pod: Object) -> dict[str, str]:
        """Return the variables of the main container. What it finds mounted is an empty folder of this machine."""
        (container,) = [each for each in pod["containers"] if each["name"] == MAIN_CONTAINER]
        mounted = {each["mountPath"]: self._folder / each["name"] for each in container.get("volumeMounts", [])}
        for folder in mounted.values():
            folder.mkdir(exist_ok=True)
        given = {each["name"]: each["value"] for each in container.get("env", [])}
        return {key: str(mounted.get(value, value)) for key, value in given.items()}

    def _tell(self, name: str, told: Told) -> None:
        status: Object = {
            "observedGeneration": 1,
            "lifecycleState": told.lifecycle,
            "jobManagerDeploymentStatus": told.manager,
            "jobStatus": {"state": told.job} | ({"jobId": told.job_id} if told.job_id else {}),
        }
        with self._lock:
            self._objects[name]["status"] = status | ({"error": told.error} if told.error else {})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, token: str, operator: Operator) -> None:
        self.token = token
        self.operator = operator
        self._faults: list[int] = []
        super().__init__((HOST, port), _Handler)

    def fail(self, code: int, times: int) -> None:
        self._faults += [code] * times

    def next_fault(self) -> int | None:
        return self._faults.pop(0) if self._faults else None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "cali-kubernetes"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(200, self._read)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(201, lambda: self._create(body))

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, lambda: self.server.operator.delete(self._name()))

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""

    def _read(self) -> Object:
        if self._path() == RESOURCE:
            return {"kind": "FlinkDeploymentList", "metadata": {}, "items": self.server.operator.items()}
        return self.server.operator.get(self._name())

    def _create(self, body: bytes) -> Object:
        if self._path() != RESOURCE:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        try:
            return self.server.operator.create(json.loads(body))
        except ValueError as error:
            raise RefusedError(400, "BadRequest", f"no JSON: {error}") from None

    def _answer(self, code: int, method: Callable[[], Object]) -> None:
        try:
            self._refuse_strangers()
            answer = method()
        except RefusedError as error:
            code = error.code
            answer = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "message": str(error),
                "reason": error.reason,
                "code": code,
            }
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse_strangers(self) -> None:
        given = self.headers.get("Authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        if (fault := self.server.next_fault()) is not None:
            raise RefusedError(fault, "InternalError", "an error on the server has prevented the request")

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _name(self) -> str:
        folder, _, name = self._path().rpartition("/")
        if folder != RESOURCE:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        return name


def _checked_name(given: Object) -> str:
    if (given.get("apiVersion"), given.get("kind")) != ("flink.apache.org/v1beta1", "FlinkDeployment"):
        raise RefusedError(400, "BadRequest", "the object is no flink.apache.org/v1beta1 FlinkDeployment")
    missing = [name for name in ("image", "flinkVersion", "podTemplate", "job") if name not in given.get("spec", {})]
    if missing:
        raise RefusedError(422, "Invalid", f"spec.{missing[0]}: Required value")
    name = given["metadata"].get("name", "")
    if not NAME.fullmatch(name):
        raise RefusedError(422, "Invalid", f'metadata.name: Invalid value: "{name}"')
    return str(name)


def _module(job: Object) -> str:
    """Return the Python module that Flink's driver is told to run: `-pym MODULE`."""
    arguments = list(job["args"])
    return str(arguments[arguments.index("-pym") + 1])


def _error(kind: str, message: str) -> str:
    """Return an exception as the operator writes it into a status."""
    return json.dumps({"type": f"org.apache.flink.{kind}", "message": message, "throwableList": []})


def _kubeconfig(url: str, token: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "cali-local",
        "clusters": [{"name": "cali-local", "cluster": {"server": url}}],
        "users": [{"name": "cali-local", "user": {"token": token}}],
        "contexts": [{"name": "cali-local", "context": {"cluster": "cali-local", "user": "cali-local"}}],
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
