"""A frame goes in; archive lines, receipts, dead letters and error groups come out, and nothing is lost on the way."""

import base64
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import Content, IngestSettings, SourceKind, SourceSettings
from schemas.error_group import ErrorGroup
from schemas.log_document import document_id
from schemas.receipt import Receipt
from udfs.account import MAX_CHUNK_BYTES
from udfs.chunk import HOUR_MS, chunk_hour, chunk_lines, hour_of
from udfs.combine import merge_groups
from udfs.fingerprint import load_fingerprint_rules
from udfs.frame import RawRecord, encode_frame
from udfs.ingest import Ingest, IngestResult
from udfs.meters import Meters
from udfs.redact import Redactor, load_redact_rules

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FLUENT_BIT = Path(__file__).parents[1] / "data" / "fluent-bit"
NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z
ORIGIN = "cali-logs/shardId-000000000000"
LIMITS = IngestSettings(max_line_bytes=2_048, max_record_bytes=50_000, max_record_lines=10_000)
GOOD = b'{"timestamp":"2026-11-22T12:00:00Z","level":"INFO","service":"cart","log_content":"the neighbour"}'

REDACTOR = Redactor(load_redact_rules())
RULES = load_fingerprint_rules()


def ingest(kind: SourceKind = SourceKind.KINESIS, content: Content = Content.RECORDS) -> Ingest:
    path = None if kind is SourceKind.KINESIS else "/archive"
    return Ingest(
        SourceSettings(kind=kind, content=content, path=path),
        LIMITS,
        REDACTOR,
        RULES,
        meters=Meters(OperatorId.INGEST),
        clock=time.time,
    )


LIVE = ingest()
REPLAY = ingest(SourceKind.FILE, Content.ARCHIVE)


def result_of(stage: Ingest, one_frame: bytes) -> IngestResult:
    (result,) = stage.process(one_frame)
    return result


def frame(payloads: Iterable[bytes], arrival: int = NOON) -> bytes:
    return encode_frame(
        ORIGIN, [RawRecord(str(100 + index), arrival, payload) for index, payload in enumerate(payloads)]
    )


def test_what_a_frame_holds_is_counted_by_its_end_severity_and_reason():
    meters = Meters(OperatorId.INGEST)
    stage = Ingest(SourceSettings(), LIMITS, REDACTOR, RULES, meters=meters, clock=lambda: NOON / 1000 + 7)
    error = GOOD.replace(b"INFO", b"ERROR")

    list(stage.process(frame([GOOD, error, error, b"[]", b""])))

    counted = {
        (series.name, *(value for _, value in series.labels)): meters.value(series) for series in meters.series()
    }
    assert {key: value for key, value in counted.items() if value and key[0].endswith(("_total", "_sum"))} == {
        ("cali_records_total", "archived"): 3,
        ("cali_records_total", "dead_letter"): 2,
        ("cali_entries_total", "INFO"): 1,
        ("cali_entries_total", "ERROR"): 2,
        ("cali_dead_letters_total", "parse.not_an_object"): 1,
        ("cali_dead_letters_total", "decode.empty_record"): 1,
        ("cali_batch_records_sum",): 5,
        ("cali_batch_bytes_sum",): len(frame([GOOD, error, error, b"[]", b""])),
        ("cali_arrival_lag_seconds_sum",): 7,
        **{("cali_cache_requests_total", "fingerprints", result): 1 for result in ("hit", "miss")},
    }


def lines(chunks: list[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for chunk in chunks for line in chunk_lines(chunk)]


def process(*payloads: bytes, arrival: int = NOON) -> IngestResult:
    return result_of(LIVE, frame(payloads, arrival))


def record(level: str, content: str, **fields: object) -> bytes:
    return orjson.dumps(
        {"timestamp": "2026-11-22T11:59:59Z", "level": level, "service": "cart", "log_content": content, **fields}
    )


def test_a_record_becomes_a_line_of_the_archive() -> None:
    (document,) = lines(process(record("INFO", "order 17 placed", pod="cart-1", basket={"size": 3})).archive)

    assert list(document.items()) == [
        ("id", f"{ORIGIN}:100:0"),
        ("arrival_time", NOON),
        ("severity_text", "INFO"),
        ("@timestamp", "2026-11-22T11:59:59Z"),
        ("service.name", "cart"),
        ("body", "order 17 placed"),
        ("rules_version", RULES.version),
        ("k8s.pod.name", "cart-1"),
        ("attributes", {"basket": {"size": 3}}),
    ]


@pytest.mark.parametrize(
    ("level", "goes"), [("DEBUG", False), ("INFO", False), ("WARN", True), ("ERROR", True), ("FATAL", True)]
)
def test_what_is_less_than_a_warning_stays_off_the_error_path(level: str, *, goes: bool) -> None:
    result = process(record(level, "boom 17"))
    (document,) = lines(result.archive)

    assert bool(result.seconds) is goes
    assert ("fingerprint" in document) is goes
    assert ("template" in document) is goes


def test_an_error_is_fingerprinted_and_counted() -> None:
    result = process(record("ERROR", "boom 17", pod="cart-1", trace_id="abc"), record("ERROR", "boom 18"))

    (second,) = result.seconds
    (group,) = second.groups
    documents = lines(result.archive)
    assert (second.service, second.second, group.count) == ("cart", NOON // 1000, 2)
    assert {document["fingerprint"] for document in documents} == {group.fingerprint}
    assert {document["template"] for document in documents} == {group.template} == {"boom <number>"}
    assert {exemplar.record_id for exemplar in group.exemplars} == {document["id"] for document in documents}
    assert {(exemplar.pod, exemplar.trace_id) for exemplar in group.exemplars} == {("cart-1", "abc"), (None, None)}


def test_a_trace_names_its_exception() -> None:
    trace = "java.io.IOException: reset\n\tat com.acme.A.b(A.java:1)"

    (document,) = lines(process(record("ERROR", trace)).archive)

    assert document["exception.type"] == "java.io.IOException"


def test_secrets_are_nowhere_in_what_comes_out() -> None:
    password, number = "hunter2hunter2", "4" + "1" * 15
    result = process(
        record("ERROR", f"card {number} password={password}", note=f"card {number}", login={"password": password}),
        record("INFO", f"password={password}", card=int(number)),
    )

    everything = b"".join((*result.archive, *result.receipts, *(second.to_bytes() for second in result.seconds)))
    assert password.encode() not in everything
    assert number.encode() not in everything
    first, second = lines(result.archive)
    assert first["body"] == "card <card> password=<secret>"
    assert first["attributes"] == {"note": "card <card>", "login": {"password": "<secret>"}}
    assert second["attributes"] == {"card": "<card>"}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_what_a_real_fluent_bit_sends_is_read(compression: str) -> None:
    result = process((FLUENT_BIT / f"aggregated.{compression}.bin").read_bytes(), GOOD)

    documents = lines(result.archive)
    assert not result.dead_letters
    assert [(entry["severity_text"], entry["service.name"], entry["body"].split("\n")[0]) for entry in documents] == [
        ("ERROR", "payment-api", "boom"),
        ("ERROR", "unknown", "java.lang.IllegalStateException: x"),
        ("INFO", "unknown", "hello"),
        ("ERROR", "unknown", "Traceback (most recent call last):"),
        ("ERROR", "unknown", "ValueError: bad"),
        ("INFO", "unknown", "bye"),
        ("INFO", "cart", "the neighbour"),
    ]
    assert [entry["id"] for entry in documents] == [f"{ORIGIN}:100:{line}" for line in range(6)] + [f"{ORIGIN}:101:0"]


def test_snappy_cannot_be_told_and_ends_in_dead_letters() -> None:
    payload = (FLUENT_BIT / "aggregated.snappy.bin").read_bytes()
    result = process(payload, GOOD)

    letters = lines(result.dead_letters)
    assert [document["body"] for document in lines(result.archive)] == ["the neighbour"]
    assert b"\n".join(base64.b64decode(letter["raw"]) for letter in letters) == payload.removesuffix(b"\n")


BOMB = bytes(5_000_000)
PACKED = GOOD + b"\n" + GOOD
BAD_INPUT = {
    "truncated JSON": (GOOD[:40], "parse", "invalid_json"),
    "service is a number": (b'{"service":5,"log_content":"x"}', "validate", "wrong_type"),
    "content is an object": (b'{"log_content":{}}', "validate", "wrong_type"),
    "content is null": (b'{"log_content":null}', "validate", "wrong_type"),
    "no content": (b'{"level":"INFO"}', "validate", "missing_field"),
    "an array": (b"[]", "parse", "not_an_object"),
    "NUL bytes": (b'{"log_content":"a\x00b"}', "parse", "nul_byte"),
    "invalid UTF-8": (b'{"log_content":"\xff"}', "parse", "invalid_utf8"),
    "words": (b"no level here", "parse", "no_reading"),
    "a line over the limit": (b'{"log_content":"%s"}' % (b"x" * 2_048), "parse", "line_too_long"),
    "nested too deep": (b'{"log_content":"x","a":%s%s}' % (b"[" * 900, b"]" * 900), "parse", "nested_too_deep"),
    "an empty record": (b"", "decode", "empty_record"),
    "white space": (b" \n\n", "decode", "empty_record"),
    "a gzip bomb": (gzip.compress(BOMB), "decode", "record_too_large"),
    "a zstd bomb": (zstandard.compress(BOMB), "decode", "record_too_large"),
    "many short lines": (gzip.compress(b"a\n" * 10_001), "decode", "too_many_lines"),
    "gzip cut short": (gzip.compress(PACKED)[:-9], "decode", "cut_short_gzip"),
    "zstd cut short": (zstandard.compress(PACKED)[:-3], "decode", "cut_short_zstd"),
    "garbage behind gzip": (gzip.compress(PACKED) + b"x", "decode", "trailing_garbage_gzip"),
    "garbage behind zstd": (zstandard.compress(PACKED) + b"x", "decode", "trailing_garbage_zstd"),
    "zstd that is none": (b"\x28\xb5\x2f\xfdxxxxxxxxxxxx", "decode", "broken_zstd"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_one_dead_letter_and_the_neighbours_are_unharmed(name: str) -> None:
    payload, stage, error_type = BAD_INPUT[name]

    result = process(GOOD, payload, GOOD)

    (letter,) = lines(result.dead_letters)
    assert (letter["id"], letter["arrival_time"]) == (f"{ORIGIN}:101:0", NOON)
    assert (letter["stage"], letter["error_type"]) == (stage, error_type)
    assert letter["reason"]
    assert base64.b64decode(letter["raw"]) == payload
    assert letter["size"] == len(payload)
    assert [document["id"] for document in lines(result.archive)] == [f"{ORIGIN}:100:0", f"{ORIGIN}:102:0"]
    receipt = Receipt.model_validate(lines(result.receipts)[0])
    assert (receipt.records, receipt.lines, receipt.archived, receipt.dead) == (3, 3, 2, 1)
    assert receipt.errors == {f"{stage}.{error_type}": 1}


@pytest.mark.parametrize("name", [name for name, case in BAD_INPUT.items() if case[1] != "decode"])
def test_a_bad_line_does_not_harm_the_other_lines_of_its_record(name: str) -> None:
    payload, _, error_type = BAD_INPUT[name]

    result = process(b"\n".join((GOOD, payload, GOOD)))

    (letter,) = lines(result.dead_letters)
    assert (letter["id"], letter["error_type"]) == (f"{ORIGIN}:100:1", error_type)
    assert base64.b64decode(letter["raw"]) == payload
    assert [document["id"] for document in lines(result.archive)] == [f"{ORIGIN}:100:0", f"{ORIGIN}:100:2"]


def test_what_was_packed_twice_is_dead_and_the_neighbours_are_unharmed() -> None:
    result = process(GOOD, gzip.compress(gzip.compress(PACKED)), GOOD)

    assert {letter["stage"] for letter in lines(result.dead_letters)} == {"parse"}
    assert [document["id"] for document in lines(result.archive)] == [f"{ORIGIN}:100:0", f"{ORIGIN}:102:0"]


def test_numbers_that_json_of_others_cannot_hold_do_no_harm() -> None:
    odd = b'{"level":"INFO","log_content":"x","n":%s,"m":-%s,"f":1e999,"g":NaN,"h":"\\ud800"}' % (b"9" * 30, b"9" * 30)

    document, _ = lines(process(odd, GOOD).archive)

    assert document["attributes"] == {"n": "9" * 30, "m": "-" + "9" * 30, "f": None, "g": None, "h": "�"}


def test_an_id_is_found_in_its_line_whatever_the_origin_is_called() -> None:
    odd = 'a "file", \\ with\nall of "arrival_time": 한글'
    frame_of_odd = encode_frame(odd, [RawRecord("7", NOON, GOOD)])

    (line,) = chunk_lines(result_of(LIVE, frame_of_odd).archive[0])

    assert document_id(line) == orjson.loads(line)["id"] == f"{odd}:7:0"


def test_a_line_that_is_no_document_has_no_id() -> None:
    with pytest.raises(ValueError, match="not a log document"):
        document_id(b'{"_id":"x"}')


def test_lines_of_different_hours_go_apart_each_with_its_receipt() -> None:
    records = [RawRecord(str(index), NOON + index * HOUR_MS // 2, GOOD) for index in range(4)]
    records.append(RawRecord("4", NOON + HOUR_MS, b"{"))

    result = result_of(LIVE, encode_frame(ORIGIN, records))

    assert [(chunk_hour(chunk), len(chunk_lines(chunk))) for chunk in result.archive] == [
        (NOON, 2),
        (NOON + HOUR_MS, 2),
    ]
    assert [chunk_hour(chunk) for chunk in result.dead_letters] == [NOON + HOUR_MS]
    first, second = (Receipt.model_validate(receipt) for receipt in lines(result.receipts))
    assert (first.hour, first.records, first.archived, first.dead) == (NOON, 2, 2, 0)
    assert (first.first_sequence, first.last_sequence) == ("0", "1")
    assert (second.hour, second.records, second.archived, second.dead) == (NOON + HOUR_MS, 3, 2, 1)
    assert (second.first_sequence, second.last_sequence) == ("2", "4")
    assert (second.first_arrival, second.last_arrival) == (NOON + HOUR_MS, NOON + 3 * HOUR_MS // 2)


def chained(receipts: Iterable[dict[str, Any]]) -> list[tuple[int, str, str]]:
    return [(receipt["hour"], receipt["after"], receipt["last_sequence"]) for receipt in receipts]


def test_receipts_are_chained_by_what_was_read_before_through_the_hours_of_a_frame() -> None:
    records = [RawRecord(str(index), NOON + index * HOUR_MS // 2, GOOD) for index in range(8, 12)]

    result = result_of(LIVE, encode_frame(ORIGIN, records, after="7"))

    assert chained(lines(result.receipts)) == [(NOON + 4 * HOUR_MS, "7", "9"), (NOON + 5 * HOUR_MS, "9", "11")]


def test_the_chain_is_in_the_order_of_the_frame_where_arrival_times_are_not() -> None:
    records = [RawRecord("8", NOON + 1, GOOD), RawRecord("9", NOON - 1, GOOD)]

    result = result_of(LIVE, encode_frame(ORIGIN, records, after="7"))

    assert chained(lines(result.receipts)) == [(NOON, "7", "8"), (NOON - HOUR_MS, "8", "9")]


def test_the_last_record_of_a_frame_is_its_last_sequence_however_it_died() -> None:
    broken, bad_line = gzip.compress(GOOD)[:-9], b"{"

    (receipt,) = lines(process(GOOD, broken, bad_line, broken).receipts)

    assert (receipt["dead"], receipt["first_sequence"], receipt["last_sequence"]) == (3, "100", "103")


def test_a_receipt_accounts_for_every_line() -> None:
    packed = gzip.compress(b"\n".join([record("ERROR", "boom"), b"{", *[GOOD] * 200]))

    (receipt,) = lines(process(GOOD, packed, b"", record("WARN", "slow")).receipts)

    assert receipt == {
        "origin": ORIGIN,
        "hour": NOON,
        "after": "",
        "first_sequence": "100",
        "last_sequence": "103",
        "first_arrival": NOON,
        "last_arrival": NOON,
        "records": 4,
        "lines": 205,
        "archived": 203,
        "dead": 2,
        "severities": {"INFO": 201, "ERROR": 1, "WARN": 1},
        "errors": {"parse.invalid_json": 1, "decode.empty_record": 1},
        "rules_version": RULES.version,
    }


def test_an_empty_frame_leaves_nothing() -> None:
    assert process() == IngestResult([], [], [], [])


def test_chunks_are_bounded() -> None:
    payloads = [record("INFO", "x" * 1_800) for _ in range(3_000)]

    chunks = process(*payloads).archive

    assert len(chunks) > 1
    assert all(len(chunk) <= MAX_CHUNK_BYTES + 8 for chunk in chunks)
    assert [entry["id"] for entry in lines(chunks)] == [f"{ORIGIN}:{100 + index}:0" for index in range(3_000)]


def test_in_files_of_records_history_is_counted_by_its_own_time() -> None:
    result = result_of(
        ingest(SourceKind.FILE),
        frame(
            [
                record("ERROR", "old", timestamp="2020-01-01T00:00:01.5Z"),
                record("ERROR", "unsure", timestamp="01:00:00"),
            ]
        ),
    )

    assert [(entry["arrival_time"], entry.get("flags")) for entry in lines(result.archive)] == [
        (1_577_836_801_500, None),
        (NOON, ["time_without_date"]),
    ]
    assert sorted(second.second for second in result.seconds) == [1_577_836_801, NOON // 1000]
    assert sorted(chunk_hour(chunk) for chunk in result.archive) == [hour_of(1_577_836_801_500), NOON]


def replay(result: IngestResult) -> IngestResult:
    archived = [line for chunk in result.archive for line in chunk_lines(chunk)]
    records = [RawRecord(str(index), NOON + 10 * HOUR_MS, line) for index, line in enumerate(archived)]
    return result_of(REPLAY, encode_frame("/archive/part-0.gz", records))


def test_a_replay_from_the_archive_gives_what_the_live_job_gave() -> None:
    fluent_bit = [(FLUENT_BIT / f"aggregated.{name}.bin").read_bytes() for name in ("none", "gzip", "zstd")]
    hostile = [case[0] for case in BAD_INPUT.values()]
    errors = [record("ERROR", f"boom {index} password=x{index} at 14:00:0{index % 10}") for index in range(200)]
    live = process(*fluent_bit, *hostile, *errors, record("WARN", "bob@example.com 010-1234-5678", token="t"))

    again = replay(live)

    assert not again.dead_letters
    assert lines(again.archive) == lines(live.archive)
    assert again.seconds == live.seconds


@pytest.mark.parametrize(
    ("changed", "error_type"),
    [
        ({"severity_text": "LOUD"}, "not_a_document"),
        ({"severity_text": None}, "not_a_document"),
        ({"arrival_time": "12"}, "not_a_document"),
        ({"arrival_time": -1}, "not_a_document"),
        ({"arrival_time": 10**18}, "not_a_document"),
        ({"id": ""}, "not_a_document"),
        ({"body": 7}, "not_a_document"),
        ({"service.name": None}, "not_a_document"),
        ({"flags": "x"}, "not_a_document"),
    ],
)
def test_a_doubtful_line_of_an_archive_is_a_dead_letter(changed: dict[str, Any], error_type: str) -> None:
    (document,) = lines(process(GOOD).archive)
    doubtful = orjson.dumps(document | changed)

    result = result_of(REPLAY, frame([doubtful, orjson.dumps(document), b"{", b"[1]", GOOD]))

    letters = lines(result.dead_letters)
    assert [letter["error_type"] for letter in letters] == [error_type, "invalid_json", *["not_a_document"] * 2]
    assert lines(result.archive) == [document]


def test_a_line_that_older_rules_wrote_is_read_by_the_rules_of_today() -> None:
    (document,) = lines(process(record("ERROR", "boom 17")).archive)
    older = {"rules_version": "old", "fingerprint": "f" * 16, "template": "old", "exception.type": "Old"}
    leaking = document | older | {"body": "boom 17", "attributes": {"password": "x"}}

    (again,) = lines(result_of(REPLAY, frame([orjson.dumps(leaking)])).archive)

    assert again == document | {"attributes": {"password": "<secret>"}}


#: Payloads that are nearly right, in all the ways there are.
NEARLY_RIGHT = st.one_of(
    st.sampled_from([case[0] for case in BAD_INPUT.values()]),
    st.sampled_from([GOOD, record("ERROR", "boom"), b"[ERROR] cart: boom at 14:00:01", b"INFO x", b"\n"]),
    st.dictionaries(
        st.sampled_from(["log_content", "level", "service", "timestamp", "kubernetes", "stack", "other", "password"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
            lambda children: (
                st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
            ),
            max_leaves=5,
        ),
    ).map(lambda fields: json.dumps(fields).encode()),
)
PAYLOADS = st.lists(
    st.one_of(
        st.binary(max_size=120),
        NEARLY_RIGHT,
        st.lists(NEARLY_RIGHT, max_size=4).map(b"\n".join),
        st.lists(NEARLY_RIGHT, max_size=4).map(b"\n".join).map(gzip.compress),
        st.lists(NEARLY_RIGHT, max_size=4).map(b"\n".join).map(zstandard.compress),
    ),
    max_size=6,
)


@patient
@given(PAYLOADS)
def test_every_line_of_any_bytes_is_archived_or_dead_exactly_once(payloads: list[bytes]) -> None:
    result = process(*payloads)

    archived, dead = lines(result.archive), lines(result.dead_letters)
    ids = Counter(entry["id"] for entry in (*archived, *dead))
    assert {record_id.split(":")[1] for record_id in ids} == {str(100 + index) for index in range(len(payloads))}
    assert set(ids.values()) <= {1}
    receipts = [Receipt.model_validate(receipt) for receipt in lines(result.receipts)]
    assert sum(receipt.lines for receipt in receipts) == len(ids)
    assert sum(receipt.records for receipt in receipts) == len(payloads)
    assert sum(receipt.archived for receipt in receipts) == len(archived)
    errors = [entry for entry in archived if entry["severity_text"] in {"WARN", "ERROR", "FATAL"}]
    assert sum(group.count for second in result.seconds for group in second.groups) == len(errors)


@patient
@given(PAYLOADS)
def test_any_bytes_that_are_archived_replay_to_the_same(payloads: list[bytes]) -> None:
    live = process(*payloads)
    again = replay(live)

    assert not again.dead_letters
    assert again.archive == live.archive
    assert again.seconds == live.seconds


@patient
@given(st.lists(NEARLY_RIGHT, min_size=1, max_size=8), st.integers(0, 8))
def test_where_a_frame_ends_does_not_matter(payloads: list[bytes], border: int) -> None:
    records = [RawRecord(str(100 + index), NOON, payload) for index, payload in enumerate(payloads)]

    whole = result_of(LIVE, encode_frame(ORIGIN, records))
    parts = [result_of(LIVE, encode_frame(ORIGIN, part)) for part in (records[:border], records[border:])]

    assert lines(whole.archive) == [line for part in parts for line in lines(part.archive)]
    assert by_id(lines(whole.dead_letters)) == by_id([line for part in parts for line in lines(part.dead_letters)])
    assert groups(whole) == groups(*parts)


def by_id(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=itemgetter("id"))


def groups(*results: IngestResult) -> dict[tuple[str, int, str], ErrorGroup]:
    merged: dict[tuple[str, int, str], ErrorGroup] = {}
    for result in results:
        for second in result.seconds:
            for group in second.groups:
                key = (second.service, second.second, group.fingerprint)
                merged[key] = merge_groups(merged[key], group) if key in merged else group
    return merged


def test_of_a_frame_of_bombs_under_the_limit_only_a_part_is_held_at_a_time() -> None:
    bombs = [
        gzip.compress(b"\n".join(record("ERROR", f"{name} {'x' * 2_000} {number:04d}") for number in range(4_000)))
        for name in "abcd"
    ]

    stage = Ingest(
        SourceSettings(), IngestSettings(), REDACTOR, RULES, meters=Meters(OperatorId.INGEST), clock=time.time
    )

    results = list(stage.process(frame(bombs)))

    assert len(results) > 2
    assert all(sum(map(len, result.archive)) < 16_000_000 for result in results)
    assert not any(result.receipts for result in results[:-1])
    groups = [group for result in results for second in result.seconds for group in second.groups]
    assert sum(group.count for group in groups) == 16_000
    assert all(sum(len(second.groups) for second in result.seconds) < 8_000 for result in results)
    (receipt,) = lines(results[-1].receipts)
    assert (
        receipt["archived"] == sum(len(chunk_lines(chunk)) for result in results for chunk in result.archive) == 16_000
    )
