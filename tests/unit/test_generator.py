"""The generator's ledger is true: the job's own ingest makes of a story what its manifest says."""

import io
import json
import random
from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

import orjson
import pytest

from local.generator.failures import FAILURES, Role
from local.generator.hostile import HOSTILE
from local.generator.records import Line, Packer, Record
from local.generator.send import (
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    KinesisStream,
    LineFile,
    NotSentError,
    batches,
    send,
)
from local.generator.services import SERVICE_NAMES
from local.generator.story import Options, Shape, Story
from local.generator.vocabulary import message
from local.ingest_stage import kinesis_stage
from udfs.chunk import chunk_lines
from udfs.frame import RawRecord, encode_frame

START_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z


class Kept:
    """A target that keeps records."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def put(self, records: Any, manifest: Any) -> None:
        self.records += records
        for record in records:
            manifest.put(record, START_MS)


class Told(NamedTuple):
    records: list[Record]
    manifest: Any
    documents: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]


def options(**changes: Any) -> Options:
    return Options(seed=7, lines=6_000, seconds=60.0, start_ms=START_MS)._replace(**changes)


def tell(chosen: Options) -> Told:
    target = Kept()
    manifest = send(Story(chosen), target, paced=False)
    raw = [RawRecord(f"{place:056d}", START_MS, record.data) for place, record in enumerate(target.records)]
    stage = kinesis_stage()
    frames = (encode_frame("s/0", raw[start : start + 500]) for start in range(0, len(raw), 500))
    results = [result for frame in frames for result in stage.process(frame)]
    documents = [orjson.loads(line) for result in results for chunk in result.archive for line in chunk_lines(chunk)]
    dead = [orjson.loads(line) for result in results for chunk in result.dead_letters for line in chunk_lines(chunk)]
    return Told(target.records, manifest, documents, dead)


@pytest.fixture(scope="module")
def story() -> Told:
    return tell(options())


def test_the_same_seed_tells_the_same_story_and_another_seed_another_one():
    def records(seed: int) -> list[bytes]:
        return [record.data for part in Story(options(seed=seed, lines=500)).slices() for record in part.records]

    assert records(7) == records(7)
    assert records(7) != records(8)


def test_every_line_is_archived_or_dead_as_the_manifest_says(story):
    assert len(story.documents) == story.manifest.lines
    assert len(story.dead_letters) == story.manifest.dead_letters
    assert len(story.records) == story.manifest.records
    assert story.manifest.lines >= 6_000


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_each_hostile_record_becomes_exactly_what_it_says(hostile):
    good = json.dumps(
        {"timestamp": "2026-11-22T12:00:00Z", "level": "INFO", "service": "auth", "log_content": "session opened"},
        separators=(",", ":"),
    ).encode()
    record = hostile.make(good)
    (result,) = kinesis_stage().process(encode_frame("s/0", [RawRecord("1", START_MS, record.data)]))
    assert sum(len(chunk_lines(chunk)) for chunk in result.archive) == record.lines
    assert sum(len(chunk_lines(chunk)) for chunk in result.dead_letters) == record.dead_letters
    assert result.seconds == []


def test_each_failure_has_one_fingerprint_of_its_own_and_nothing_else_is_an_error(story):
    found: dict[tuple[str, str], int] = Counter()
    for document in story.documents:
        if "fingerprint" in document:
            found[document["service.name"], document["fingerprint"]] += 1
    assert sorted((service, lines) for (service, _), lines in found.items()) == sorted(
        (failure.service, failure.lines) for failure in story.manifest.failures
    )
    assert len(found) == len(FAILURES)


def test_every_line_of_a_large_failure_has_the_same_fingerprint():
    for kind in FAILURES:
        told = tell(options(lines=1_000, failures=(kind._replace(lines=50_000),), hostile_copies=0))
        prints = {document["fingerprint"] for document in told.documents if "fingerprint" in document}
        assert len(prints) == 1, kind.name
        assert {document["severity_text"] for document in told.documents if "fingerprint" in document} == {
            kind.severity
        }


def test_no_planted_secret_is_archived(story):
    archive = json.dumps(story.documents)
    assert len(story.manifest.secrets) >= 8
    assert [secret for secret in story.manifest.secrets if secret in archive] == []
    plain = tell(options(text_only=True))
    sent = b"".join(record.data for record in plain.records)
    assert all(secret.encode() in sent for secret in plain.manifest.secrets)


def test_all_severities_and_all_services_have_their_say(story):
    assert {document["severity_text"] for document in story.documents} == {
        "TRACE",
        "DEBUG",
        "INFO",
        "WARN",
        "ERROR",
        "FATAL",
    }
    assert {document["service.name"] for document in story.documents} == set(SERVICE_NAMES)


def test_there_are_traces_of_fifteen_to_thirty_lines_in_java_and_python_and_text_that_is_no_json():
    traces = [kind for kind in FAILURES if kind.is_trace]
    for kind in traces:
        assert 15 <= kind.content.count("\n") + 1 <= 30, kind.name
    assert any("Caused by: " in kind.content and "\n\tat " in kind.content for kind in traces)
    assert any(kind.content.startswith("Traceback (most recent call last):") for kind in traces)
    assert any(kind.raw for kind in FAILURES)


def test_at_least_eight_failures_are_injected_and_every_gap_has_a_word():
    assert sum(kind.role is Role.INJECTED for kind in FAILURES) >= 8
    story = Story(options())
    for kind in FAILURES:
        assert kind.service in SERVICE_NAMES
        assert all(story._company._vocabulary.knows(gap) for gap in message(kind.content).gaps), kind.name


def test_failures_begin_at_moments_apart_and_background_at_the_start():
    first: dict[str, float] = {}
    for part in Story(options()).slices():
        for record in part.records:
            for name in record.kinds:
                first.setdefault(name, part.offset_seconds)
    onsets = sorted(first[kind.name] for kind in FAILURES if kind.role is not Role.BACKGROUND)
    assert all(later - earlier >= 2 for earlier, later in pairwise(onsets))
    assert all(first[kind.name] < onsets[0] for kind in FAILURES if kind.role is Role.BACKGROUND)


def test_lines_travel_alone_and_together_plain_gzip_and_zstd(story):
    forms = Counter(record.data[:2] for record in story.records if record.lines > 1)
    assert forms[b"\x1f\x8b"] > 10
    assert forms[b"\x28\xb5"] > 10
    assert forms[b'{"'] > 10
    assert any(record.lines == 1 for record in story.records)


def test_a_file_holds_one_line_a_record():
    stream = io.BytesIO()
    manifest = send(Story(options(text_only=True, lines=1_000)), LineFile(stream), paced=False)
    lines = stream.getvalue().split(b"\n")[:-1]
    assert len(lines) == manifest.records == manifest.lines + manifest.dead_letters
    assert manifest.dead_letters > 0


def test_a_million_equal_errors_have_one_fingerprint_and_different_ones_each_their_own():
    equal = tell(options(shape=Shape.EQUAL_ERRORS, lines=3_000))
    different = tell(options(shape=Shape.DIFFERENT_ERRORS, lines=3_000))
    assert len({document["fingerprint"] for document in equal.documents}) == 1
    assert len({document["fingerprint"] for document in different.documents}) == 3_000


def test_the_mixed_shape_is_nine_tenths_ordinary_and_a_fifth_of_its_errors_are_traces():
    told = tell(options(shape=Shape.MIXED, lines=10_000, text_only=True))
    errors = [document for document in told.documents if "fingerprint" in document]
    assert len(told.documents) == 10_000
    assert len(errors) == 1_000
    assert sum("\n" in document["body"] for document in errors) == 200


def test_batches_keep_the_limits_of_put_records():
    records = [Record(b"x" * size) for size in (*[10] * 1_200, *[1_000_000] * 9)]
    cut = list(batches(records))
    assert [record for batch in cut for record in batch] == records
    assert all(len(batch) <= MAX_BATCH_RECORDS for batch in cut)
    assert all(sum(len(record.data) for record in batch) <= MAX_BATCH_BYTES for batch in cut)


def test_a_large_line_never_makes_a_record_that_kinesis_refuses():
    lines = [Line(b"x" * 200_000) for _ in range(40)]
    records = list(Packer(random.Random(1), 20).pack(lines))  # noqa: S311 - made-up logs
    assert sum(record.lines for record in records) == 40
    assert max(len(record.data) for record in records) < 1_048_576


class Throttled:
    """A Kinesis client that refuses every second record, as often as told."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[bytes] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert StreamName == "logs"
        results: list[dict[str, str]] = []
        for place, entry in enumerate(Records):
            if self.refusals > 0 and place % 2 == 0:
                self.refusals -= 1
                results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
            else:
                self.taken.append(entry["Data"])
                results.append({"SequenceNumber": "1"})
        return {"Records": results}


def test_throttled_records_are_put_again_and_counted_once(monkeypatch):
    monkeypatch.setattr("local.generator.send._FIRST_PAUSE_SECONDS", 0)
    client = Throttled(refusals=70)
    chosen = options(lines=1_000, lines_per_record=1, seconds=1)
    manifest = send(Story(chosen), KinesisStream(client, "logs", 1), paced=False)
    sent = [record.data for part in Story(chosen).slices() for record in part.records]
    assert sorted(client.taken) == sorted(sent)
    assert manifest.records == len(sent)


def test_a_stream_that_takes_nothing_ends_the_sending(monkeypatch):
    monkeypatch.setattr("local.generator.send._FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setattr("local.generator.send._MOST_ATTEMPTS", 3)
    with pytest.raises(NotSentError, match="stream logs refused 1 records 3 times"):
        send(
            Story(options(lines=20, failures=(), hostile_copies=0)),
            KinesisStream(Throttled(10**9), "logs", 1),
            paced=False,
        )
