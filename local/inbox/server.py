"""The inbox over HTTP."""

import json
import socket
import struct
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import re2
from pydantic import ValidationError

from local.inbox.block_kit import RefusedError, check
from local.inbox.faults import Fault, Faults
from local.inbox.page import ASSETS, SECURITY_HEADERS, page
from local.inbox.store import Store
from local.ports import HOST

MAX_BODY_BYTES = 1_048_576
WEBHOOK_PARTS = 3
WEBHOOK = re2.compile(r"B[A-Z0-9_-]{1,80}")  # channel names are in lower case
TYPES = {"css": "text/css", "js": "text/javascript"}


class InboxServer(ThreadingHTTPServer):
    """Serves webhooks, page and API."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, token: str, channels: Sequence[str], messages: Path) -> None:
        """Listen on `port` of 127.0.0.1.

        Webhooks must end in `token`; `channels` are shown from the start; messages go to the file `messages` too.
        """
        self.token = token
        self.channels = channels
        self.store = Store(messages)
        self.faults = Faults()
        super().__init__((HOST, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: InboxServer
    protocol_version = "HTTP/1.1"
    server_version = "cali-inbox"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        if not self._is_from_here():
            return
        url = urlsplit(self.path)
        match url.path:
            case "/":
                self._send_page(parse_qs(url.query).get("channel", [None])[0])
            case "/inbox.css" | "/inbox.js":
                name = url.path[1:]
                self._send(200, ASSETS[name], TYPES[name.rpartition(".")[2]])
            case "/api/messages":
                self._send_json({"messages": self.server.store.messages()})
            case "/api/attempts":
                self._send_json({"attempts": self.server.store.attempts()})
            case "/api/faults":
                self._send_json(
                    {"faults": [each.model_dump() for each in self.server.faults.current(time.monotonic())]}
                )
            case _:
                self._send_text(404, "not_found")

    def do_DELETE(self) -> None:
        if not self._is_from_here():
            return
        match self.path:
            case "/api/messages":
                self.server.store.clear()
                self._send_json({})
            case "/api/faults":
                self.server.faults.clear()
                self._send_json({})
            case _:
                self._send_text(404, "not_found")

    def do_POST(self) -> None:
        body = self._read_body()
        if body is None or not self._is_from_here():
            return
        if self.path == "/api/faults":
            self._add_fault(body)
        elif self.path.startswith("/services/"):
            self._receive(body)
        else:
            self._send_text(404, "not_found")

    def _receive(self, body: bytes) -> None:
        """Take a webhook post as Slack does, or fail as told."""
        at_ms = time.time_ns() // 1_000_000
        channel = ""
        try:
            channel = self._channel()
            payload = _decode(body, self.headers.get("Content-Type", ""))
            fault = self.server.faults.take(channel, time.monotonic())
            if fault is None or not fault.status:
                check(payload)
        except RefusedError as refused:
            self.server.store.note(channel, at_ms, refused.status, str(refused), None)
            self._send_text(refused.status, refused.code)
            return
        message_id = None if fault and fault.loses_message else self.server.store.keep(channel, payload, at_ms)
        status = self._answer(fault)
        self.server.store.note(channel, at_ms, status, "ok" if status == HTTPStatus.OK else "fault", message_id)

    def _answer(self, fault: Fault | None) -> int | None:
        """Answer, under the fault if there is one; return the status sent."""
        if fault is None:
            self._send_text(200, "ok")
            return 200
        time.sleep(fault.delay_seconds)
        if fault.reset:
            self._reset()
            return None
        status = fault.status or 200
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        self._send_text(status, {200: "ok", 429: "rate_limited"}.get(status, "rollup_error"), headers)
        return status

    def _channel(self) -> str:
        """Return the channel of a webhook path, `/services/T…/B<CHANNEL>/<token>`.

        Raises:
            RefusedError: as Slack does for a webhook that it does not know.
        """
        parts = urlsplit(self.path).path.removeprefix("/services/").split("/")
        if len(parts) != WEBHOOK_PARTS or not parts[0].startswith("T"):
            raise RefusedError(404, "no_team", "the path is not /services/T…/B…/token")
        if not WEBHOOK.fullmatch(parts[1]):
            raise RefusedError(404, "no_service", "the second part is not B and a channel")
        if parts[2] != self.server.token:
            raise RefusedError(403, "invalid_token", "the token is not that of this inbox")
        return parts[1][1:].lower()

    def _add_fault(self, body: bytes) -> None:
        try:
            fault = Fault.model_validate_json(body)
        except ValidationError as error:
            self._send_text(400, str(error))
            return
        self.server.faults.add(fault, time.monotonic())
        self._send_json({})

    def _is_from_here(self) -> bool:
        """Refuse what a page of another site made a browser send."""
        own = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in own and (origin is None or urlsplit(origin).netloc in own):
            return True
        self._send_text(403, "action_prohibited")
        return False

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send_text(413 if length.isdigit() else 411, "invalid_payload")
            return None
        return self.rfile.read(int(length))

    def _send_page(self, channel: str | None) -> None:
        shown = page(self.server.store.messages(), self.server.channels, channel, zone=None)
        self._send(200, shown.encode(), "text/html")

    def _send_json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), "application/json")

    def _send_text(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, text.encode(), "text/plain", headers)

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in (SECURITY_HEADERS | (headers or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # the client did not wait for the answer

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Log nothing of the request line: it holds the webhook's token."""


def _decode(body: bytes, content_type: str) -> Any:
    """Return the payload of a post: JSON, or the form field `payload` with JSON in it."""
    try:
        if content_type.startswith("application/x-www-form-urlencoded"):
            return json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
        return json.loads(body)
    except (ValueError, KeyError, RecursionError) as error:
        raise RefusedError(400, "invalid_payload", "the body is not JSON") from error
