"""What counts as the text of a failure."""

import pytest

from udfs.analyze.text import condense, normalise, printable, service_stem, stem, words

JAVA = """2026-11-22 ERROR Unhandled
org.springframework.dao.DataAccessResourceFailureException: Unable to obtain connection
\tat com.acme.order.OrderRepository.findOpen(OrderRepository.java:91)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.sql.SQLTransientConnectionException: OrderPool - Connection is not available
\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:181)
\t... 42 more"""

PYTHON = """Traceback (most recent call last):
  File "/srv/ledger/post.py", line 44, in post
    with engine.begin() as conn:
sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached"""


def test_of_a_java_trace_the_messages_and_causes_stay() -> None:
    assert condense(JAVA).split("\n") == [
        "2026-11-22 ERROR Unhandled",
        "org.springframework.dao.DataAccessResourceFailureException: Unable to obtain connection",
        "Caused by: java.sql.SQLTransientConnectionException: OrderPool - Connection is not available",
    ]


def test_of_a_python_trace_the_exception_stays() -> None:
    assert condense(PYTHON) == "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached"


def test_of_frames_alone_something_stays() -> None:
    assert condense("\tat com.acme.A.b(A.java:1)\n\tat com.acme.C.d(C.java:2)")


def test_of_many_lines_the_first_and_the_last_stay_and_the_size_is_bounded() -> None:
    condensed = condense("\n".join(f"line {number}" for number in range(300)))
    assert condensed.startswith("line 0\n")
    assert condensed.endswith("line 299")
    assert condensed.count("\n") == 11
    assert len(condense("x" * 10_000_000)) == 4_096


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("java.sql.SQLTransientConnectionException", "sql SQL Transient Connection Exception"),
        ("HikariPool-1 - timed out after <num>ms", "Hikari Pool 1 timed out after ms"),
        ("card [REDACTED:CARD] refused at https://pg.example.net/v1", "card refused at"),
        ("2026-11-22T10:00:00.123Z id=4f2a9c81b7 boom", "id boom"),
        ("order_events", "order events"),
        ("", ""),
    ],
)
def test_variables_go_and_identifiers_are_taken_apart(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_words_are_distinct_telling_and_keep_status_codes_and_other_scripts() -> None:
    assert words("ERROR the PSP answered 429, PSP 12345 결제 실패") == ("psp", "answered", "429", "결제", "실패")


@pytest.mark.parametrize(("word", "expected"), [("timeouts", "timeout"), ("rebalancing", "rebalanc"), ("dns", "dns")])
def test_a_stem_loses_an_english_ending_but_never_becomes_a_stump(word: str, expected: str) -> None:
    assert stem(word) == expected


@pytest.mark.parametrize("service", ["order", "order-service", "Order-API", "order-svc"])
def test_a_service_is_known_by_its_stem(service: str) -> None:
    assert service_stem(service) == "order"


def test_printable_text_has_no_invisible_characters_and_a_bounded_length() -> None:
    hidden = "a\x1b[31m\u202eb\u200b\ufeffc\x00\r\n\n  d\te"
    assert printable(hidden, 100) == "a[31mbc\nd e"
    assert printable("x" * 50, 10) == "x" * 9 + "…"
