"""A node with Fluent Bit on it: container files, a Kubernetes API, Kinesis behind TLS, and the very configuration."""

import datetime as dt
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
import requests

from local.http import session
from local.moto import CREDENTIALS, REGION, STREAM, Moto
from local.part import clean_environment
from local.ports import HOST, free_port
from local.process import GuardedProcess
from tests.deploy.fluent_bit.front import TlsFront
from tests.deploy.fluent_bit.pods import KubernetesApi
from udfs.decode import unpack

CONFIGURATION = Path(__file__).parents[3] / "fluent-bit" / "fluent-bit.yaml"
START_SECONDS = 20.0
POLL_SECONDS = 0.5
MAX_RECORD = 10_485_760


class Container(NamedTuple):
    """A container, and the file that its runtime writes."""

    namespace: str
    pod: str
    name: str
    path: Path

    def write(self, lines: Iterable[str], stream: str = "stdout") -> None:
        """Append lines as containerd does, one write each."""
        with self.path.open("ab", buffering=0) as file:
            for line in lines:
                file.write(cri(line, stream))


def cri(line: str, stream: str = "stdout", flag: str = "F") -> bytes:
    """Return a line as the container runtime writes it."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S.%f}000Z {stream} {flag} {line}\n".encode()


class Edge:
    """Fluent Bit with its surroundings, all on 127.0.0.1. `program` is the path of the real one."""

    def __init__(self, program: str, directory: Path, labels: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
        self.directory = directory
        self.logs = directory / "containers"
        self.logs.mkdir(parents=True)
        self.log = directory / "fluent-bit.log"
        self.port = free_port()
        self.moto = Moto(directory / "moto")
        self.front = TlsFront(directory, self.moto.port)
        self.pods = KubernetesApi(labels)
        self.program = program
        (directory / "token").write_text("none")
        self._process: GuardedProcess | None = None

    def __enter__(self) -> Self:
        self.moto.__enter__()
        self.front.__enter__()
        self.pods.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.pods.__exit__()
        self.front.__exit__()
        self.moto.__exit__()

    def container(self, namespace: str, pod: str, name: str, number: int = 0) -> Container:
        """Return a container; `number` tells its restarts apart."""
        container_id = f"{zlib.crc32(f'{namespace}/{pod}/{name}/{number}'.encode()):08x}" * 8
        return Container(namespace, pod, name, self.logs / f"{pod}_{namespace}_{name}-{container_id}.log")

    def start(self) -> None:
        """Start Fluent Bit and return when it is up."""
        command = [self.program, "--config", str(CONFIGURATION)]
        self._process = GuardedProcess("fluent-bit", command, self.environment(), self.log)
        self._process.await_healthy(self._is_up, START_SECONDS)

    def stop(self) -> None:
        """Stop Fluent Bit as Kubernetes does."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End Fluent Bit with SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def environment(self) -> dict[str, str]:
        """Return what the configuration takes from the environment, and credentials that are none."""
        return (
            clean_environment(os.environ)
            | CREDENTIALS
            | {
                "AWS_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
                "KINESIS_STREAM": STREAM,
                "KINESIS_ENDPOINT": "localhost",
                "KINESIS_PORT": str(self.front.port),
                "CA_FILE": str(self.front.certificate),
                "LOG_DIR": str(self.logs),
                "STATE_DIR": str(self.directory / "state"),
                "BUFFER_SIZE": "1G",
                "KUBE_URL": self.pods.url,
                "SERVICE_ACCOUNT_DIR": str(self.directory),
                "HTTP_PORT": str(self.port),
            }
        )

    def metrics(self) -> dict[str, float]:
        """Return Fluent Bit's own metrics."""
        text = session().get(f"http://{HOST}:{self.port}/api/v2/metrics/prometheus", timeout=5).text
        lines = (line.rsplit(" ", 2) for line in text.splitlines() if line and not line.startswith("#"))
        return {parts[0]: float(parts[1]) for parts in lines}

    def payloads(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield shard and Kinesis record of all that is on the stream."""
        kinesis = self.moto.client("kinesis")
        for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
            asked = {"StreamName": STREAM, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
            while (reply := kinesis.get_records(ShardIterator=iterator, Limit=10_000))["Records"]:
                yield from ((shard["ShardId"], record) for record in reply["Records"])
                iterator = reply["NextShardIterator"]

    def records(self) -> list[dict[str, Any]]:
        """Return all records on the stream, unpacked and parsed."""
        texts = (unpack(payload["Data"], MAX_RECORD) for _, payload in self.payloads())
        return [orjson.loads(line) for text in texts for line in text.splitlines()]

    def await_records(self, is_enough: Callable[[list[dict[str, Any]]], bool], seconds: float) -> list[dict[str, Any]]:
        """Return the records on the stream as soon as there are enough, or when `seconds` have passed."""
        deadline = time.monotonic() + seconds
        while not is_enough(records := self.records()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return records

    def _is_up(self) -> bool:
        try:
            return session().get(f"http://{HOST}:{self.port}/api/v2/health", timeout=1).ok
        except requests.ConnectionError:
            return False
