"""`ingest` in a real Flink job gives what its pure twin gives, each part on its own output."""

import base64
import gzip
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import IngestSettings, SourceSettings
from schemas.error_group import ServiceSecond
from udfs.fingerprint import load_fingerprint_rules
from udfs.frame import RawRecord, encode_frame
from udfs.ingest import Ingest
from udfs.meters import Meters
from udfs.redact import Redactor, load_redact_rules

ROOT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("ingest_job.py")
NOON = 1_795_348_800_000
GOOD = b'{"timestamp":"2026-11-22T12:00:00Z","level":"ERROR","service":"cart","log_content":"boom %d"}'

FRAMES = [
    encode_frame("s/shard-0", [RawRecord(str(index), NOON + index, GOOD % index) for index in range(100)]),
    encode_frame("s/shard-1", [RawRecord("1", NOON, b"\x00\xff{"), RawRecord("2", NOON, gzip.compress(GOOD % 7)[:-9])]),
    encode_frame("s/shard-1", [RawRecord("3", NOON + 5_000, b"[WARN] order-api: slow at 12:00:04")]),
    encode_frame("s/shard-2", []),
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """What the job emitted, by output."""
    folder = tmp_path_factory.mktemp("ingest")
    frames, results = folder / "frames", folder / "results"
    frames.write_text("\n".join(base64.b64encode(frame).decode() for frame in FRAMES))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALI_")}
    job = subprocess.run(  # noqa: S603 # our own script
        [sys.executable, str(JOB), str(frames), str(results)],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert job.returncode == 0, job.stderr[-4_000:]
    found: dict[str, list[bytes]] = defaultdict(list)
    for line in results.read_text().splitlines():
        name, _, body = line.partition(":")
        found[name].append(base64.b64decode(body))
    return found


@pytest.fixture(scope="module")
def twin() -> Ingest:
    """The same settings and rules, without Flink."""
    rules = load_fingerprint_rules()
    return Ingest(
        SourceSettings(),
        IngestSettings(max_line_bytes=2_048),
        Redactor(load_redact_rules()),
        rules,
        meters=Meters(OperatorId.INGEST),
        clock=time.time,
    )


@pytest.mark.parametrize("name", ["archive", "receipts", "dead_letters"])
def test_each_side_output_carries_the_chunks_of_its_kind(
    name: str, outputs: dict[str, list[bytes]], twin: Ingest
) -> None:
    expected = [chunk for frame in FRAMES for result in twin.process(frame) for chunk in getattr(result, name)]

    assert outputs[name] == expected
    assert expected


def test_the_main_output_carries_the_groups_keyed_by_service(outputs: dict[str, list[bytes]], twin: Ingest) -> None:
    expected = [second for frame in FRAMES for result in twin.process(frame) for second in result.seconds]

    rows = [json.loads(row) for row in outputs["main"]]

    assert [ServiceSecond.model_validate_json(body) for _, body in rows] == expected
    assert [key for key, _ in rows] == ["cart", "order-api"]
