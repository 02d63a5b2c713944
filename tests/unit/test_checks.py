"""What no pattern can tell of a secret. A check returns where the secret ends, or its start when it is none."""

import base64
import random

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from local.generator.draw import card, fill, grouped, iban, luhn, resident_number
from udfs.checks import CHECKS, Values, passes_luhn

CARD = "4" + "1" * 15
RESIDENT = resident_number(random.Random(1), "12")  # noqa: S311 # made-up data
FOREIGNER = resident_number(random.Random(1), "56")  # noqa: S311 # made-up data


def found_in(check: str, text: str, *, before: str = "", after: str = "") -> str:
    """Return what a check takes out of a text that a pattern has found between two others."""
    start, end = len(before.encode()), len((before + text).encode())
    data = (before + text + after).encode()
    return data[start : CHECKS[check](data, start, end)].decode()


def other_digit(number: str) -> str:
    return f"{number[:-1]}{(int(number[-1]) + 1) % 10}"


@given(st.text("0123456789", min_size=1, max_size=30))
def test_of_ten_last_digits_one_is_the_check_digit(body: str) -> None:
    assert [digit for digit in "0123456789" if passes_luhn(body + digit)] == [luhn(body)]


@pytest.mark.parametrize(
    ("start", "length"),
    [
        ("4", 16),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2720", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("644", 16),
        ("65", 16),
        ("62", 16),
        ("62", 19),
        ("81", 16),
        ("3528", 16),
        ("3589", 16),
        ("300", 14),
        ("305", 14),
        ("36", 14),
        ("38", 16),
        ("50", 16),
        ("94", 16),
        ("2200", 16),
    ],
)
def test_a_card_is_told_by_issuer_length_and_check_digit(start: str, length: int) -> None:
    number = card(random.Random(start), start, length)  # noqa: S311 # made-up data

    assert found_in("card", number) == number
    assert found_in("card", other_digit(number)) == ""


@pytest.mark.parametrize(
    ("start", "length"), [("1", 16), ("20", 16), ("2220", 16), ("2721", 16), ("7", 16), ("38", 17)]
)
def test_a_number_of_no_issuer_is_no_card(start: str, length: int) -> None:
    assert found_in("card", card(random.Random(start), start, length)) == ""  # noqa: S311 # made-up data


@pytest.mark.parametrize(
    ("before", "text", "after", "found"),
    [
        ("", CARD, "", CARD),
        ("id=", CARD, ",", CARD),
        ("카드", CARD, "번", CARD),
        ("", f"{grouped(CARD, (4,), ' ')} 122", "5 ann", grouped(CARD, (4,), " ")),
        ("", f"{grouped(CARD, (4,), '-')}-123", " x", f"{grouped(CARD, (4,), '-')}"),
        ("", CARD, "a", ""),
        ("a", CARD, "", ""),
        ("1.", CARD, "", ""),
        ("1-", CARD, "", ""),
        ("", CARD, ".5", ""),
        ("", CARD, "-5", ""),
        ("", CARD, "_x", ""),
        ("", CARD, ". Next", CARD),
        ("order_", CARD, "", ""),
        ("card_", CARD, "", CARD),
    ],
)
def test_a_card_is_no_part_of_a_longer_number_or_name(before: str, text: str, after: str, found: str) -> None:
    assert found_in("card", text, before=before, after=after) == found


@pytest.mark.parametrize("start", ["4", "5018"])
@pytest.mark.parametrize("before", ["card ", "카드번호: ", "PAN=", "visa: "])
def test_a_number_of_a_rare_length_is_a_card_when_it_is_called_one(before: str, start: str) -> None:
    number = card(random.Random(start), start, 13)  # noqa: S311 # made-up data

    assert found_in("card", number, before=before) == number
    assert found_in("card", number, before="id ") == ""


@pytest.mark.parametrize(
    ("country", "account"),
    [
        ("DE", "{d18}"),
        ("GB", "{c4}{d14}"),
        ("FR", "{d10}{u11}{d2}"),
        ("NO", "{d11}"),
        ("MT", "{c4}{d5}{u18}"),
        ("PL", "{d24}"),
        ("AE", "{d19}"),
    ],
)
@pytest.mark.parametrize("separator", ["", " ", "-"])
def test_an_account_is_told_by_its_countrys_length_and_check_digits(country: str, account: str, separator: str) -> None:
    number = iban(random.Random(country), country, account)  # noqa: S311 # made-up data
    text = grouped(number, (4,), separator)

    assert found_in("iban", text) == text
    assert found_in("iban", text.lower()) == ("" if separator else text.lower())
    assert found_in("iban", f"{text} and", after=" more") == text
    assert found_in("iban", grouped(other_digit(number[:4]) + number[4:], (4,), separator)) == ""
    assert found_in("iban", text[:-1]) == ""
    assert found_in("iban", text + "0") == ""


def test_an_account_of_no_country_is_none() -> None:
    assert found_in("iban", iban(random.Random(1), "XX", "{d18}")) == ""  # noqa: S311 # made-up data


@pytest.mark.parametrize(
    ("before", "text", "after", "found"),
    [
        ("", grouped(RESIDENT, (6, 7), "-"), "", grouped(RESIDENT, (6, 7), "-")),
        ("", RESIDENT, "", RESIDENT),
        ("", grouped(FOREIGNER, (6, 7), "-"), "", grouped(FOREIGNER, (6, 7), "-")),
        ("", FOREIGNER, "", FOREIGNER),
        # Since October 2020 the last digit of those with a hyphen is chance.
        ("", grouped(other_digit(RESIDENT), (6, 7), "-"), "", grouped(other_digit(RESIDENT), (6, 7), "-")),
        ("", other_digit(RESIDENT), "", ""),
        ("주민번호 ", other_digit(RESIDENT), "", other_digit(RESIDENT)),
        ("", "991301-1234567", "", ""),
        ("", "990132-1234567", "", ""),
        ("", "990001-1234567", "", ""),
        ("1-", grouped(RESIDENT, (6, 7), "-"), "", ""),
        ("", grouped(RESIDENT, (6, 7), "-"), "-1", ""),
        ("", grouped(RESIDENT, (6, 7), "-"), "8", ""),
    ],
)
def test_a_resident_number_is_told_by_its_date_and_check_digit(before: str, text: str, after: str, found: str) -> None:
    assert found_in("resident-number", text, before=before, after=after) == found


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("123-45-6789", True),
        ("000-45-6789", False),
        ("666-45-6789", False),
        ("900-45-6789", False),
        ("123-00-6789", False),
        ("123-45-0000", False),
    ],
)
def test_a_social_security_number_is_one_that_was_given_out(text: str, is_one: bool) -> None:  # noqa: FBT001 # a table
    assert bool(found_in("ssn", text)) is is_one


@pytest.mark.parametrize(
    ("check", "before", "text", "after", "is_one"),
    [
        ("digits", "", "010-1234-5678", "", True),
        ("digits", "(", "010-1234-5678", ").", True),
        ("digits", "1.", "010-1234-5678", "", False),
        ("digits", "", "010-1234-5678", "-9", False),
        ("international", "", "+82 10-1234-5678", "", True),
        ("international", "", "+1 234 567", "", False),
        ("international", "", "+1 234 567 890 123 456", "", False),
        ("code", "", "123456", "", True),
        ("code", "", "123456", "a", False),
        ("email", "", "ann" + "@acme.io", "", True),
        ("email", "", "icon" + "@2x.png", "", False),
        ("email", "", "user" + "@1000.service", "", False),
        ("email", "", "git" + "@github.com", ":a/b", False),
        ("email", "ssh://", "ann" + "@acme.io", "/x", False),
        ("basic", "", base64.b64encode(b"ann:x").decode(), "", True),
        ("basic", "", base64.b64encode(b"no colon").decode(), "", False),
        ("basic", "", "authentication", "", False),
        ("random", "", "abcDEFghiJKL", "", True),
        ("random", "", "abc1defghijk", "", True),
        ("random", "", "authentication", "", False),
        ("random", "", "AUTHENTICATION", "", False),
        ("random", "", "-----", "", False),
        ("random", "", "0xdeadbeef00", "", False),
    ],
)
def test_neighbours_and_characters_decide(
    check: str,
    before: str,
    text: str,
    after: str,
    is_one: bool,  # noqa: FBT001 # a table
) -> None:
    assert found_in(check, text, before=before, after=after) == (text if is_one else "")


@given(
    st.sampled_from(sorted(CHECKS.keys() - {"ssn", "resident-number", "iban"})),
    st.text("0123456789aA-. @:+=", min_size=1),
)
def test_a_check_ends_inside_what_was_found(check: str, text: str) -> None:
    data = f"before {text} after".encode()
    start, end = 7, 7 + len(text)

    assert start <= CHECKS[check](data, start, end) <= end


VALUES = Values(re2.compile(rb"(?i)null|\*{3,}.*|<[^<>]+>"), re2.compile(rb"(?i)expired|must|identifier"))


@pytest.mark.parametrize(
    ("before", "text", "after", "is_secret"),
    [
        ("password=", "hunter2", "", True),
        ("password=", "hunter2", " and more", True),
        ("password=", "null", "", False),
        ("password=", "null.", "", False),
        ("password=", "***4", "", False),
        ("password=", "<secret>", "", False),
        ("password=", "...", "", False),
        ("password=", "must", "", True),
        # A colon may stand in a sentence, which goes on with a word.
        ("password: ", "must", " be longer", False),
        ("비밀번호： ", "dragon", " was refused", False),  # noqa: RUF001 # as it is written in Korean
        ("password: ", "dragon", "", True),
        ("password: ", "dragon7", " was refused", True),
        ("arn:aws:secretsmanager:eu-west-1:1:secret:", "prod/db", "", False),
    ],
)
def test_a_value_is_a_secret_unless_it_is_hidden_or_a_word_of_a_sentence(
    before: str,
    text: str,
    after: str,
    is_secret: bool,  # noqa: FBT001 # a table
) -> None:
    start, end = len(before.encode()), len((before + text).encode())

    assert VALUES.value((before + text + after).encode(), start, end) == (end if is_secret else start)


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("a1B2c3D4e5", True),
        ("0xZebra1234", True),
        ("a1B2c3D", False),
        ("0xdeadbeef00", False),
        ("identifier", False),
        ("Identifier", False),
        ("user:session:17", False),
        ("***a1B2c3D4e5", False),
    ],
)
def test_a_token_is_a_secret_that_is_long_enough_and_no_word(text: str, is_secret: bool) -> None:  # noqa: FBT001 # a table
    data = f"token={text}".encode()

    assert VALUES.token(data, 6, len(data)) == (len(data) if is_secret else 6)


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [("hunter2", True), (7, True), (True, False), ({"a": 1}, True), ("", False), ("null", False), ("***", False)],
)
def test_the_value_of_a_secret_key_is_a_secret_unless_it_hides_nothing(value: object, is_secret: bool) -> None:  # noqa: FBT001 # a table
    assert VALUES.is_secret(value) is is_secret


def test_what_the_generator_fills_in_has_the_shape_that_was_asked_for() -> None:
    assert re2.fullmatch(r"a\d{3}-[0-9a-f]{4}\{\}", fill(random.Random(1), "a{d3}-{x4}{}"))  # noqa: S311 # made-up data


def test_a_part_of_a_uuid_and_the_words_behind_it_are_no_account() -> None:
    uuid = "-".join(("acb68781", "9f29", "47ab", "ad57" + "5b9fbdab"))

    for words in ("", " deferred by", " ab", " abcd efgh"):
        assert found_in("iban", "AD57 5B9F BDAB DEFE RRED BYPR", before="x-") == ""
        assert found_in("iban", f"{uuid[24:]}{words}", before=uuid[:24]) == ""
