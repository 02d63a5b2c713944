"""Times, levels and services are settled; doubt is flagged and never costs a record."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.log_insight.settings import IngestSettings
from schemas.log_entry import Flag, LogEntry, Severity
from udfs.redact import Redactor, load_redact_rules
from udfs.validate import Validator, clean_service, iso, judge_level, read_level, read_time

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SEOUL = ZoneInfo("Asia/Seoul")
BERLIN = ZoneInfo("Europe/Berlin")
REDACTOR = Redactor(load_redact_rules())
NOON = 1_795_348_800_000  # 2026-11-22T12:00:00Z


def ms(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def document(
    settings: IngestSettings | None = None, *, arrival_from_event: bool = False, **fields: Any
) -> dict[str, Any]:
    entry = LogEntry.model_validate({"log_content": "x", "level": "INFO", "service": "cart"} | fields)
    validator = Validator(settings or IngestSettings(), REDACTOR, "rules", arrival_from_event=arrival_from_event)
    return validator.document("o:1:0", NOON, entry)


def test_a_plain_record_becomes_a_document_in_the_order_of_the_schema() -> None:
    made = document(timestamp="2026-11-22T11:59:59.123456789Z", pod="cart-1", trace_id="t")

    assert list(made.items()) == [
        ("id", "o:1:0"),
        ("arrival_time", NOON),
        ("severity_text", "INFO"),
        ("@timestamp", "2026-11-22T11:59:59.123456789Z"),
        ("service.name", "cart"),
        ("body", "x"),
        ("rules_version", "rules"),
        ("k8s.pod.name", "cart-1"),
        ("trace_id", "t"),
    ]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2026-11-22T11:59:59Z", "2026-11-22T11:59:59Z"),
        ("2026-11-22T11:59:59.5Z", "2026-11-22T11:59:59.5Z"),
        ("2026-11-22t11:59:59z", "2026-11-22T11:59:59.000Z"),
        ("2026-11-22T20:59:59+09:00", "2026-11-22T11:59:59.000Z"),
        ("2026-11-22T20:59:59.25+0900", "2026-11-22T11:59:59.250Z"),
        ("2026-11-22 20:59:59 +09:00", "2026-11-22T11:59:59.000Z"),
        ("2026-11-22 11:59:59 UTC", "2026-11-22T11:59:59.000Z"),
        ("2026/11/22 11:59:59Z", "2026-11-22T11:59:59.000Z"),
        ("20261122T115959Z", "2026-11-22T11:59:59.000Z"),
        (" 2026-11-22T11:59:59.123456Z ", "2026-11-22T11:59:59.123456Z"),
        (1_795_348_799, "2026-11-22T11:59:59.000Z"),
        (1_795_348_799.25, "2026-11-22T11:59:59.250Z"),
        (1_795_348_799_123, "2026-11-22T11:59:59.123Z"),
        (1_795_348_799_123_456, "2026-11-22T11:59:59.123Z"),
        (1_795_348_799_123_456_789, "2026-11-22T11:59:59.123Z"),
        ("1795348799", "2026-11-22T11:59:59.000Z"),
        ("1795348799123", "2026-11-22T11:59:59.123Z"),
        ("1795348799.5", "2026-11-22T11:59:59.500Z"),
    ],
)
def test_a_time_with_its_zone_is_read_without_doubt(timestamp: str | float, expected: str) -> None:
    made = document(timestamp=timestamp)

    assert made["@timestamp"] == expected
    assert "flags" not in made


@pytest.mark.parametrize(
    "timestamp",
    [
        *("", "yesterday", "2026-13-01T00:00:00Z", "2026-11-22T25:00:00Z", "25:00:00", "14:00:61", "-5", "nan", "1e5"),
        *(
            -1,
            0,
            10**25,
            float("nan"),
            float("inf"),
            "9" * 400,
            "\uff12026-11-22T11:59:59Z",
            "2026-11-22T11:59:59.\uff11Z",
        ),
        *("0001-01-01T00:00:00+23:00", "2026-11-22T11:59:59.1234567890123Zx"),
    ],
)
def test_what_is_no_time_is_flagged_and_kept_beside_the_arrival_time(timestamp: str | float) -> None:
    made = document(timestamp=timestamp)

    assert made["@timestamp"] == "2026-11-22T12:00:00.000Z"
    assert made["flags"] == [Flag.TIME_UNREADABLE]
    assert repr(made["attributes"]) == repr({"timestamp": timestamp})


def test_a_missing_time_is_flagged() -> None:
    assert document()["flags"] == [Flag.TIME_MISSING]
    assert document()["@timestamp"] == "2026-11-22T12:00:00.000Z"


def test_a_time_without_zone_is_one_of_the_services_zone() -> None:
    settings = IngestSettings(time_zone="Europe/Berlin", service_time_zones={"cart": "Asia/Seoul"})

    of_cart = document(settings, timestamp="2026-11-22 20:59:59")
    of_others = document(settings, timestamp="2026-11-22 12:59:59", service="order")

    assert of_cart["@timestamp"] == of_others["@timestamp"] == "2026-11-22T11:59:59.000Z"
    assert of_cart["flags"] == [Flag.TIME_WITHOUT_ZONE]


def test_a_bare_time_of_day_is_the_one_nearest_to_arrival() -> None:
    settings = IngestSettings(time_zone="Asia/Seoul")

    made = document(settings, timestamp="20:59:59")

    assert made["@timestamp"] == "2026-11-22T11:59:59.000Z"
    assert made["flags"] == [Flag.TIME_WITHOUT_DATE]


@pytest.mark.parametrize(
    ("clock", "arrival", "expected"),
    [
        ("23:59:58", "2026-11-22T00:00:01+09:00", "2026-11-21T23:59:58+09:00"),
        ("00:00:01", "2026-11-21T23:59:58+09:00", "2026-11-22T00:00:01+09:00"),
        ("14:00:01,250", "2026-11-22T14:00:05+09:00", "2026-11-22T14:00:01.250+09:00"),
        ("01:59:00", "2026-11-22T14:00:00+09:00", "2026-11-23T01:59:00+09:00"),
    ],
)
def test_a_time_of_day_crosses_midnight(clock: str, arrival: str, expected: str) -> None:
    event = read_time(clock, ms(arrival), SEOUL)

    assert event is not None
    assert event.ms == ms(expected)


@pytest.mark.parametrize(
    ("timestamp", "arrival", "expected"),
    [
        # The clock goes back from 03:00 to 02:00: half past two is there twice.
        ("2026-10-25 02:30:00", "2026-10-25T00:31:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25 02:30:00", "2026-10-25T01:31:00Z", "2026-10-25T01:30:00Z"),
        ("02:30:00", "2026-10-25T00:31:00Z", "2026-10-25T00:30:00Z"),
        ("02:30:00", "2026-10-25T01:31:00Z", "2026-10-25T01:30:00Z"),
        # The clock goes forward from 02:00 to 03:00: half past two is not there.
        ("2026-03-29 02:30:00", "2026-03-29T00:29:00Z", "2026-03-29T00:30:00Z"),
        ("2026-03-29 02:30:00", "2026-03-29T01:31:00Z", "2026-03-29T01:30:00Z"),
    ],
)
def test_where_the_clock_was_set_the_reading_nearest_to_arrival_is_taken(
    timestamp: str, arrival: str, expected: str
) -> None:
    event = read_time(timestamp, ms(arrival), BERLIN)

    assert event is not None
    assert event.ms == ms(expected)


@pytest.mark.parametrize(
    ("timestamp", "is_believed"),
    [
        ("2026-11-21T12:00:00Z", True),
        ("2026-11-21T11:59:59.999Z", False),
        ("2026-11-22T12:05:00Z", True),
        ("2026-11-22T12:05:00.001Z", False),
        ("1970-01-01T00:00:00Z", False),
        ("2026-11-22T21:05:01+09:00", False),
    ],
)
def test_a_time_outside_the_allowed_skew_is_flagged_and_not_used(*, timestamp: str, is_believed: bool) -> None:
    made = document(timestamp=timestamp)

    assert (made.get("flags") == [Flag.TIME_OUTSIDE_SKEW]) is not is_believed
    assert (made["@timestamp"] == timestamp) is is_believed
    assert (made.get("attributes") == {"timestamp": timestamp}) is not is_believed


def test_in_a_file_of_records_a_record_arrived_when_it_says() -> None:
    made = document(arrival_from_event=True, timestamp="2020-01-01T00:00:00.250Z")

    assert made["arrival_time"] == ms("2020-01-01T00:00:00.250Z")
    assert made["@timestamp"] == "2020-01-01T00:00:00.250Z"
    assert "flags" not in made


@pytest.mark.parametrize("timestamp", ["2026-11-22T11:00:00", "11:00:00", "1833-01-01T00:00:00Z", "no time", None])
def test_in_a_file_of_records_an_unsure_time_leaves_the_arrival_as_it_is(timestamp: str | None) -> None:
    assert document(arrival_from_event=True, timestamp=timestamp)["arrival_time"] == NOON


@pytest.mark.parametrize(
    ("words", "severity"),
    [
        (("TRACE", "10"), Severity.TRACE),
        (("debug", "20", "7", "FINE", "디버그"), Severity.DEBUG),
        (("INFO", "info", " Info ", "[INFO]", "notice", "30", "6", "I", "정보"), Severity.INFO),
        (("WARN", "WARNING", "warn", "W", "40", "4", "경고"), Severity.WARN),
        (("ERROR", "err", "Error", "E", "50", "3", "SEVERE", "오류", "에러"), Severity.ERROR),
        (("FATAL", "CRITICAL", "crit", "panic", "emerg", "alert", "60", "2", "심각"), Severity.FATAL),
    ],
)
def test_a_level_is_known_under_many_names(words: tuple[str, ...], severity: Severity) -> None:
    assert {read_level(word) for word in words} == {severity}


def test_a_level_may_be_a_number() -> None:
    assert [read_level(number) for number in (30, 50, 999)] == [Severity.INFO, Severity.ERROR, None]


def test_an_unknown_level_is_flagged_kept_and_judged_by_the_content() -> None:
    made = document(level="spicy", log_content="connection refused", timestamp="2026-11-22T12:00:00Z")

    assert (made["severity_text"], made["flags"]) == ("ERROR", [Flag.LEVEL_UNKNOWN])
    assert made["attributes"] == {"level": "spicy"}


def test_a_missing_level_is_flagged_and_judged_by_the_content() -> None:
    made = document(level=None, log_content="java.io.IOException: y", timestamp="2026-11-22T12:00:00Z")

    assert (made["severity_text"], made["flags"]) == ("ERROR", [Flag.LEVEL_MISSING])


@pytest.mark.parametrize(
    ("content", "severity"),
    [
        ("java.lang.OutOfMemoryError: heap", Severity.FATAL),
        ("panic: nil map", Severity.FATAL),
        ("ValueError: bad", Severity.ERROR),
        ("결제 오류 발생", Severity.ERROR),
        ("this is deprecated", Severity.WARN),
        ("all is well", Severity.INFO),
        ("terrorist", Severity.INFO),
    ],
)
def test_the_words_of_a_text_tell_how_severe_it_is(content: str, severity: Severity) -> None:
    assert judge_level(content) == severity


@pytest.mark.parametrize("service", [None, "", "  ", "\x00\n"])
def test_a_missing_service_is_flagged(service: str | None) -> None:
    made = document(service=service, timestamp="2026-11-22T12:00:00Z")

    assert (made["service.name"], made["flags"]) == ("unknown", [Flag.SERVICE_MISSING])


def test_a_services_name_is_bounded_and_holds_no_control_characters() -> None:
    assert clean_service("  pay\x00ment\n-api\u2028 ") == "payment-api"
    assert clean_service("x" * 10_000) == "x" * 100
    assert clean_service("결제") == "결제"


def test_all_doubts_are_told() -> None:
    made = document(level="?", service=None, timestamp="?")

    assert set(made["flags"]) == {Flag.LEVEL_UNKNOWN, Flag.SERVICE_MISSING, Flag.TIME_UNREADABLE}
    assert made["attributes"] == {"level": "?", "timestamp": "?"}


@patient
@given(
    st.one_of(st.text(max_size=60), st.integers(), st.floats(), st.datetimes(timezones=st.just(UTC)).map(str)),
    st.integers(0, 4_000_000_000_000),
)
def test_any_time_is_read_or_not_but_never_fails(timestamp: str | float, arrival: int) -> None:
    event = read_time(timestamp, arrival, BERLIN)

    assert event is None or ms(event.text) // 1000 == event.ms // 1000


@patient
@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 # Hypothesis wants them naive
def test_both_ways_to_read_a_plain_time_agree(moment: datetime) -> None:
    plain = moment.isoformat(timespec="microseconds") + "Z"
    event = read_time(plain, NOON, SEOUL)

    assert event is not None
    assert Validator(IngestSettings(), REDACTOR, "r")._plain_utc(plain) == event.ms
    assert iso(event.ms)[:23] == plain[:23]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("service", "service.name"),
        ("pod", "k8s.pod.name"),
        ("namespace", "k8s.namespace.name"),
        ("node", "k8s.node.name"),
        ("container", "k8s.container.name"),
        ("trace_id", "trace_id"),
        ("span_id", "span_id"),
    ],
)
def test_no_named_field_carries_a_secret_on(field: str, name: str) -> None:
    assert document(**{field: "mail kim@example.com"})[name] == "mail <email>"
    assert document(**{field: "4111111111111111"})[name] == "<card>"


def test_ids_of_traces_stay_as_they_are() -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

    made = document(trace_id=trace, span_id=span)

    assert (made["trace_id"], made["span_id"]) == (trace, span)
