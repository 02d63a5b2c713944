"""`notify` in a real Flink job against a webhook that listens on this machine."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from schemas.alert import Alert, AlertKind, Routed
from schemas.analysis import Analysis, AnalysisStatus, Evidence, KnowledgeKind
from schemas.incident import Incident
from schemas.incident_document import AlertState, IncidentDocument
from schemas.log_entry import Severity
from udfs.ids import alert_id

ROOT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("notify_job.py")
CAUSE = "The pool is exhausted."
SECOND = 1_763_800_000


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted; answers with `answers`, one after the other, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/services/T/B/hidden"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        if status == 200:
            self.server.posts.append(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok" if status == 200 else b"error")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def incident(number: int, revision: int = 1) -> Incident:
    return Incident(
        id=f"{number:016x}",
        environment="test",
        rules_version="2026-01-01",
        fingerprint=f"{number:016x}",
        service="payment-api",
        severity=Severity.ERROR,
        title=f"failure {number}",
        template="failure <num>",
        started=SECOND,
        first_seen=SECOND * 1000,
        last_seen=SECOND * 1000 + 500,
        count=12,
        revision=revision,
    )


def routed(number: int, channel: str = "alerts", *, analysis_expected: bool = False) -> Routed:
    alert = Alert(
        id=alert_id(incident(number).id, channel, AlertKind.FIRING, 0),
        kind=AlertKind.FIRING,
        channel=channel,
        incident=incident(number),
        interval=0,
        raised_at=SECOND * 1000 + 5_000,
        analysis_expected=analysis_expected,
    )
    return Routed(channel=channel, incident=incident(number), alert=alert)


def analysis(number: int, channel: str = "alerts") -> Analysis:
    evidence = Evidence(
        id="r1",
        kind=KnowledgeKind.RUNBOOK,
        title="Database pool",
        url="https://runbooks.example/db-pool",
        date="2026-01-01",
        score=0.9,
    )
    return Analysis(
        incident_id=incident(number).id,
        channel=channel,
        status=AnalysisStatus.GROUNDED,
        analyst="extractive",
        cause=CAUSE,
        action="Raise its size.",
        evidence=(evidence,),
    )


def run_job(
    folder: Path, webhook: str | None, routes: list[Routed], analyses: list[Analysis], **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a bounded job to its end. Nothing listens on port 9: the ledger is gone, and alerts go out all the same."""
    (folder / "input").write_text(
        "".join(f'{{"routed": {one.model_dump_json()}}}\n' for one in routes)
        # An analysis of nothing keeps the second input from being empty.
        + "".join(f'{{"analysis": {one.model_dump_json()}}}\n' for one in [*analyses, analysis(999)])
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALI_")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "CALI_INDEX__URL": "http://127.0.0.1:9",
        "CALI_NOTIFY__MIN_POST_INTERVAL_SECONDS": "0.05",
        **({"CALI_SLACK_WEBHOOK_URL": webhook} if webhook else {}),
        **variables,
    }
    command = [sys.executable, str(JOB), str(folder / "input"), str(folder / "output")]
    return subprocess.run(  # noqa: S603 - a script of this folder
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )


def documents(folder: Path) -> list[IncidentDocument]:
    return [IncidentDocument.model_validate_json(line) for line in (folder / "output").read_bytes().splitlines()]


def titles(webhook: Webhook) -> list[str]:
    return [post["blocks"][1]["text"]["text"] for post in webhook.posts]


def test_a_bounded_run_ends_with_its_outbox_emptied_in_order(webhook: Webhook, tmp_path: Path) -> None:
    webhook.answers = [(429, {"Retry-After": "1"}), (500, {})]
    job = run_job(tmp_path, webhook.url, [routed(number) for number in range(5)], [])
    assert job.returncode == 0, job.stderr
    assert titles(webhook) == [f"`failure {number}`" for number in range(5)]
    last = {document.id: document for document in documents(tmp_path)}
    assert [document.alert and document.alert.state for document in last.values()] == [AlertState.POSTED] * 5


def test_each_incident_is_told_with_its_analysis_in_time_or_later(webhook: Webhook, tmp_path: Path) -> None:
    routes = [routed(number, analysis_expected=True) for number in range(3)]
    job = run_job(tmp_path, webhook.url, routes, [analysis(number) for number in range(3)])
    assert job.returncode == 0, job.stderr
    told = [title for title, post in zip(titles(webhook), webhook.posts, strict=True) if CAUSE in json.dumps(post)]
    assert sorted(told) == [f"`failure {number}`" for number in range(3)]
    last = {document.id: document for document in documents(tmp_path)}
    assert {document.evidence_urls for document in last.values()} == {("https://runbooks.example/db-pool",)}


def test_a_silent_run_needs_no_webhook_and_writes_the_documents(tmp_path: Path) -> None:
    routes = [routed(number) for number in range(3)]
    job = run_job(tmp_path, None, routes, [], CALI_NOTIFY__ENABLED="false")
    assert job.returncode == 0, job.stderr
    assert [document.version for document in documents(tmp_path)] == [1000, 1000, 1000]


def test_a_missing_webhook_stops_the_start_and_says_what_to_set(tmp_path: Path) -> None:
    job = run_job(tmp_path, None, [routed(1)], [])
    assert job.returncode != 0
    assert "CALI_SLACK_WEBHOOK_URL: not set, and CALI_SLACK_WEBHOOK_URLS has none for alerts" in job.stderr
