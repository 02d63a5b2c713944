"""Lines become entries: JSON under the names of common loggers, or a text that says its level."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.log_entry import LogEntry
from udfs.errors import BadInputError, ParseError, ValidateError
from udfs.parse import complete, read_entries, read_entry
from udfs.text import read_header, read_text

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LIMIT = 10_000
GOOD = b'{"timestamp":"2026-11-22T14:00:00Z","level":"INFO","service":"cart","log_content":"ok"}'


def read(fields: dict[str, Any]) -> LogEntry:
    entry = read_entry(json.dumps(fields).encode(), LIMIT)
    complete(entry)
    return entry


def error_of(line: bytes) -> BadInputError:
    with pytest.raises(BadInputError) as caught:
        read_entry(line, LIMIT)
    return caught.value


def test_the_fields_of_a_record_are_read_and_the_others_kept() -> None:
    entry = read({"timestamp": "14:00:01", "level": "ERROR", "service": "cart", "log_content": "x", "order": {"id": 7}})

    assert (entry.timestamp, entry.level, entry.service, entry.log_content) == ("14:00:01", "ERROR", "cart", "x")
    assert entry.extras == {"order": {"id": 7}}


@pytest.mark.parametrize(
    ("field", "name"),
    [
        *(("timestamp", name) for name in ("timestamp", "time", "@timestamp", "ts")),
        *(("level", name) for name in ("level", "severity", "lvl", "severity_text", "log.level")),
        *(("service", name) for name in ("service", "service.name", "service_name", "app")),
        *(("log_content", name) for name in ("log_content", "message", "msg", "log", "body")),
        *(("trace_id", name) for name in ("trace_id", "traceId")),
        *(("pod", name) for name in ("pod", "pod_name")),
    ],
)
def test_a_field_is_known_under_the_names_of_common_loggers(field: str, name: str) -> None:
    others = {"level": "INFO", "log_content": "x"}
    others.pop(field, None)

    entry = read({name: "value"} | others)

    assert getattr(entry, field) == "value"
    assert not entry.extras


def test_of_several_names_the_first_counts_and_the_others_are_kept() -> None:
    entry = read({"message": "second", "log_content": "first", "level": "INFO"})

    assert entry.log_content == "first"
    assert entry.extras == {"message": "second"}


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"level": None, "severity": "ERROR"}, "level", "ERROR"),
        ({"level": None, "severity_text": 17}, "level", 17),
        ({"timestamp": None, "ts": 1_795_362_904.5}, "timestamp", 1_795_362_904.5),
        ({"service": None, "app": "cart"}, "service", "cart"),
        ({"log_content": None, "message": "b"}, "log_content", "b"),
        ({"trace_id": None, "traceId": "7f"}, "trace_id", "7f"),
    ],
)
def test_a_name_that_holds_nothing_hides_no_other(nothing: str | None, fields: dict[str, Any], field: str, value: Any):
    first = next(iter(fields))
    entry = read({"level": "INFO", "log_content": "x", "order": 7} | fields | {first: nothing})

    assert getattr(entry, field) == value
    assert entry.extras == {"order": 7}


def test_of_a_wrong_type_another_name_is_no_help() -> None:
    entry = read({"log_content": "x", "level": "INFO", "service": None, "app": 7, "pod": "", "pod_name": ["p"]})

    assert (entry.service, entry.pod) == (None, None)
    assert entry.extras == {"app": 7, "pod_name": ["p"]}


def test_an_empty_name_says_nothing() -> None:
    kubernetes = {"labels": {"app": "cart"}, "pod_name": "cart-1"}

    entry = read({"log": "[ERROR] pay: boom", "service": "", "level": "", "pod": "", "kubernetes": kubernetes})

    assert (entry.service, entry.level, entry.pod) == ("cart", "ERROR", "cart-1")


def test_a_container_names_the_service_where_nothing_else_does() -> None:
    def pod(container: str) -> dict[str, Any]:
        return {"log": "x", "level": "INFO", "kubernetes": {"container_name": container}}

    assert read(pod("payment-api")).service == "payment-api"
    assert read(pod("main")).service is None
    assert read(pod("sidecar") | {"log": "[ERROR] cart: boom", "level": None}).service == "cart"


def test_kubernetes_metadata_name_pod_namespace_node_container_and_service() -> None:
    entry = read(
        {
            "log": "x",
            "level": "INFO",
            "kubernetes": {
                "pod_name": "cart-7d9f",
                "namespace_name": "prod",
                "host": "ip-10-0-3-7",
                "container_name": "main",
                "docker_id": "abc",
                "labels": {"app": "cart", "team": "shop"},
            },
        }
    )

    assert (entry.pod, entry.namespace, entry.node, entry.container) == ("cart-7d9f", "prod", "ip-10-0-3-7", "main")
    assert entry.service == "cart"
    assert entry.extras == {"kubernetes": {"docker_id": "abc", "labels": {"app": "cart", "team": "shop"}}}


def test_the_recommended_kubernetes_label_goes_before_the_others() -> None:
    labels = {"app": "old", "app.kubernetes.io/name": "new"}

    assert read({"log": "x", "kubernetes": {"labels": labels}}).service == "new"
    assert read({"log": "x", "service": "own", "kubernetes": {"labels": labels}}).service == "own"


@pytest.mark.parametrize("kubernetes", [None, [], "x", 7, {"labels": []}, {"labels": {"app": 7}}, {"pod_name": 7}])
def test_odd_kubernetes_metadata_are_kept_and_harm_nothing(kubernetes: object) -> None:
    entry = read({"log": "x", "level": "INFO", "kubernetes": kubernetes})

    assert (entry.pod, entry.service, entry.extras) == (None, None, {"kubernetes": kubernetes})


@pytest.mark.parametrize(
    "extras",
    [
        {"stack_trace": "E: bad\n\tat a.B.c(B.java:1)"},
        {"exception": "E: bad\n\tat a.B.c(B.java:1)"},
        {"error.stack": "E: bad\n\tat a.B.c(B.java:1)"},
        {"err": {"stack": "E: bad\n\tat a.B.c(B.java:1)"}},
        {"error": {"stack_trace": "E: bad\n\tat a.B.c(B.java:1)"}},
    ],
)
def test_a_stack_trace_of_its_own_is_appended_to_the_content(extras: dict[str, Any]) -> None:
    entry = read({"message": "checkout failed", "level": "ERROR", **extras})

    assert entry.log_content == "checkout failed\nE: bad\n\tat a.B.c(B.java:1)"
    assert "at a.B.c" not in str(entry.extras)


def test_a_stack_trace_that_is_in_the_content_is_not_appended_again() -> None:
    assert read({"message": "failed\nE: bad", "level": "ERROR", "stack": "E: bad"}).log_content == "failed\nE: bad"


def test_a_text_inside_json_tells_level_and_service_where_the_json_does_not() -> None:
    entry = read({"time": "2026-11-22T12:00:00Z", "log": "2026-11-22 11:00:00 ERROR payment-api - boom"})

    assert (entry.level, entry.service, entry.log_content) == ("ERROR", "payment-api", "boom")
    assert entry.timestamp == "2026-11-22T12:00:00Z"


def test_json_inside_json_is_read_and_what_the_agent_knows_is_kept() -> None:
    inner = {"level": "error", "message": "boom", "service": "cart", "order": 7, "ts": "2026-11-22T11:00:00Z"}
    entry = read({"time": "2026-11-22T12:00:00Z", "stream": "stderr", "log": json.dumps(inner)})

    assert (entry.level, entry.service, entry.log_content) == ("error", "cart", "boom")
    assert entry.timestamp == "2026-11-22T12:00:00Z"
    assert entry.extras == {"stream": "stderr", "order": 7}


@pytest.mark.parametrize("log", ['{"level":"error"', '{"level":"error"}', '{"message":7}', "{}"])
def test_json_inside_json_that_is_no_record_is_a_text(log: str) -> None:
    entry = read({"log": log})

    assert (entry.level, entry.log_content) == (None, log)


def test_a_text_inside_json_does_not_contradict_the_json() -> None:
    entry = read({"log": "ERROR payment-api - boom", "level": "warn"})

    assert (entry.level, entry.service, entry.log_content) == ("warn", None, "ERROR payment-api - boom")


@pytest.mark.parametrize(
    ("line", "level", "service", "timestamp", "message"),
    [
        (
            "[ERROR] payment-api: DB Connection timeout at 14:00:01",
            *("ERROR", "payment-api", "14:00:01", "DB Connection timeout at 14:00:01"),
        ),
        ("2026-11-22 12:00:00 ERROR payment-api - boom", "ERROR", "payment-api", "2026-11-22 12:00:00", "boom"),
        (
            "2026-11-22T12:00:00.123Z WARN [order-api] slow",
            *("WARN", "order-api", "2026-11-22T12:00:00.123Z", "slow"),
        ),
        ("2026-11-22 12:00:00,123 [main] INFO c.a.Cart - up", "INFO", None, "2026-11-22 12:00:00,123", "c.a.Cart - up"),
        ("INFO hello", "INFO", None, None, "hello"),
        ("[warn] cart: slow", "warn", "cart", None, "slow"),
        ("14:00:01 FATAL out of disk", "FATAL", None, "14:00:01", "out of disk"),
        ("[14:00:01] [ERROR] boom", "ERROR", None, "14:00:01", "boom"),
        ("error: boom", "error", None, None, "boom"),
        ("[오류] 결제 실패", "오류", None, None, "결제 실패"),
        ("ERROR failed: x", "ERROR", None, None, "failed: x"),
        ("ERROR payment-api: x", "ERROR", "payment-api", None, "x"),
        ("[오류] 결제: x - y", "오류", None, None, "결제: x - y"),
        ("ERROR", "ERROR", None, None, "ERROR"),
        ("ERROR [http-nio-8080-exec-1] c.e.Pay - boom", "ERROR", None, None, "c.e.Pay - boom"),
        ("ERROR [order-api] com.example.Pay - boom", "ERROR", None, None, "com.example.Pay - boom"),
        ("[pool-2-thread-7] ERROR c.e.Pay - boom", "ERROR", None, None, "c.e.Pay - boom"),
        ("[payment-api] ERROR: boom", "ERROR", "payment-api", None, "boom"),
        ("[ERROR] timeout: no answer", "ERROR", None, None, "timeout: no answer"),
        ("E1122 14:00:01.123456       1 reflector.go:138] boom", "E", None, "14:00:01.123456", "boom"),
        (
            'Exception in thread "main" java.lang.IllegalStateException: x',
            *("ERROR", None, None, 'Exception in thread "main" java.lang.IllegalStateException: x'),
        ),
        ("panic: runtime error: boom", "panic", None, None, "panic: runtime error: boom"),
        ("Error: connect ECONNREFUSED", "Error", None, None, "Error: connect ECONNREFUSED"),
        ("fatal error: all goroutines are asleep", "FATAL", None, None, "fatal error: all goroutines are asleep"),
        ("host app[12]: ERROR x", "ERROR", None, None, "host app[12]: ERROR x"),
        ('ts=1 level=error msg="boom"', "error", None, None, 'ts=1 level=error msg="boom"'),
    ],
)
def test_a_raw_text_tells_its_level_service_and_time(
    line: str, level: str, service: str | None, timestamp: str | None, message: str
) -> None:
    assert read_text(line) == (level, service, timestamp, message)
    entry = read_entry(line.encode(), LIMIT)
    assert (entry.level, entry.service, entry.timestamp, entry.log_content) == (level, service, timestamp, message)


@pytest.mark.parametrize("text", ["hello world", "no errors found", "Information desk", "WARNINGS", "an INFORMAL ask"])
def test_a_text_without_a_level_word_has_no_reading(text: str) -> None:
    assert read_text(text) is None
    assert read_header(text) is None
    assert error_of(text.encode()).error_type == "no_reading"


def test_a_very_long_text_is_read_by_its_beginning() -> None:
    text = "[ERROR] payment-api: " + "x" * 9_000

    assert read_text(text) == ("ERROR", "payment-api", None, "x" * 9_000)
    assert read_text("x" * 9_000 + " ERROR ") is None


@pytest.mark.parametrize(
    ("line", "kind", "error_type"),
    [
        (b'{"level":"INFO","log_cont', ParseError, "invalid_json"),
        (GOOD + GOOD, ParseError, "invalid_json"),
        (GOOD + b"," + GOOD, ParseError, "invalid_json"),
        (b'{"log_content":"a\nb"}', ParseError, "invalid_json"),
        (b"{}{", ParseError, "invalid_json"),
        (b"[1,2]", ParseError, "not_an_object"),
        (b'"ERROR text"', ParseError, "not_an_object"),
        (b"12", ParseError, "not_an_object"),
        (b"null", ParseError, "not_an_object"),
        (b"true", ParseError, "not_an_object"),
        (b'{"log_content":"a\x00b"}', ParseError, "nul_byte"),
        (b"ERROR a\x00b", ParseError, "nul_byte"),
        (b'{"log_content":"\xff\xfe"}', ParseError, "invalid_utf8"),
        (b"ERROR \xc3(", ParseError, "invalid_utf8"),
        (b'{"log_content":"' + b"x" * LIMIT + b'"}', ParseError, "line_too_long"),
        (b"ERROR " + b"x" * LIMIT, ParseError, "line_too_long"),
        (b'{"log_content":"x","a":' + b"[" * 4_000 + b"]" * 4_000 + b"}", ParseError, "nested_too_deep"),
        (b'{"log_content":"x","a":' + b'{"a":' * 1_500 + b"1" + b"}" * 1_500 + b"}", ParseError, "nested_too_deep"),
        (b'{"level":"INFO"}', ValidateError, "missing_field"),
        (b"{}", ValidateError, "missing_field"),
        (b'{"log_content":null}', ValidateError, "wrong_type"),
        (b'{"log_content":{}}', ValidateError, "wrong_type"),
        (b'{"message":["x"]}', ValidateError, "wrong_type"),
        (b'{"log_content":"x","service":5}', ValidateError, "wrong_type"),
        (b'{"log_content":"x","level":true}', ValidateError, "wrong_type"),
        (b'{"log_content":"x","timestamp":{}}', ValidateError, "wrong_type"),
        (b'{"log_content":"x","pod":1.5}', ValidateError, "wrong_type"),
    ],
)
def test_a_line_without_a_reading_is_refused(line: bytes, kind: type[BadInputError], error_type: str) -> None:
    error = error_of(line)

    assert (type(error), error.error_type) == (kind, error_type)


def test_a_wrong_type_names_the_field_and_never_repeats_the_text() -> None:
    error = error_of(b'{"log_content":{"hunter2":1},"level":"hunter2"}')

    assert error.reason == "log_content: Input should be a valid string"
    assert "hunter2" not in error_of(b'{"log_content":"x","hunter2').reason
    assert "hunter2" not in error_of(b"hunter2 hunter2").reason


@pytest.mark.parametrize(
    ("line", "content"),
    [
        (b'{"level":"INFO","log_content":"cut \\ud83d"}', "cut �"),
        (b'{"level":"INFO","log_content":"\\udc00 \\ud83d\\ude00"}', "� 😀"),
        (b'{"level":"INFO","log_content":"\\ud83d\\ud83d\\ude00"}', "�😀"),
        (b'{"level":"INFO","log_content":"\\\\ud83d \\ud83d"}', "\\ud83d �"),
    ],
)
def test_half_a_character_becomes_a_replacement_character(line: bytes, content: str) -> None:
    assert read_entry(line, LIMIT).log_content == content


def test_of_a_repeated_key_the_last_counts() -> None:
    assert read_entry(b'{"log_content":"a","log_content":"b"}', LIMIT).log_content == "b"


def test_a_byte_order_mark_and_white_space_around_json_are_left_out() -> None:
    assert read_entry(b'\xef\xbb\xbf {"log_content":"x"} \r', LIMIT).log_content == "x"


def test_many_lines_are_read_as_each_alone() -> None:
    lines = [GOOD, b"INFO hello", b'{"log_content":5}', *[GOOD] * 100, b"{", GOOD]

    entries = read_entries(lines, LIMIT)

    assert [type(entry).__name__ for entry in entries] == [
        *("LogEntry", "LogEntry", "ValidateError"),
        *["LogEntry"] * 100,
        *("ParseError", "LogEntry"),
    ]


#: Pieces of JSON that fit together across lines, were lines simply put behind each other.
PIECES = st.lists(
    st.sampled_from(
        [
            '{"log_content":"a"',
            "}",
            "{",
            "[",
            "]",
            ",",
            '"q":',
            '"',
            "]],",
            '[["',
            '"x"',
            ":",
            '{"log_content":"b"}',
            "]]",
        ]
    ),
    max_size=6,
).map("".join)


@patient
@given(st.lists(st.one_of(PIECES, st.just(GOOD.decode())), min_size=1, max_size=8))
def test_no_line_can_pass_for_two_or_swallow_the_next(texts: list[str]) -> None:
    lines = [text.encode() for text in texts]

    together = read_entries(lines, LIMIT)

    assert len(together) == len(lines)
    for line, entry in zip(lines, together, strict=True):
        (alone,) = read_entries([line], LIMIT)
        assert entry == alone or (isinstance(entry, BadInputError) and str(entry) == str(alone))


def test_a_line_that_swallows_the_next_is_noticed() -> None:
    swallowing, swallowed = GOOD[:-1] + b',"q":[[1', b"{}]]}"

    assert [type(entry) for entry in read_entries([swallowing, swallowed], LIMIT)] == [ParseError] * 2


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"log_content":"a","q":[{}', b"{}]}", GOOD + b"," + GOOD],
        [b'{"log_content":"a', b'b"}', GOOD + b"," + GOOD],
        [GOOD[:-1], b',"x":1}', GOOD + b"],[" + GOOD],
        [GOOD[:-1] + b',"q":[[1', b"{}]]}", b"{"],
        [GOOD[:-1] + b',"q":[[1', b"2", b"{}]]}"],
    ],
)
def test_lines_that_fit_together_are_still_lines(lines: list[bytes]) -> None:
    assert [type(entry) for entry in read_entries([*lines, GOOD], LIMIT)] == [ParseError] * 3 + [LogEntry]


@patient
@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_an_error(line: bytes) -> None:
    (entry,) = read_entries([line], LIMIT)

    assert isinstance(entry, LogEntry | BadInputError)
