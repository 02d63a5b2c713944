"""A real Fluent Bit with our configuration: files in, Kinesis records out, and on into the job's own ingest.

No package registry has the program, and it is not built here: where it is missing these tests are skipped, on CI too.
Run them with Fluent Bit 5.1 on PATH before its configuration or its version changes. What they say of the rules, the
model in `fluent_bit/multiline.py` says everywhere.
"""

import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import IngestSettings, SourceSettings
from tests.deploy.fluent_bit.configuration import FOLDER
from tests.deploy.fluent_bit.edge import Container, Edge
from tests.deploy.fluent_bit.ledger import LANGUAGES, Account, Ledger
from udfs.chunk import chunk_lines
from udfs.fingerprint import load_fingerprint_rules
from udfs.frame import RawRecord, encode_frame
from udfs.ingest import Ingest
from udfs.meters import Meters
from udfs.redact import Redactor, load_redact_rules

VERSION = "v5.1."
LAYOUTS = Path(__file__).parent / "fluent_bit" / "layouts"
LABELS = {"app.kubernetes.io/name": "cart", "app.kubernetes.io/version": "1.2.3"}
CART = "cart-5c689d88bb-qkz7n"
TRACES = 40


@pytest.fixture(scope="session")
def fluent_bit() -> str:
    program = shutil.which("fluent-bit")
    if program is None:
        pytest.skip(
            "fluent-bit is not on PATH, and no package registry has it: these tests are for who has Fluent Bit 5.1"
        )
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - as found
    if VERSION not in version:
        pytest.skip(f"the configuration is for Fluent Bit {VERSION}x, and this is {version.split()[2]}")
    return program


@pytest.fixture
def edge(fluent_bit: str, tmp_path: Path) -> Iterator[Edge]:
    with Edge(fluent_bit, tmp_path, {("shop", CART): LABELS}) as started:
        yield started


def test_the_program_does_what_the_model_says(edge: Edge) -> None:
    """Each file of layouts becomes the records that stand beside it, and those of a file keep its container's name."""
    expected: Counter[tuple[str, str]] = Counter()
    for path in sorted(LAYOUTS.glob("*.log")):
        edge.container("layouts", path.stem, "app").write(path.read_text().split("\n")[:-1])
        expected.update((path.stem, line) for line in path.with_suffix(".ndjson").read_text().splitlines())
    edge.start()

    records = edge.await_records(lambda found: len(found) >= expected.total(), seconds=30)

    assert Counter((record["k8s.pod.name"], _own_words(record)) for record in records) == expected


def _own_words(record: dict[str, Any]) -> str:
    same_for_all = ("service", "k8s.", "log.record.uid", "log.iostream", "timestamp")
    return json.dumps(
        {name: record[name] for name in sorted(record) if not name.startswith(same_for_all)}, ensure_ascii=False
    )


def test_what_arrives_is_read_by_the_job(edge: Edge) -> None:
    """Time, severity, service, pod and trace are in the job's document as they were in the container."""
    cart, nameless = edge.container("shop", CART, "app"), edge.container("shop", "pay-7d9f8b6c5b-x2x4k", "main")
    lines = Ledger().trace("java", 81723)
    cart.write(lines, "stdout")
    cart.write(
        [
            "2026년 11월 23일 오후 3시 11분 21초 [오류] 결제 승인 실패",
            '{"level":"warn","msg":"slow","service":"forged"}',
        ],
        "stderr",
    )
    nameless.write(["no time, no level, \x1b[31mred\x1b[0m, \x00 and \x7f", "ERROR: " + "x" * 200_000])
    edge.start()

    edge.await_records(lambda found: len(found) >= 5, seconds=30)
    documents, dead = _ingest(edge)
    assert _asked_by_alerts() <= {name.partition("{")[0] for name in edge.metrics()}

    assert not dead
    read = {document["body"].split("\n")[0][:40]: document for document in documents}
    trace = read["checkout of order 81723 failed"]
    assert (trace["severity_text"], trace["service.name"], trace["k8s.pod.name"]) == ("ERROR", "cart", CART)
    assert (trace["k8s.namespace.name"], trace["k8s.container.name"]) == ("shop", "app")
    assert (trace["exception.type"], trace["body"].count("\n")) == ("com.acme.shop.CheckoutException", len(lines) - 1)
    assert trace["attributes"]["logger"] == "c.a.shop.api.CheckoutController"
    assert "flags" not in trace
    assert abs(trace["arrival_time"] - time.time() * 1000) < 60_000
    assert (read["결제 승인 실패"]["severity_text"], read["결제 승인 실패"]["service.name"]) == ("ERROR", "cart")
    assert (read["slow"]["severity_text"], read["slow"]["service.name"]) == ("WARN", "cart")
    assert read["no time, no level, red, \x00 and \x7f"[:40]]["service.name"] == "pay"
    long = next(document for document in documents if document["body"].startswith("xxx"))
    assert (len(long["body"]), long["attributes"]["log.bytes"]) == (131_072 - len("ERROR: "), 200_007)


def test_nothing_is_lost_by_a_kill_a_stop_or_an_outage(edge: Edge) -> None:
    """Traces of four languages, written by turns while Fluent Bit dies and Kinesis is away, arrive whole."""
    ledger = Ledger()
    containers = {language: edge.container("shop", f"{language}-0", "app") for language in LANGUAGES}
    edge.start()
    _write(ledger, containers, range(TRACES))
    edge.kill()
    _write(ledger, containers, range(TRACES, 2 * TRACES))
    edge.start()
    _write(ledger, containers, range(2 * TRACES, 3 * TRACES))
    edge.stop()
    edge.front.close()
    edge.start()
    _write(ledger, containers, range(3 * TRACES, 4 * TRACES))
    edge.kill()
    edge.start()
    edge.front.open()

    account = ledger.account(edge.await_records(lambda found: not ledger.account(found).lost, seconds=45))

    assert account == Account(
        traces=4 * len(LANGUAGES) * TRACES, whole=account.whole, lost=0, extra=0, again=account.again
    )
    # The end of a chunk may fall into a trace; an interruption makes one more.
    assert account.whole >= account.traces - 4


def _asked_by_alerts() -> set[str]:
    rules = yaml.safe_load((FOLDER / "values.yaml").read_text())["prometheusRule"]["rules"]
    # Series that are there from the first such line on.
    later = {"fluentbit_input_long_line_truncated_total", "fluentbit_input_long_line_skipped_total"}
    return {name for rule in rules for name in re.findall(r"fluentbit_\w+", rule["expr"])} - later


def _write(ledger: Ledger, containers: dict[str, Container], numbers: range) -> None:
    """Write traces line by line, one after the other in each container and all containers by turns."""
    for number in numbers:
        for language, container in containers.items():
            container.write(ledger.trace(language, number), "stderr")


def _ingest(edge: Edge) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return documents and dead letters that the job makes of what is on the stream."""
    stage = Ingest(
        SourceSettings(),
        IngestSettings(),
        Redactor(load_redact_rules()),
        load_fingerprint_rules(),
        meters=Meters(OperatorId.INGEST),
        clock=time.time,
    )
    documents, dead = [], []
    for shard, payload in edge.payloads():
        arrival = int(payload["ApproximateArrivalTimestamp"].timestamp() * 1000)
        frame = encode_frame(f"cali-logs/{shard}", [RawRecord(payload["SequenceNumber"], arrival, payload["Data"])])
        for result in stage.process(frame):
            documents += [orjson.loads(line) for chunk in result.archive for line in chunk_lines(chunk)]
            dead += [orjson.loads(line) for chunk in result.dead_letters for line in chunk_lines(chunk)]
    return documents, dead
