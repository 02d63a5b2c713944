"""Posting to a webhook on a real socket, with all that may go wrong there."""

import contextlib
import email.utils
import json
import logging
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator

import pytest

from udfs.notify.outcomes import Failed, Rejected, RetryAfter, Sent, Unknown
from udfs.notify.slack import MAX_RETRY_AFTER_SECONDS, Slack, WebhookUrls

SECRET = "T0SECRET/B0SECRET/hidden"
NOW = 1_763_800_000.0
MESSAGE = {"text": "결제 실패"}


class Server:
    """Answers each connection with `behave`, and keeps the requests it read."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._behave = behave
        self._connections: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/services/{SECRET}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self.requests.append(read_request(connection))
                self._behave(connection)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._connections:
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def answer(status: int, body: bytes = b"ok", **headers: str) -> Callable[[socket.socket], None]:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    def behave(connection: socket.socket) -> None:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        connection.close()

    return behave


def hang(_: socket.socket) -> None:
    """Say nothing."""


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


Serve = Callable[[Callable[[socket.socket], None]], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(behave: Callable[[socket.socket], None]) -> Server:
        servers.append(Server(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def post(server: Server, timeout: float = 5.0) -> object:
    slack = Slack(WebhookUrls(server.url, {}), timeout)
    try:
        return slack.post("alerts", MESSAGE, NOW)
    finally:
        slack.close()


def test_a_message_arrives_as_json_and_is_sent(serve):
    server = serve(answer(200))
    assert post(server) == Sent()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /services/{SECRET} ".encode())
    assert b"Content-Type: application/json; charset=utf-8" in head
    assert json.loads(body) == MESSAGE


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        (email.utils.formatdate(NOW + 90, usegmt=True), 90.0),
        (email.utils.formatdate(NOW - 90, usegmt=True), 0.0),
        ("86400", MAX_RETRY_AFTER_SECONDS),
        ("9" * 400, MAX_RETRY_AFTER_SECONDS),
        ("-5", None),
        ("soon", None),
    ],
)
def test_a_retry_after_is_honoured_within_reason(serve, header, seconds):
    assert post(serve(answer(429, b"rate_limited", Retry_After=header))) == RetryAfter(seconds)


def test_a_429_may_leave_the_pause_to_us(serve):
    assert post(serve(answer(429))) == RetryAfter(None)


@pytest.mark.parametrize("status", [500, 503, 408, 425, 302, 401, 422])
def test_trouble_that_may_pass_is_a_failure(serve, status):
    assert post(serve(answer(status, b"", Location="http://127.0.0.1:9/elsewhere"))) == Failed(f"status {status}")


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b"invalid_blocks", "400 invalid_blocks"),
        (400, b"<html>the request was POST /services/T0SECRET</html>", "400"),
        (413, b"", "413"),
    ],
)
def test_a_refusal_tells_slacks_reason_and_nothing_else(serve, status, body, reason):
    assert post(serve(answer(status, body))) == Rejected(reason)


@pytest.mark.parametrize(
    ("status", "body"), [(403, b"action_prohibited"), (404, b"no_service"), (410, b"channel_is_archived")]
)
def test_a_webhook_that_is_gone_may_come_back(serve, status, body):
    assert post(serve(answer(status, body))) == Failed(f"status {status} {body.decode()}")


def test_no_answer_in_time_leaves_the_outcome_unknown(serve):
    assert post(serve(hang), timeout=0.2) == Unknown("ReadTimeout")


def test_a_reset_leaves_the_outcome_unknown(serve):
    assert post(serve(reset)) == Unknown("ConnectionError")


def test_a_connection_that_is_refused_is_a_failure(serve):
    server = serve(hang)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{unused.getsockname()[1]}/services/{SECRET}"
        assert post(server) == Failed("ConnectionError")


def test_an_answer_that_hangs_after_its_status_counts_by_its_status(serve):
    def behave(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")

    assert post(serve(behave), timeout=0.2) == Sent()


def test_each_channel_has_its_own_webhook_or_the_default(serve):
    default, own = serve(answer(200)), serve(answer(200))
    slack = Slack(WebhookUrls(default.url, {"payments": own.url}), 5.0)
    slack.post("alerts", MESSAGE, NOW)
    slack.post("payments", MESSAGE, NOW)
    slack.close()
    assert (len(default.requests), len(own.requests)) == (1, 1)


def test_a_channel_without_a_webhook_keeps_its_alerts():
    slack = Slack(WebhookUrls(None, {}), 1.0)
    assert slack.post("alerts", MESSAGE, NOW) == Failed("no webhook for the channel")
    slack.close()


@pytest.mark.parametrize("behave", [hang, reset, answer(500), answer(404, b"no_service"), answer(200)])
def test_the_webhook_is_in_no_log_and_no_outcome(serve, behave, caplog):
    with caplog.at_level(logging.DEBUG):
        outcome = post(serve(behave), timeout=0.2)
    assert "SECRET" not in repr(outcome) + caplog.text


@pytest.mark.parametrize(
    "url", [f"hooks.slack.example/{SECRET}", f"ftp://h/{SECRET}", f"https://h:x/{SECRET}", "https://"]
)
def test_what_is_no_url_is_refused_without_being_shown(url):
    with pytest.raises(ValueError, match="the webhook of channel 'payments' is not an http") as caught:
        WebhookUrls(None, {"payments": url})
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_webhooks_do_not_show_themselves():
    assert repr(WebhookUrls("https://h/SECRET", {"payments": "https://h/SECRET"})) == "WebhookUrls(own=['payments'])"
