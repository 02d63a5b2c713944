"""Pods that are processes: the part of Kubernetes' API that Airflow uses, with a real command behind each pod.

Airflow is not changed for it: its own client speaks to this server, with the rights that the cluster gives its
account, and what it sends must be a pod that Kubernetes would take. The container becomes a process: its arguments,
the variables of the pod's ConfigMaps and its own, what its service account brings along, its Secrets as files, its log
line by line, its exit code. A mount is a folder of this machine, so a variable that names a `mountPath` is changed to
name that folder.
"""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import kubernetes_validate
import yaml

from local.process import GUARD

KUBERNETES = "1.35"
#: What Kubernetes keeps of a log as the message of a container that failed, bytes.
MESSAGE_BYTES = 2048
#: The exit code of what SIGKILL has ended.
KILLED = 137
_PATH = re.compile(r"/api/v1/namespaces/cali/(pods|events)(?:/([^/]+))?(?:/(log))?")
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


@dataclass(frozen=True)
class Namespace:
    """What stands in the namespace of the pods: by name, variables or files of each object.

    `accounts` has the variables that EKS puts into pods of a service account, `token` those that stand for its token.
    """

    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]
    accounts: Mapping[str, Mapping[str, str]]
    token: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Right:
    """A rule of a Role: what may be done with which resources."""

    verbs: frozenset[str]
    resources: frozenset[str]


#: How long a pod that was deleted is still seen, seconds.
LINGERS = 2.0


class ProcessPods:
    """The server. `pods` are all that ever ran, in order; `asked` is what was done with what, `verb resource`."""

    def __init__(self, folder: Path, namespace: Namespace, rights: tuple[Right, ...], path: str) -> None:
        """Make the server; `path` is where commands are found, as PATH of the image."""
        self.folder = folder
        self.namespace = namespace
        self.rights = rights
        self.path = path
        self.pods: list[Pod] = []
        self.asked: set[str] = set()
        self.kills = 0
        self._here: dict[str, Pod] = {}
        self._server = _Server(self)

    def kill_next(self) -> None:
        """Have the next pod killed as soon as it runs, as a node does that runs out of memory."""
        self.kills += 1

    @contextmanager
    def serving(self) -> Iterator[Path]:
        """Serve, and yield the kubeconfig that leads here; pods that still run then are killed."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self._kubeconfig()
        finally:
            self._server.shutdown()
            self._server.server_close()
            for pod in self.pods:
                pod.kill()

    def create(self, manifest: dict[str, Any]) -> "Pod":
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        name = manifest["metadata"]["name"]
        pod = Pod(manifest, self.folder / name, self.namespace, self.path)
        self.pods.append(pod)
        self._here[name] = pod
        pod.start()
        if self.kills:
            self.kills -= 1
            pod.kill()
        return pod

    def matching(self, selector: str) -> list["Pod"]:
        return [pod for pod in self._here.values() if _selects(selector, pod.manifest["metadata"]["labels"])]

    def pod(self, name: str) -> "Pod":
        """Return a pod that was not deleted.

        Raises:
            KeyError: there is none of this name.
        """
        return self._here[name]

    def delete(self, name: str) -> None:
        """Kill a pod. As in Kubernetes it is there for a while, with how it ended, before it is gone."""
        self._here[name].kill()
        threading.Timer(LINGERS, self._here.pop, (name, None)).start()

    def may(self, verb: str, resource: str) -> bool:
        self.asked.add(f"{verb} {resource}")
        return any(verb in each.verbs and resource in each.resources for each in self.rights)

    def _kubeconfig(self) -> Path:
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "pods", "cluster": {"server": address}}],
            "users": [{"name": "airflow", "user": {}}],
            "contexts": [{"name": "pods", "context": {"cluster": "pods", "user": "airflow"}}],
            "current-context": "pods",
        }
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path


class Pod:
    """A pod with one container, which is a process."""

    def __init__(self, manifest: dict[str, Any], folder: Path, namespace: Namespace, path: str) -> None:
        self.manifest = manifest
        self.folder = folder
        self.lines: list[tuple[datetime, str]] = []
        self.ended = False
        self._is_killed = False
        self.news = threading.Condition()
        (self._container,) = manifest["spec"]["containers"]
        self._namespace = namespace
        self._path = path
        self._started = datetime.now(UTC)
        self._finished = self._started
        manifest["metadata"] |= {"uid": str(uuid4()), "creationTimestamp": _time(self._started)}

    @property
    def command(self) -> list[str]:
        """The container's arguments, with the pod's variables put in as Kubernetes does."""
        variables = self._variables()
        return [_expanded(each, variables) for each in self._container["args"]]

    @property
    def output(self) -> str:
        return "".join(f"{line}\n" for _, line in self.lines)

    def start(self) -> None:
        self.folder.mkdir(parents=True)
        environment = self._environment()
        program, *arguments = self.command
        guard = [sys.executable, "-I", "-S", str(GUARD), "0"]
        self._process = subprocess.Popen(  # noqa: S603 - the command under test
            [*guard, shutil.which(program, path=self._path) or program, *arguments],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )
        threading.Thread(target=self._follow, daemon=True).start()

    def kill(self) -> None:
        """Kill it with all that it has started; nothing where it has ended."""
        self._is_killed = self._is_killed or self._process.poll() is None
        cast("IO[str]", self._process.stdin).close()
        self._process.wait()

    def as_seen(self) -> dict[str, Any]:
        """Return the pod with its status."""
        with self.news:
            phase, state = self._state()
        container = {
            "name": self._container["name"],
            "image": self._container["image"],
            "imageID": "",
            "ready": not self.ended,
            "restartCount": 0,
            "state": state,
        }
        conditions = [{"type": "PodScheduled", "status": "True"}]
        status = {"phase": phase, "conditions": conditions, "startTime": _time(self._started)}
        return self.manifest | {"status": status | {"containerStatuses": [container]}}

    def followed(self) -> Iterator[str]:
        """Yield the log line by line, each with its time, until the process has ended."""
        seen = 0
        while True:
            with self.news:
                while not self.ended and len(self.lines) == seen:
                    self.news.wait()
                lines, ended = self.lines[seen:], self.ended
            yield from (f"{_time(at)} {line}\n" for at, line in lines)
            seen += len(lines)
            if ended:
                return

    def _state(self) -> tuple[str, dict[str, Any]]:
        if not self.ended:
            return "Running", {"running": {"startedAt": _time(self._started)}}
        code = KILLED if self._is_killed else self._process.returncode
        terminated = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": _time(self._started),
            "finishedAt": _time(self._finished),
        }
        if code and self._container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            terminated["message"] = self.output[-MESSAGE_BYTES:]
        return ("Failed" if code else "Succeeded"), {"terminated": terminated}

    def _follow(self) -> None:
        with cast("IO[str]", self._process.stdout) as output:
            for line in output:
                with self.news:
                    self.lines.append((datetime.now(UTC), line.rstrip("\n")))
                    self.news.notify_all()
        self._process.wait()
        with self.news:
            self._finished = datetime.now(UTC)
            self.ended = True
            self.news.notify_all()

    def _environment(self) -> dict[str, str]:
        """Return what the process sees: its own variables name folders of this machine for those that are mounted."""
        mounted = {each["mountPath"]: self._mounted(each["name"]) for each in self._container["volumeMounts"]}
        own = {name: _relocated(value, mounted) for name, value in self._own_variables().items()}
        return {"PATH": self._path, "HOME": "/", "TMPDIR": str(mounted["/tmp"])} | self._variables() | own  # noqa: S108 - the pod's

    def _variables(self) -> dict[str, str]:
        """Return the variables of the container, as Kubernetes puts them together."""
        spec = self.manifest["spec"]
        found: dict[str, str] = dict(self._namespace.accounts[spec["serviceAccountName"]])
        if spec["automountServiceAccountToken"]:
            found |= self._namespace.token
        for source in self._container.get("envFrom", []):
            found |= self._namespace.config_maps[source["configMapRef"]["name"]]
        return found | self._own_variables()

    def _own_variables(self) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self._container.get("env", [])}

    def _mounted(self, name: str) -> Path:
        """Return the folder that stands for a volume, with its files."""
        (volume,) = (each for each in self.manifest["spec"]["volumes"] if each["name"] == name)
        files: Mapping[str, str] = {}
        if "secret" in volume:
            files = self._namespace.secrets[volume["secret"]["secretName"]]
        if "configMap" in volume:
            files = self._namespace.config_maps[volume["configMap"]["name"]]
        folder = self.folder / "volumes" / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_text(content)
        return folder


def rights_of(account: str, namespace: str, access: Path) -> tuple[Right, ...]:
    """Return what the roles of a file allow a service account of a namespace in `cali`."""
    manifests = [each for each in yaml.safe_load_all(access.read_text()) if each]
    bound = {
        each["roleRef"]["name"]
        for each in manifests
        if each["kind"] == "RoleBinding"
        and {"kind": "ServiceAccount", "name": account, "namespace": namespace} in each["subjects"]
    }
    rules = [
        rule
        for each in manifests
        if each["kind"] == "Role" and each["metadata"]["name"] in bound
        for rule in each["rules"]
    ]
    return tuple(Right(frozenset(rule["verbs"]), frozenset(rule["resources"])) for rule in rules)


class _Handler(BaseHTTPRequestHandler):
    """A request of Airflow's client: may it be asked, and what is the answer."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        resource, name, log = self._target()
        if log:
            self._answer_if_allowed("get", "pods/log", lambda: self._log(name))
        elif name:
            self._answer_if_allowed("get", resource, lambda: self._pod(name))
        elif resource == "events":
            self._answer_if_allowed("list", resource, lambda: self._list("EventList", []))
        else:
            selector = parse_qs(urlsplit(self.path).query).get("labelSelector", [""])[0]
            found = self.server.pods.matching(selector)
            self._answer_if_allowed("list", resource, lambda: self._list("PodList", [each.as_seen() for each in found]))

    def do_POST(self) -> None:
        body = self._body()
        self._answer_if_allowed("create", self._target()[0], lambda: self._create(body))

    def do_PATCH(self) -> None:
        resource, name, _ = self._target()
        labels = self._body()["metadata"]["labels"]
        self._answer_if_allowed("patch", resource, lambda: self._label(name, labels))

    def do_DELETE(self) -> None:
        resource, name, _ = self._target()
        self._body()
        self._answer_if_allowed("delete", resource, lambda: self._delete(name))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer_if_allowed(self, verb: str, resource: str, answer: Callable[[], None]) -> None:
        if not self.server.pods.may(verb, resource):
            self._fail(403, f"the account of Airflow may not {verb} {resource}")
            return
        try:
            answer()
        except KeyError as error:
            self._fail(404, f"no pod {error}")

    def _create(self, manifest: dict[str, Any]) -> None:
        try:
            pod = self.server.pods.create(manifest)
        except kubernetes_validate.ValidationError as error:
            self._fail(422, str(error))
        else:
            self._answer(201, pod.as_seen())

    def _pod(self, name: str) -> None:
        self._answer(200, self.server.pods.pod(name).as_seen())

    def _label(self, name: str, labels: Mapping[str, str]) -> None:
        self.server.pods.pod(name).manifest["metadata"]["labels"] |= labels
        self._pod(name)

    def _delete(self, name: str) -> None:
        pod = self.server.pods.pod(name)
        self.server.pods.delete(name)
        self._answer(200, pod.as_seen())

    def _list(self, kind: str, items: list[dict[str, Any]]) -> None:
        self._answer(200, {"apiVersion": "v1", "kind": kind, "metadata": {}, "items": items})

    def _log(self, name: str) -> None:
        lines = self.server.pods.pod(name).followed()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in chain(lines, [""]):
            data = line.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _target(self) -> tuple[str, str, str]:
        """Return resource, name and whether its log is meant; empty where the path has none."""
        found = _PATH.fullmatch(urlsplit(self.path).path)
        if found is None:
            raise ValueError(f"nobody answers {self.path}")
        resource, name, log = found.groups(default="")
        return resource, name, log

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")

    def _fail(self, code: int, message: str) -> None:
        status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message}
        self._answer(code, status)

    def _answer(self, code: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    def __init__(self, pods: ProcessPods) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pods = pods


def _expanded(argument: str, variables: Mapping[str, str]) -> str:
    """Put variables in: `$(NAME)` is the variable's value, or stays where there is none, and `$$` is a dollar."""

    def replace(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return _REFERENCE.sub(replace, argument)


def _relocated(value: str, mounted: Mapping[str, Path]) -> str:
    for mount_path, folder in mounted.items():
        if value == mount_path or value.startswith(f"{mount_path}/"):
            return f"{folder}{value.removeprefix(mount_path)}"
    return value


def _selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Say whether labels fit a selector of the forms `a=b`, `a!=b` and `!a`."""
    for each in filter(None, selector.split(",")):
        name, unequal, value = each.partition("!=")
        if not unequal:
            name, _, value = each.partition("=")
        if each.startswith("!"):
            fits = each[1:] not in labels
        else:
            fits = (labels.get(name) != value) if unequal else (labels.get(name) == value)
        if not fits:
            return False
    return True


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
