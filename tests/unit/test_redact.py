"""Secrets and personal data are taken out, once and for all. Every secret here is made at run time."""

import random
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udfs.redact import Redactor, load_redact_rules

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

REDACTOR = Redactor(load_redact_rules())
LETTERS = string.ascii_letters
ALPHANUMERIC = string.ascii_letters + string.digits


def some(characters: str, length: int) -> str:
    return "".join(random.choices(characters, k=length))  # noqa: S311 # made-up data


def card(start: str, length: int) -> str:
    """Return a number that ends in its check digit (ISO/IEC 7812-1)."""
    body = start + some(string.digits, length - len(start) - 1)
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body)))
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return body + str(-total % 10)


def iban() -> str:
    account = some(string.digits, 18)
    check = 98 - int(f"{account}{ord('D') - 55}{ord('E') - 55}00") % 97
    return f"DE{check:02}{account}"


def in_fours(text: str, separator: str) -> str:
    return separator.join(text[start : start + 4] for start in range(0, len(text), 4))


def pem() -> str:
    kind = "RSA " + "PRIVATE KEY"
    return f"-----BEGIN {kind}-----\n{some(ALPHANUMERIC, 64)}\n{some(ALPHANUMERIC, 20)}==\n-----END {kind}-----"


def jwt() -> str:
    return ".".join("eyJ" + some(ALPHANUMERIC, 20) for _ in range(2)) + "." + some(ALPHANUMERIC, 30)


#: What a rule takes, made anew for each test, and what is left.
SECRETS: dict[str, tuple[Callable[[], str], str]] = {
    "visa": (lambda: card("4", 16), "<card>"),
    "visa in fours": (lambda: in_fours(card("4", 16), " "), "<card>"),
    "mastercard with hyphens": (lambda: in_fours(card("51", 16), "-"), "<card>"),
    "american express": (lambda: card("37", 15), "<card>"),
    "american express in groups": (lambda: " ".join(_amex_groups()), "<card>"),
    "nineteen digits": (lambda: card("62", 19), "<card>"),
    "iban": (iban, "<iban>"),
    "iban in fours": (lambda: in_fours(iban(), " "), "<iban>"),
    "email": (lambda: f"{some(LETTERS, 8)}.{some(LETTERS, 3)}+tag@mail.{some(LETTERS, 6)}.co.kr", "<email>"),
    "resident number": (lambda: f"900101-{some('12345678', 1)}{some(string.digits, 6)}", "<resident-number>"),
    "mobile": (lambda: f"010-{some('123456789', 4)}-{some(string.digits, 4)}", "<phone>"),
    "mobile without hyphens": (lambda: f"010{some('123456789', 4)}{some(string.digits, 4)}", "<phone>"),
    "landline": (lambda: f"02-{some('123456789', 3)}-{some(string.digits, 4)}", "<phone>"),
    "international": (lambda: f"+82 10-{some(string.digits, 4)}-{some(string.digits, 4)}", "<phone>"),
    "north american": (lambda: f"(415) {some('23456789', 3)}-{some(string.digits, 4)}", "<phone>"),
    "private key": (pem, "<private-key>"),
    "private key cut short": (lambda: pem()[:70], "<private-key>"),
    "jwt": (jwt, "<jwt>"),
    "aws key": (lambda: "AK" + "IA" + some(string.ascii_uppercase + string.digits, 16), "<aws-key>"),
    "github token": (lambda: "gh" + some("pousr", 1) + "_" + some(ALPHANUMERIC, 36), "<github-token>"),
    "github fine-grained token": (lambda: "github" + "_pat_" + some(ALPHANUMERIC, 40), "<github-token>"),
    "slack token": (lambda: "xo" + "xb-" + some(string.digits, 12) + "-" + some(ALPHANUMERIC, 24), "<slack-token>"),
    "stripe key": (lambda: "sk" + "_live_" + some(ALPHANUMERIC, 24), "<stripe-key>"),
    "openai key": (lambda: "sk" + "-proj-" + some(ALPHANUMERIC, 40), "<openai-key>"),
    "google key": (lambda: "AI" + "za" + some(ALPHANUMERIC, 35), "<google-key>"),
}


def _amex_groups() -> tuple[str, str, str]:
    number = card("34", 15)
    return number[:4], number[4:10], number[10:]


@pytest.fixture(params=sorted(SECRETS))
def secret(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each kind of secret, and the placeholder that takes its place."""
    make, placeholder = SECRETS[request.param]
    return make(), placeholder


@pytest.mark.parametrize(
    "frame", ["{}", "paid by {} today", "'{}'", "({}),", "[{}]", "한글 {} 한글", "a\n{}\nb", "x={};"]
)
def test_a_secret_is_replaced_wherever_it_stands(frame: str, secret: tuple[str, str]) -> None:
    text, placeholder = secret
    if "BEGIN" in text and "END" not in text:
        assert REDACTOR.redact(frame.format(text)) == frame.format("\0").split("\0")[0] + placeholder
        return

    assert REDACTOR.redact(frame.format(text)) == frame.format(placeholder)


def test_what_was_redacted_stays_as_it_is(secret: tuple[str, str]) -> None:
    once = REDACTOR.redact(f"before {secret[0]} after")

    assert REDACTOR.redact(once) == once
    assert REDACTOR.explain(once).hits == ()


def test_two_secrets_in_a_text_are_both_replaced(secret: tuple[str, str]) -> None:
    other = f"{some(LETTERS, 5)}@{some(LETTERS, 5)}.org"

    assert REDACTOR.redact(f"{other} | {secret[0]}").startswith(f"<email> | {secret[1]}")


PASSWORD = "Tr0ub4dor" + some(ALPHANUMERIC, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password={}", "password=<secret>"),
        ("password: {} next", "password: <secret> next"),
        ("PASSWORD = '{}' next", "PASSWORD = <secret> next"),
        ('db_password="{} with blanks" next', "db_password=<secret> next"),
        ('{{"password":"{}","user":"bob"}}', '{{"password":<secret>,"user":"bob"}}'),
        (r"{{\"password\":\"{}\",\"user\":\"bob\"}}", r"{{\"password\":<secret>\",\"user\":\"bob\"}}"),
        ("passwd={}&user=bob", "passwd=<secret>&user=bob"),
        ("client_secret={}", "client_secret=<secret>"),
        ("aws_secret_access_key = {}", "aws_secret_access_key = <secret>"),
        ("access_token={}", "access_token=<secret>"),
        ("api-key: {}", "api-key: <secret>"),
        ("x-api-key => {}", "x-api-key => <secret>"),
        ("token: Bearer {}", "token: Bearer <secret>"),
        ("비밀번호: {}", "비밀번호: <secret>"),
        ("Authorization: Bearer {}", "Authorization: Bearer <secret>"),
        ("authorization={} next", "authorization=<secret> next"),
        ('"Authorization": "Basic {}"', '"Authorization": "Basic <secret>"'),
        ("Proxy-Authorization: Digest {}", "Proxy-Authorization: Digest <secret>"),
        ("Cookie: session={}; theme=dark", "Cookie: <secret>"),
        ("Set-Cookie: id={}; Secure\nnext", "Set-Cookie: <secret>\nnext"),
        ("postgres://bob:{}@db:5432/shop", "postgres://bob:<secret>@db:5432/shop"),
        ("redis://:{}@cache", "redis://:<secret>@cache"),
        ("Bearer {}{0}", "Bearer <secret>"),
    ],
)
def test_what_is_called_a_secret_is_taken_out_whatever_it_looks_like(text: str, expected: str) -> None:
    redacted = REDACTOR.redact(
        text.replace("{0}", PASSWORD).replace("{}", PASSWORD).replace("{{", "{").replace("}}", "}")
    )

    assert redacted == expected.replace("{{", "{").replace("}}", "}")
    assert REDACTOR.redact(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order 4111111111111112 failed",  # the check digit is wrong
        "id 1234567890123456",
        "at 1763769600123 ms",
        "2026-11-22T14:00:01.123456789+09:00",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "Failed password for root from 10.0.0.1 port 22",
        "the token has expired",
        "max_tokens=4096, tokens: 12",
        "bearer authentication failed",
        "@timestamp and user@host",
        "https://example.com:8443/path?x=1",
        "at com.acme.Cart.add(Cart.java:10)",
        "550e8400-e29b-41d4-a716-446655440000",
        "version 1.2.3-4567-8901",
        "GB82 is no account",
        "<card> <secret> <email>",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text
    assert REDACTOR.explain(text) == (text, ())


def test_fields_are_redacted_however_deep_they_lie() -> None:
    number, address = card("4", 16), f"{some(LETTERS, 5)}@{some(LETTERS, 5)}.org"
    value: dict[str, Any] = {
        "items": [{"note": f"card {number}"}, [address]],
        "count": 7,
        "card_number": int(number),
        "ratio": 0.5,
        "none": None,
        address: True,
    }

    assert REDACTOR.redact_value(value) == {
        "items": [{"note": "card <card>"}, ["<email>"]],
        "count": 7,
        "card_number": "<card>",
        "ratio": 0.5,
        "none": None,
        "<email>": True,
    }


@pytest.mark.parametrize(
    "key",
    ["password", "db.password", "Authorization", "accessToken", "X-Api-Key", "client_secret", "set-cookie", "passwd"],
)
@pytest.mark.parametrize("value", ["x", 7, True, ["a"], {"a": {"b": "c"}}])
def test_the_value_of_a_secret_key_is_taken_out_whole(key: str, value: object) -> None:
    once = REDACTOR.redact_value({"a": {key: value}})

    assert once == {"a": {key: "<secret>"}}
    assert REDACTOR.redact_value(once) == once


@pytest.mark.parametrize("key", ["tokens", "token_type", "passwords_changed", "monkey", "keyboard"])
def test_a_key_that_only_speaks_of_secrets_keeps_its_value(key: str) -> None:
    assert REDACTOR.redact_value({key: "x"}) == {key: "x"}


def test_the_explanation_names_the_rules_and_not_what_they_found() -> None:
    number = card("4", 16)

    redaction = REDACTOR.explain({"a": f"{number} and {number}", "password": PASSWORD})

    assert dict(redaction.hits) == {"card": 2, "secret-key": 1}
    assert number not in str(redaction)
    assert PASSWORD not in str(redaction)


def test_suspects_are_found_in_one_search_over_all_texts() -> None:
    texts = [
        "nothing",
        card("4", 16),
        "한글",
        f"x\n{PASSWORD}",
        f"password={PASSWORD}",
        "",
        pem()[:60],
        "nothing",
        jwt(),
    ]

    assert REDACTOR.suspects([text.encode() for text in texts]) == [1, 4, 6, 8]


#: Texts that hold much of what the rules look for, in odd neighbourhoods.
ODD_TEXTS = st.lists(
    st.one_of(
        st.sampled_from([make() for make, _ in SECRETS.values()]),
        st.sampled_from(
            ["password=", "token:", '"secret":"', "Authorization: Bearer ", "Cookie: ", "://a:", "bearer "]
        ),
        st.sampled_from(["<card>", "<secret>", "@b.com", "+82", "4111", "key", "a", "한", *" -_\n\"'\\=:"]),
        st.text(max_size=4),
    ),
    max_size=8,
).map("".join)


@patient
@given(ODD_TEXTS)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = REDACTOR.redact(text)

    assert REDACTOR.redact(once) == once


@patient
@given(st.lists(ODD_TEXTS, max_size=6))
def test_no_text_that_changes_is_overlooked_among_others(texts: list[str]) -> None:
    suspects = REDACTOR.suspects([text.encode() for text in texts])

    assert {index for index, text in enumerate(texts) if REDACTOR.redact(text) != text} <= set(suspects)


VALUES = st.recursive(
    st.one_of(ODD_TEXTS, st.integers(), st.floats(), st.none(), st.booleans(), st.just(int(card("4", 16)))),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(
            st.one_of(ODD_TEXTS, st.sampled_from(["password", "accessToken", "note"])), children, max_size=3
        ),
    ),
    max_leaves=4,
)


@patient
@given(st.lists(VALUES, max_size=5))
def test_no_value_that_changes_is_overlooked_among_others(values: list[Any]) -> None:
    changing = {index for index, value in enumerate(values) if repr(REDACTOR.redact_value(value)) != repr(value)}

    assert changing <= set(REDACTOR.suspect_values(values))


def test_values_without_a_secret_are_no_suspects() -> None:
    values = [
        {"pod": "cart-7d9f", "id": 17, "tokens": 4, "type": "bearer"},
        ["한글", None, 1.5],
        {"password": "x"},
    ]

    assert REDACTOR.suspect_values(values) == [2]
