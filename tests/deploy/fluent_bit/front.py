"""TLS in front of moto: Fluent Bit speaks to Kinesis in no other way."""

import datetime as dt
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.ports import HOST, free_port

_PASSED_ON = ("Content-Type", "X-Amz-Target", "Authorization", "X-Amz-Date")


class TlsFront:
    """Passes on requests that come to `port`, as long as it is open.

    One at a time: of two records that come at once, moto keeps one.
    """

    def __init__(self, directory: Path, behind: int) -> None:
        self.port = free_port()
        self.certificate = directory / "front.pem"
        _write_certificate(self.certificate)
        self._handler = _handler(_forwarder(behind))
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Let connections in."""
        self._server = _Server(self.port, self.certificate, self._handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Refuse connections, and end those that there are."""
        if self._server is not None:
            self._server.cut()
        self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, certificate: Path, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__((HOST, port), handler)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        # The handshake is for the connection's own thread.
        wrapped = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override] # there are no datagrams
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that were cut."""

    def cut(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in [*self._connections]:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it was closed a moment ago
                continue


Forward = Callable[[dict[str, str], bytes], tuple[int, bytes]]


def _forwarder(port: int) -> Forward:
    one_at_a_time = threading.Lock()

    def forward(headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        with one_at_a_time:
            connection = http.client.HTTPConnection(HOST, port)
            connection.request("POST", "/", body, headers)
            reply = connection.getresponse()
            answer = reply.status, reply.read()
            connection.close()
        return answer

    return forward


def _handler(forward: Forward) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            status, answer = forward(headers, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _write_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
