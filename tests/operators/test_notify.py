"""`notify` in a real Flink job against a webhook that listens on this machine."""

import json
import os
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobs.log_insight.settings import GateSettings, NotifySettings, Secrets, Settings, SettingsError, TrackSettings
from schemas.alert import Alert, AlertKind, Routed
from schemas.analysis import Analysis, AnalysisStatus, Evidence, KnowledgeKind
from schemas.incident import Incident
from schemas.incident_document import AlertState, IncidentDocument
from schemas.log_entry import Severity
from udfs.ids import alert_id
from udfs.operators.notify import policy, webhook_urls

pytestmark = pytest.mark.timeout(600)  # a job takes 10 s, or minutes on a machine with many others

ROOT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("notify_job.py")
CAUSE = "The pool is exhausted."
SECOND = 1_763_800_000
JOB_SECONDS = 240


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


def start_job(folder: Path, webhook: Webhook, routes: list[Routed], analyses: list[Analysis]) -> subprocess.Popen[str]:
    """Start a bounded job. Nothing listens on port 9: the ledger is gone, and alerts go out all the same."""
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
        "CALI_SLACK_WEBHOOK_URL": webhook.url,
    }
    return subprocess.Popen(  # noqa: S603 - a script of this folder
        [sys.executable, str(JOB), str(folder)], env=environment, cwd=folder, stderr=subprocess.PIPE, text=True
    )


def finish(job: subprocess.Popen[str]) -> str:
    """Wait for a job's end and return what it complained of; it must not outlive the test."""
    try:
        return job.communicate(timeout=JOB_SECONDS)[1]
    finally:
        job.kill()
        job.wait()


def posts(webhook: Webhook, number: int, job: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return the posts once there are so many, while the job goes on."""
    deadline = time.monotonic() + JOB_SECONDS
    while len(webhook.posts) < number and time.monotonic() < deadline and job.poll() is None:
        time.sleep(0.02)
    return list(webhook.posts)


def documents(folder: Path) -> list[IncidentDocument]:
    return [IncidentDocument.model_validate_json(line) for line in (folder / "output").read_bytes().splitlines()]


def titles(webhook: Webhook) -> list[str]:
    return [post["blocks"][1]["text"]["text"] for post in webhook.posts]


def test_a_bounded_run_ends_with_its_outbox_emptied_in_order(webhook: Webhook, tmp_path: Path) -> None:
    webhook.answers = [(429, {"Retry-After": "1"}), (500, {})]
    job = start_job(tmp_path, webhook, [routed(number) for number in range(5)], [])
    errors = finish(job)
    assert job.returncode == 0, errors
    assert titles(webhook) == [f"`failure {number}`" for number in range(5)]
    last = {document.id: document for document in documents(tmp_path)}
    assert [document.alert and document.alert.state for document in last.values()] == [AlertState.POSTED] * 5


def test_while_the_input_goes_on_alerts_go_out_and_a_late_analysis_follows(webhook: Webhook, tmp_path: Path) -> None:
    webhook.answers = [(500, {}), (429, {"Retry-After": "1"})]
    hold = tmp_path / "hold"
    hold.touch()
    job = start_job(tmp_path, webhook, [routed(1, analysis_expected=True), routed(2)], [analysis(1)])
    try:
        assert len(posts(webhook, 2, job)) == 2
        assert CAUSE not in json.dumps(webhook.posts)
        assert job.poll() is None, "the input has not ended"
    finally:
        hold.unlink()
    errors = finish(job)
    assert job.returncode == 0, errors
    assert sorted(titles(webhook)[:2]) == ["`failure 1`", "`failure 2`"]
    assert titles(webhook)[2:] == ["`failure 1`"]
    assert CAUSE in json.dumps(webhook.posts[2])
    last = {document.id: document for document in documents(tmp_path)}[incident(1).id]
    assert (last.alerts_posted, last.evidence_urls) == (2, ("https://runbooks.example/db-pool",))


def test_a_missing_webhook_is_an_error_that_says_what_to_set_unless_nothing_is_to_be_posted() -> None:
    routes = GateSettings(routes={"payment-api": "payments"})
    own = Secrets(slack_webhook_urls={"alerts": SecretStr("https://hooks.example/SECRET")})
    with pytest.raises(SettingsError, match=r"CALI_SLACK_WEBHOOK_URL: not set, .* none for payments; example: https"):
        webhook_urls(Settings(gate=routes), own)
    webhook_urls(Settings(gate=routes, notify=NotifySettings(enabled=False)), Secrets())


def test_a_webhook_that_is_no_url_is_an_error_that_does_not_show_it() -> None:
    token = uuid.uuid4().hex
    with pytest.raises(SettingsError, match=r"the default webhook is not an http\(s\) URL; example: https") as caught:
        webhook_urls(Settings(), Secrets(slack_webhook_url=SecretStr(f"hooks.example/{token}")))
    assert token not in "".join(traceback.format_exception(caught.value))


def test_incidents_are_remembered_for_three_times_the_longest_interval() -> None:
    track = TrackSettings(repeat_interval_seconds=7_200, resolve_after_seconds=600)
    assert policy(Settings(track=track)).retention_ms == 3 * 7_200_000
