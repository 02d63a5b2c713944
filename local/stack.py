"""The embedded stack as one thing."""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import IO, Self, TypeVar

from local.flink import Flink
from local.inbox import Inbox
from local.kubernetes import Kubernetes
from local.llm import LlmStub
from local.milvus import Milvus
from local.moto import Moto
from local.opensearch import OpenSearch
from local.part import Part
from local.paths import STACK_DIRECTORY
from local.prometheus import Prometheus

#: What the job needs, and so what is started by default.
PARTS = ("moto", "opensearch", "milvus", "inbox", "flink")
#: What may have a port chosen for it.
PORTED_PARTS = (*PARTS, Prometheus.name, LlmStub.name)
LOCK_FILE = "lock"
SUPERVISOR_LOG = "supervisor.log"
# The log is opened before the stack is; the rest of the folder is of the stack before.
KEPT = {LOCK_FILE, SUPERVISOR_LOG}

P = TypeVar("P", bound=Part)


def watched_parts() -> tuple[str, ...]:
    """Return the parts that are started by default, and Prometheus where it is installed."""
    return (*PARTS, Prometheus.name) if Prometheus.is_installed() else PARTS


class StackError(Exception):
    """The stack cannot be used as asked."""


class Stack:
    """All parts of the stack, below one folder, on ports of their own.

    Entering the context locks and empties the folder; nothing runs yet. `start` starts parts in parallel; a part that
    is used as an attribute (`stack.moto`) is started on first use. Leaving the context stops everything, and nothing
    outlives this process even if it is killed.
    """

    def __init__(
        self,
        directory: Path = STACK_DIRECTORY,
        *,
        ports: Mapping[str, int] | None = None,
        task_managers: int = 1,
        slots: int = 8,
        state_backend: str = "rocksdb",
        flink_configuration: Mapping[str, str] | None = None,
        channels: Sequence[str] = ("alerts",),
        llm: bool = False,
        watched: bool = True,
    ) -> None:
        """Make the stack; nothing is started.

        Args:
            directory: data and logs; one stack at a time.
            ports: by name of the part; free ones where not given. OpenSearch needs one of 9201 to 9299.
            task_managers: how many Flink TaskManagers to start.
            slots: of each TaskManager.
            state_backend: `rocksdb` or `hashmap`.
            flink_configuration: Flink options that go before the stack's own.
            channels: Slack channels with a webhook of their own; the first gets what has no route.
            llm: whether jobs ask the LLM stub. Else the extractive analyst answers.
            watched: whether Flink can be scraped where there is a Prometheus. Its reporter opens a port for each
                process, and Flink lets nobody choose an address for it: those ports are open on all of them.

        Raises:
            ValueError: a port is impossible, or of an unknown part.
        """
        given = dict(ports or {})
        if unknown := given.keys() - {*PORTED_PARTS}:
            raise ValueError(
                f"no part of the stack is called {', '.join(sorted(unknown))}; there are {', '.join(PORTED_PARTS)}"
            )
        self.directory = directory.resolve()
        self._moto = Moto(self.directory, given.get("moto"))
        self._opensearch = OpenSearch(self.directory, given.get("opensearch"))
        self._milvus = Milvus(self.directory, given.get("milvus"))
        self._inbox = Inbox(self.directory, given.get("inbox"), channels)
        self._llm = LlmStub(self.directory, given.get("llm"))
        self._llm_is_asked = llm
        self._prometheus = Prometheus(self.directory, given.get("prometheus"))
        self._flink = Flink(
            self.directory,
            self._environment_of_services(),
            port=given.get("flink"),
            task_managers=task_managers,
            slots=slots,
            state_backend=state_backend,
            configuration=flink_configuration,
            metrics_targets=self._prometheus.targets if watched and Prometheus.is_installed() else None,
        )
        self._kubernetes = Kubernetes(self.directory, self._flink)
        self._started: set[Part] = set()
        self._locks = {part: threading.Lock() for part in self._all_parts.values()}
        self._lock: IO[str] | None = None

    @property
    def moto(self) -> Moto:
        """Kinesis and S3; started on first use."""
        return self._running(self._moto)

    @property
    def opensearch(self) -> OpenSearch:
        """OpenSearch; started on first use."""
        return self._running(self._opensearch)

    @property
    def milvus(self) -> Milvus:
        """Milvus; started on first use."""
        return self._running(self._milvus)

    @property
    def inbox(self) -> Inbox:
        """The Slack inbox; started on first use."""
        return self._running(self._inbox)

    @property
    def llm(self) -> LlmStub:
        """The LLM stub; started on first use, never by `start` alone."""
        return self._running(self._llm)

    @property
    def flink(self) -> Flink:
        """The Flink cluster; started on first use, after moto, where its checkpoints go."""
        self._running(self._moto)
        if self._llm_is_asked:
            self._running(self._llm)
        return self._running(self._flink)

    @property
    def prometheus(self) -> Prometheus:
        """Prometheus; started on first use, after Flink, which it scrapes.

        Raises:
            PartError: it is not installed.
        """
        _ = self.flink
        return self._running(self._prometheus)

    @property
    def kubernetes(self) -> Kubernetes:
        """The stand-in for Kubernetes and the Flink operator; started on first use, after Flink, where its jobs run."""
        _ = self.flink
        return self._running(self._kubernetes)

    def start(self, parts: Iterable[str] = PARTS) -> None:
        """Start parts in parallel; return when all are healthy.

        Raises:
            PartError: one did not start; what runs is stopped when the context is left.
            StackError: the context was not entered, or a part's name is unknown.
        """
        wanted = [self._part(name) for name in parts]
        with ThreadPoolExecutor(max_workers=len(self._all_parts)) as pool:
            try:
                for started in [pool.submit(self._running, part) for part in wanted]:
                    started.result()
            except BaseException:
                self._stop_parts()  # lets the other threads end at once, also after Ctrl-C
                raise

    def heal(self) -> None:
        """Start again what has ended by itself of the parts that were started.

        Raises:
            PartError: it cannot be: what it held is lost.
        """
        for part in self._started:
            part.heal()

    def environment(self) -> dict[str, str]:
        """Return the `CALI_…` variables and credentials with which the job finds the stack, for client and cluster.

        Of Kubernetes, which the job does not need, only once it was started.
        """
        kubernetes = self._kubernetes.environment() if self._kubernetes in self._started else {}
        return self._environment_of_services() | self._flink.environment() | kubernetes

    def addresses(self) -> dict[str, str]:
        """Return what a person may open, of the parts that were started: label to address."""
        parts = (part for part in self._all_parts.values() if part in self._started)
        return {label: address for part in parts for label, address in part.addresses().items()}

    def __enter__(self) -> Self:
        """Lock and empty the folder.

        Raises:
            StackError: another stack uses it.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = _try_lock(self.directory)
        if self._lock is None:
            raise StackError(f"another stack runs in {self.directory}; `cali down` stops one that `cali up` started")
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        _empty(self.directory)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_parts()
        if self._lock:
            self._lock.close()
            self._lock = None

    @cached_property
    def _all_parts(self) -> dict[str, Part]:
        services: list[Part] = [self._moto, self._opensearch, self._milvus, self._inbox]
        parts = [*services, self._flink, self._kubernetes, self._prometheus, self._llm]
        return {part.name: part for part in parts}

    def _part(self, name: str) -> Part:
        if name not in self._all_parts:
            raise StackError(f"no part of the stack is called {name!r}; there are {', '.join(self._all_parts)}")
        return self._all_parts[name]

    def _running(self, part: P) -> P:
        with self._locks[part]:
            if part not in self._started:
                if self._lock is None:
                    raise StackError("the stack is used outside its context: with Stack() as stack: …")
                try:
                    part.start()
                except BaseException:
                    part.stop()
                    raise
                self._started.add(part)
        return part

    def _stop_parts(self) -> None:
        """Stop everything at the same time; a part that fails to stop does not keep the others."""
        with ThreadPoolExecutor(max_workers=len(self._all_parts)) as pool:
            stopping = [pool.submit(part.stop) for part in self._all_parts.values()]
        for stopped in stopping:
            stopped.result()

    def _environment_of_services(self) -> dict[str, str]:
        services: list[Part] = [self._moto, self._opensearch, self._milvus, self._inbox]
        services += [self._llm] if self._llm_is_asked else []
        return {name: value for part in services for name, value in part.environment().items()}


def lock_owner(directory: Path) -> int | None:
    """Return the process id of the stack that runs in the folder, or None."""
    if not (directory / LOCK_FILE).exists():
        return None
    lock = _try_lock(directory)
    if lock is None:
        return int((directory / LOCK_FILE).read_text() or 0)
    lock.close()
    return None


def _try_lock(directory: Path) -> IO[str] | None:
    lock = (directory / LOCK_FILE).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in KEPT:
            path.unlink()
