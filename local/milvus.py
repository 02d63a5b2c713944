"""Milvus: the Milvus Lite server, one process that owns its files and speaks gRPC."""

import sys
from pathlib import Path

from local.part import SingleProcessPart
from local.ports import HOST, free_port, is_open


class Milvus(SingleProcessPart):
    """One Milvus Lite server."""

    name = "milvus"

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """Make the part on `port`, or a free one."""
        super().__init__(directory)
        self.port = port or free_port()

    @property
    def uri(self) -> str:
        """Endpoint for pymilvus."""
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        """Return the server's command line."""
        server = str(Path(sys.executable).with_name("milvus-lite"))
        return [
            sys.executable,
            server,
            "server",
            "--data-dir",
            str(self.data),
            "--host",
            HOST,
            "--port",
            str(self.port),
        ]

    def is_healthy(self) -> bool:
        """Say whether the server answers a request."""
        if not is_open(self.port):
            return False
        from pymilvus import MilvusClient, MilvusException  # noqa: PLC0415 - takes seconds to import

        try:
            client = MilvusClient(self.uri, timeout=5)
            client.has_collection("health")  # list_collections fails with this pair of client and server
            client.close()
        except MilvusException:
            return False
        return True

    def addresses(self) -> dict[str, str]:
        """Return the endpoint."""
        return {"Milvus": self.uri}

    def environment(self) -> dict[str, str]:
        """Return the endpoint."""
        return {"CALI_MILVUS__URI": self.uri}
