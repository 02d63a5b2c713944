"""A stand-in for the OpenAI API, for tests: it answers what it is told to, and counts."""

import json
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.part import Part
from local.ports import HOST, free_port

MODEL = "gpt-4o"
API_KEY = "cali-local"


class LlmStub(Part):
    """`POST /v1/chat/completions`, as far as the OpenAI client needs it. Runs in threads of the test itself."""

    name = "llm"

    def __init__(self, directory: Path, port: int | None = None) -> None:
        """Make the part on `port`, or a free one."""
        super().__init__(directory)
        self.port = port or free_port()
        self._server: _Server | None = None

    @property
    def base_url(self) -> str:
        """What the OpenAI client takes as `base_url`."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all calls, oldest first."""
        return list(self._running.requests)

    def answer(self, content: dict[str, Any] | str, *, status: int = 200, delay_seconds: float = 0.0) -> None:
        """Answer every call from now on with `content`: an object as structured output, a string as it is.

        Calls that hang get it too.
        """
        text = content if isinstance(content, str) else json.dumps(content)
        self._running.reply = _Reply(text, status, delay_seconds)
        self._running.released.set()

    def hang(self) -> None:
        """Take every call from now on and answer none until the next `answer`."""
        self._running.released.clear()

    def clear(self) -> None:
        """Forget the calls."""
        self._running.requests.clear()

    def start(self) -> None:
        """Listen."""
        self._begin(self.port)
        self._server = _Server(self.port)
        threading.Thread(target=self._server.serve_forever, name="llm-stub", daemon=True).start()

    def stop(self) -> None:
        """Answer what hangs, and close."""
        if self._server:
            self._server.released.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def heal(self) -> None:
        """Do nothing: threads of this process do not end by themselves."""

    def addresses(self) -> dict[str, str]:
        """Return the base URL."""
        return {"LLM stub": self.base_url}

    def environment(self) -> dict[str, str]:
        """Return what makes the job use the stub; not part of the stack's own environment."""
        return {"CALI_ANALYZE__BASE_URL": self.base_url, "CALI_OPENAI_API_KEY": API_KEY}

    @property
    def _running(self) -> "_Server":
        if self._server is None:
            raise RuntimeError("the LLM stub does not run")
        return self._server


@dataclass(frozen=True)
class _Reply:
    content: str
    status: int
    delay_seconds: float


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.requests: list[dict[str, Any]] = []
        self.reply = _Reply("{}", HTTPStatus.OK, 0.0)
        self.released = threading.Event()
        self.released.set()
        super().__init__((HOST, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.released.wait()
        reply = self.server.reply
        time.sleep(reply.delay_seconds)
        failed = {"error": {"message": reply.content}}
        self._send(reply.status, _completion(reply.content) if reply.status == HTTPStatus.OK else failed)

    def _send(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # the client gave up

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Log nothing: the calls are kept."""


def _completion(content: str) -> dict[str, Any]:
    """Return a chat completion: https://platform.openai.com/docs/api-reference/chat/object."""
    message = {"role": "assistant", "content": content, "refusal": None}
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
