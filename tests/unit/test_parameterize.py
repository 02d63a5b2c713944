"""What varies in a message is found, wherever it stands."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udfs.parameterize import Parameterizer, Variable, load_parameterize_rules
from udfs.ruleset import Rule

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PARAMETERIZER = Parameterizer(load_parameterize_rules())

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

CASES = [
    ("uuid", "550e8400-e29b-41d4-a716-446655440000", "<uuid>"),
    ("timestamp", "2026-11-22T14:00:01.123Z", "<time>"),
    ("timestamp", "2026-11-22 14:00:01,123", "<time>"),
    ("timestamp", "2026/11/22", "<time>"),
    ("calendar-time", "Fri Jun 17 07:07:00 2005", "<time>"),
    ("calendar-time", "22 Nov 2026 14:00:01 +0900", "<time>"),
    ("time-of-day", "14:00:01", "<time>"),
    ("url", "https://api.example.com:8443/v1/orders/17?user=bob#x", "<url>"),
    ("url", "jdbc:postgresql://db:5432/shop", "jdbc:<url>"),
    ("email", "message-id@mail.internal", "<email>"),
    ("user-at-host", "rabbit@mq-one", "<name>"),
    ("ip", "10.2.3.4", "<ip>"),
    ("ip", "10.2.3.4:5432", "<ip>"),
    ("ip", "/10.2.3.4:5432", "<ip>"),
    ("ip", "10.0.0.0/8", "<ip>"),
    ("ipv6", "2001:db8::8a2e:370:7334", "<ip>"),
    ("ipv6", "[::1]:8080", "<ip>"),
    ("mac", "00:1b:44:11:3a:b7", "<mac>"),
    ("quoted", 'x="bob smith"', "x=<quoted>"),
    ("quoted", "'bob'", "<quoted>"),
    ("windows-path", r"C:\Users\bob\file.txt", "<path>"),
    ("path", "/var/log/app/error.log", "<path>"),
    ("path", "/health", "<path>"),
    ("path", "~/conf/x.yaml", "<path>"),
    ("path", "../a/b", "<path>"),
    ("host", "db.prod.internal", "<host>"),
    ("host", "api.example.com:443", "<host>"),
    ("long-hex", "0x7ffe12ab", "<hex>"),
    ("long-hex", "4bf92f3577b34da6a3ce929d0e0e4736", "<hex>"),
    ("size", "5.2 KB", "<size>"),
    ("size", "67108864 bytes", "<size>"),
    ("duration", "3021 ms", "<duration>"),
    ("duration", "30s", "<duration>"),
    ("number", "17", "<number>"),
    ("number", "-3.5", "<number>"),
    ("number", "98.6%", "<number>"),
    ("number", "1,234,567", "<number>"),
    ("identifier", "blk_38865049064139660", "<id>"),
    ("identifier", "order-7f3a", "<id>"),
    ("identifier", "003a90fc", "<id>"),
    ("name", "user bob", "<name>"),
    ("assigned", "state=OPEN", "state=<value>"),
    ("nothing", "f ()", "f (<nothing>)"),
    ("placeholder", "<card>", "<card>"),
    *((f"request-{verb.lower()}", f'"{verb} /v1/orders/7 HTTP/1.1"', f'"{verb} <path>"') for verb in VERBS),
    ("part-redacted", "pay_<card>", "<id>"),
    ("quoted", "'bob smith'", "<quoted>"),
    ("quoted", "「밥」", "<quoted>"),
    ("path", "/search?q=17&page=2", "<path>"),
    ("number", "19,900원", "<number>"),
    ("number", "$12.50", "<number>"),
    ("identifier", "shop/cart-7", "<id>"),
    ("random", "txn_eIkxmWsrXNtJ", "<id>"),
    ("dotted", "com.acme.payment.Gateway", "<name>"),
    ("dotted", "shop/cart", "<name>"),
    ("hyphenated", "redis-master", "<name>"),
    ("constant", "CONNECTION_LOST", "<constant>"),
    ("truth", "None", "<value>"),
    ("list", "[a b, c]", "<list>"),
    ("list", '{"a": 1}', "<list>"),
    ("arguments", "chdir(pwd)", "<call>"),
    ("unassigned", "x= y", "x=<value> y"),
]

#: What is found at one place only, or kept: rule, text, template.
PLACED = [
    ("message", '"Shutting down" controller="web"', '"Shutting down" controller=<quoted>'),
    ("message", 'level=info msg="pool closed" id=7', 'level=<value> msg="pool closed" id=<number>'),
    ("exception", "failed: java.io.IOException", "failed: java.io.IOException"),
    ("compound", "read-only file system", "read-only file system"),
    ("person", "user not found", "user not found"),
]


@pytest.mark.parametrize(("rule", "text", "expected"), CASES)
@pytest.mark.parametrize(
    "frame", ["{}", "before {}", "{} after", "before {} after", "({})", "at {}, then", "a: {}; b", "한 {} 글"]
)
def test_a_variable_is_found_wherever_it_stands(rule: str, text: str, expected: str, frame: str) -> None:
    template = PARAMETERIZER.template(frame.format(text))

    assert template.text == frame.format(expected)
    assert rule in [variable.rule for variable in PARAMETERIZER.variables(frame.format(text))]


@pytest.mark.parametrize(("rule", "text", "expected"), PLACED)
def test_what_tells_failures_apart_is_kept(rule: str, text: str, expected: str) -> None:
    assert PARAMETERIZER.template(text).text == expected
    assert rule not in [variable.rule for variable in PARAMETERIZER.variables(text)]


def test_each_rule_has_a_case() -> None:
    assert {case[0] for case in (*CASES, *PLACED)} == {rule.name for rule in load_parameterize_rules()}


@pytest.mark.parametrize("items", ["7", "7, 8, 9", "a-1 a-2", "10.0.0.1;10.0.0.2", "/a/b | /c", "'x','y'"])
def test_a_list_is_one_variable_however_long(items: str) -> None:
    assert PARAMETERIZER.template(f"lost {items} again").shape == "lost <*> again"


def test_what_was_redacted_varies_like_anything_else() -> None:
    redacted, other = (PARAMETERIZER.template(f"login of {who} failed") for who in ("<email>", "u-17"))

    assert redacted.shape == other.shape


@pytest.mark.parametrize(
    "text",
    [
        "connection refused",
        "it doesn't work and won't start",
        "read/write and/or",
        "NullPointerException",
        "I/O error in the back-end",
        "user agent unknown",
        "잘못된 요청입니다",
        "",
    ],
)
def test_words_stay(text: str) -> None:
    assert PARAMETERIZER.template(text) == (text, text)
    assert PARAMETERIZER.variables(text) == []


def test_a_message_is_told_from_its_variables() -> None:
    order = "550e8400-e29b-41d4-a716-446655440000"
    text = f"DB Connection timeout after 3021 ms to 10.2.3.4:5432 for order {order} at 14:00:01"

    assert (
        PARAMETERIZER.template(text).text == "DB Connection timeout after <duration> to <ip> for order <uuid> at <time>"
    )
    assert PARAMETERIZER.variables(text) == [
        Variable("duration", "3021 ms"),
        Variable("ip", "10.2.3.4:5432"),
        Variable("uuid", order),
        Variable("time-of-day", "14:00:01"),
    ]


def test_the_shape_does_not_say_of_what_kind_a_variable_is() -> None:
    shapes = {
        PARAMETERIZER.template(f"cannot reach {host} (x={value})").shape
        for host, value in [
            ("10.2.3.4", "1"),
            ("db.prod.internal:5432", "OPEN"),
            ("[::1]:80", '"quoted"'),
            ("web-1", "5 KB"),
        ]
    }

    assert shapes == {"cannot reach <*> (x=<*>)"}


#: Where the rules are known to err: what they make of a text, and what would be right.
KNOWN_WRONG = [
    ("HTTP 404 and HTTP 500", "HTTP <number> and HTTP <number>", "status codes tell failures apart"),
    ("ORA-00600 internal error", "<id> internal error", "the codes of databases tell failures apart"),
    ("user exists", "<name>", "'exists' is no name"),
    ("link up", "link up", "in most labelled sets, up and down are values"),
    ("init() failed", "<call> failed", "a call without arguments is a word"),
    ("disk: [FAILED]", "disk: <list>", "brackets may hold what tells failures apart"),
    ("paid by card in shop", "paid by card in shop", "a plain word may be a value; only other lines could tell"),
]


@pytest.mark.parametrize(("text", "actual", "desired"), KNOWN_WRONG)
def test_where_the_rules_err_is_known(text: str, actual: str, desired: str) -> None:
    assert PARAMETERIZER.template(text).text == actual, desired


@patient
@given(st.text(max_size=200))
def test_any_text_has_one_template(text: str) -> None:
    template = PARAMETERIZER.template(text)

    assert template == Parameterizer(load_parameterize_rules()).template(text)
    assert PARAMETERIZER.template(text) == template


ODD_TEXTS = st.lists(
    st.one_of(st.sampled_from([*(case[1] for case in CASES), *" -_.:/@%=()[]\"'af7글~"]), st.text(max_size=3)),
    max_size=8,
).map("".join)


@patient
@given(ODD_TEXTS)
def test_which_digit_it_is_does_not_matter_and_none_is_left(text: str) -> None:
    zeros = "".join("0" if character in "123456789" else character for character in text)

    template = PARAMETERIZER._template(text.encode())

    assert template == PARAMETERIZER._template(zeros.encode())
    assert not set("0123456789") & set(template.shape)


@patient
@given(ODD_TEXTS)
def test_it_is_certain_which_rule_found_a_variable(text: str) -> None:
    assert "uncertain" not in {variable.rule for variable in PARAMETERIZER.variables(text)}


def test_a_variable_whose_rule_is_not_certain_is_one_all_the_same() -> None:
    rule = Rule("percent", r"\b%\d", "it begins with no letter", replace="<percent>")

    assert Parameterizer((rule,)).template("a%1") == ("a<value>", "a<*>")
