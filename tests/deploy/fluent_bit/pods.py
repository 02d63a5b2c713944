"""As much of the Kubernetes API as Fluent Bit asks: one pod by its name."""

import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from local.ports import HOST

_POD = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/?]+)")


class KubernetesApi:
    """Answers with the labels of pods, given by namespace and name."""

    def __init__(self, labels: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
        self.asked: list[str] = []
        self._server = _Server((HOST, 0), _handler(labels, self.asked))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that was killed."""


def _handler(labels: Mapping[tuple[str, str], Mapping[str, str]], asked: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            found = _POD.match(self.path)
            names = (found[1], found[2]) if found else ("", "")
            body = json.dumps(_pod(*names, labels[names]) if names in labels else {"kind": "Status"}).encode()
            self.send_response(200 if names in labels else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _pod(namespace: str, name: str, labels: Mapping[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", "labels": dict(labels)},
        "spec": {"nodeName": "ip-10-0-1-23.ap-northeast-2.compute.internal", "containers": [{"name": "app"}]},
        "status": {"podIP": "10.0.1.99"},
    }
