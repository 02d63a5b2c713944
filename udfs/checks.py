"""What no pattern can tell of a secret: check digits, what stands around it, and values that hide nothing.

A check gets the text and the span of a candidate, both in bytes, and returns where the secret really ends; the start of
the span stands for "this is none".
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

import re2

Check = Callable[[bytes, int, int], int]

_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_IBAN_MODULUS = 97
_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)

#: Issuers, by the first digits of a card, and the usual length of its number (ISO/IEC 7812-1; the schemes' ranges).
_ISSUERS = re2.compile(
    r"4\d{15}"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|65\d{2}|64[4-9]\d)\d{12}"  # Discover
    r"|(?:62|81)\d{14,17}"  # UnionPay
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|3(?:0[0-5]\d|095|[689]\d{2})\d{10}(?:\d{2})?"  # Diners Club
    r"|(?:50|5[6-9]|60|6[3-9])\d{14}"  # Maestro, RuPay, Elo
    r"|9\d{15}"  # cards for use inside a country, such as Korea's
    r"|220[0-4]\d{12}"  # Mir
)
#: Of these lengths, or as a part of a name, numbers are nearly always something else: a card is called one.
_RARE_CARDS = re2.compile(r"4(?:\d{12}|\d{18})|(?:35|5\d|6\d)\d{11,17}")
#: The last digits of a number that are all the same where it stands for a form of numbers.
_PHONE_TAIL = 8
_GROUP = re2.compile(r"[0-9\x{FF10}-\x{FF19}]+")
_NO_DIGITS = bytes(byte for byte in range(256) if byte not in b"0123456789")
_SHORTEST_CARD = 13
_CARD_WORD = re2.compile(r"(?i)(?:card|\bpan\b|\bcc\b|visa|카드|결제)[^\d\n]{0,24}$")
_NAME_BEFORE = re2.compile(r"[A-Za-z]_-?$")

#: Characters of an account number, by country (the registry of ISO 13616, SWIFT).
_IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "FO", "GL", "NL", "SD", "FK"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "XK", "MN"), 20),
    **dict.fromkeys(("CH", "CR", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "TL", "SO", "OM"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    **dict.fromkeys(("LC",), 32),
    **dict.fromkeys(("RU",), 33),
}

#: What ends like an address and is none: icons for dense screens, units of systemd, files, names inside a cluster.
_NO_DOMAIN = re2.compile(
    r"(?i).*\.(?:png|jpe?g|gif|svg|webp|ico|css|js|mjs|ts|tsx|jsx|map|py|java|kt|go|rb|cs|html?|json|ya?ml|xml|txt|log|md|zip|tgz|gz"
    r"|jar|war|service|socket|target|timer|mount|scope|slice|internal|local|localdomain|cluster|svc|lan)"
)
_RESIDENT_WORD = re2.compile(
    r"(?i)(?:주민|외국인\s?등록|생년|resident|\brrn\b|\bssn\b|jumin|registration)[^\d\n]{0,30}$"
)
#: What makes a number a part of something longer, and what only looks so: a line feed or a quote, as JSON and URLs
#: write them.
_JOINED_BEFORE = re2.compile(r"[A-Za-z0-9][.-]?$")
_JOINED_AFTER = re2.compile(r"[A-Za-z0-9_]|[.-][A-Za-z0-9]")
_ESCAPE_BEFORE = re2.compile(r"(?:\\[nrtbf]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})$")
_AROUND = 96
_LONG_TOKEN = 8
#: Shares of capitals among the letters of what chance has made; of words that are joined they are fewer.
_FEWEST_CAPITALS, _MOST_CAPITALS = 0.3, 0.7
#: The seventh digit of those who were born from 2000 on, and the last two digits of the last year that is taken.
_BORN_AFTER_2000, _LAST_YEAR = "3478", 35
_DASH = re2.compile(r"[\x{2010}-\x{2015}\x{FF0D}-]")
_WORDLIKE = re2.compile(r"[a-z]+|[A-Z][a-z]+|[가-힣]+")
#: Addresses in memory and numbers of up to 64 bits; private keys of blockchains have 256.
_HEX = re2.compile(r"0x[0-9A-Fa-f]{1,16}")
_PROSE_AHEAD = re2.compile(r"\s+(?:[a-z]+|[가-힣]+)(?:[\s.,;!?)]|$)")
_COLON_BEFORE = re2.compile(r"[:\x{FF1A}]\s*(?:(?i:bearer|basic)\s+)?$")
#: Names in which `secret:` and `token:` are parts: of a resource, of a key in a cache.
_RESOURCE_BEFORE = re2.compile(r"\barn:[\w:/.-]*$")
_PARTS = re2.compile(r"[a-z_]+(?::(?:[a-z_.-]+|\d+))+[^\x00-\x7f]*")


def _digits(found: bytes) -> str:
    """Return the digits, also those of East Asian width, as ASCII."""
    if found.isascii():
        return found.translate(None, _NO_DIGITS).decode()
    return "".join(str(int(character)) for character in found.decode() if character.isdecimal())


def passes_luhn(digits: str) -> bool:
    """Tell whether digits end in their check digit (ISO/IEC 7812-1, annex B)."""
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_LUHN_DOUBLED[number] for number in numbers[1::2])) % 10 == 0


def _prefixes(text: bytes, start: int, end: int) -> Iterator[tuple[str, int]]:
    """Yield the digits of a candidate and its end, the longest first, each shortened by a group at its end."""
    ends = [match.end() for match in _GROUP.finditer(text[start:end])]
    for until in reversed(ends):
        yield _digits(text[start : start + until]), start + until


def card(text: bytes, start: int, end: int) -> int:
    """Tell a payment card by its issuer, its length and its check digit."""
    before = _before(text, start)
    is_called_card = _CARD_WORD.search(before) is not None
    for digits, until in _prefixes(text, start, end):
        if len(digits) < _SHORTEST_CARD:
            break
        is_issued = _ISSUERS.fullmatch(digits) and (is_called_card or not _NAME_BEFORE.search(before))
        if not (is_issued or (is_called_card and _RARE_CARDS.fullmatch(digits))) or not passes_luhn(digits):
            continue
        # What follows behind a blank is another number, such as the month in which the card expires.
        if _stands_alone(text, start, until) or _stands_alone(text, start, end):
            return until
    return start


def iban(text: bytes, start: int, end: int) -> int:
    """Tell an account number by its country's length and by ISO 7064 MOD 97-10 over the rearranged text."""
    length = _IBAN_LENGTHS.get(text[start : start + 2].decode().upper())
    if length is None:
        return start
    compact = bytearray()
    for until in range(start, end):
        if text[until] not in b" -":
            compact.append(text[until])
        if len(compact) == length:
            break
    else:
        return start
    found = text[start : until + 1]
    # In small letters and in groups it would be words, or a part of a UUID.
    is_written_so = found.upper() == found or (found.lower() == found and found.isalnum())
    if not is_written_so or not _stands_alone(text, start, until + 1):
        return start
    number = "".join(str(int(character, 36)) for character in (compact[4:] + compact[:4]).decode())
    return until + 1 if int(number) % _IBAN_MODULUS == 1 else start


def resident_number(text: bytes, start: int, end: int) -> int:
    """Tell a Korean resident number by its date of birth; without a hyphen by check digit or word before too."""
    digits = _digits(text[start:end])
    month, day = int(digits[2:4]), int(digits[4:6])
    if not (1 <= month <= 12 and 1 <= day <= 31) or not _stands_alone(text, start, end):  # noqa: PLR2004 # a date
        return start
    if digits[6] in _BORN_AFTER_2000 and int(digits[:2]) > _LAST_YEAR:
        return start
    if _DASH.search(text[start:end]):
        return end
    total = sum(int(digit) * weight for digit, weight in zip(digits, _RESIDENT_WEIGHTS, strict=False))
    counted_from = 11 if digits[6] in "1234" else 13
    before = _before(text, start)
    fits = (counted_from - total % 11) % 10 == int(digits[-1]) and not _NAME_BEFORE.search(before)
    return end if fits or _RESIDENT_WORD.search(before) else start


def luhn(text: bytes, start: int, end: int) -> int:
    """Tell a number that ends in its check digit."""
    return end if passes_luhn(_digits(text[start:end])) else start


def ssn(text: bytes, start: int, end: int) -> int:
    """Tell a United States social security number: areas 000, 666 and 900 on were never given out."""
    area, group, serial = text[start:end].split(b"-")
    is_given = area not in {b"000", b"666"} and area < b"900" and group != b"00" and serial != b"0000"
    return end if is_given and _stands_alone(text, start, end) else start


def digits(text: bytes, start: int, end: int) -> int:
    """Tell a number that stands alone: not a part of a longer one, of a UUID, a version or a decimal."""
    is_pattern = len(set(_digits(text[start:end])[-_PHONE_TAIL:])) == 1
    return end if _stands_alone(text, start, end) and not is_pattern else start


def international(text: bytes, start: int, end: int) -> int:
    """Tell a telephone number with a country code by its eight to fifteen digits (E.164)."""
    count = len(_digits(text[start:end]))
    return end if 8 <= count <= 15 and _stands_alone(text, start, end) else start  # noqa: PLR2004 # E.164


def email(text: bytes, start: int, end: int) -> int:
    """Tell an address from user@host in a URL or for a remote shell, and from names of files and units."""
    found = text[start:end]
    if _NO_DOMAIN.fullmatch(found.decode()) or text[max(0, start - 3) : start] == b"://":
        return start
    # git@github.com:team/project is a place, and the user is everybody's.
    return start if found.startswith(b"git@") else end


def basic(text: bytes, start: int, end: int) -> int:
    """Tell the base64 of user:password (RFC 7617)."""
    try:
        return end if b":" in base64.b64decode(text[start:end], validate=True) else start
    except binascii.Error:
        return start


def random(text: bytes, start: int, end: int) -> int:
    """Tell what looks like chance from words: it has letters and digits, or as many capitals as no words have."""
    if _HEX.fullmatch(text[start:end]):
        return start
    found = text[start:end].decode()
    letters = sum(map(str.isalpha, found))
    capitals = sum(map(str.isupper, found))
    is_mixed = _FEWEST_CAPITALS * letters <= capitals <= _MOST_CAPITALS * letters
    return end if letters and (is_mixed or any(map(str.isdigit, found))) else start


def code(text: bytes, start: int, end: int) -> int:
    """Tell a code that somebody typed or was sent: it is no part of a longer number."""
    return end if _stands_alone(text, start, end) else start


class Values:
    """Tells values that are secrets from those that hide nothing, by the rules of a set."""

    def __init__(self, no_secrets: Any, prose: Any) -> None:
        self._nothing = no_secrets
        self._prose = prose

    def value(self, text: bytes, start: int, end: int) -> int:
        """Tell a secret behind its name from a value that is hidden already, and from a sentence that goes on."""
        found = text[start:end].rstrip(b".,!?")
        if not found or self._nothing.fullmatch(found):
            return start
        before = _before(text, start)
        if _RESOURCE_BEFORE.search(before) or (_COLON_BEFORE.search(before) and self._goes_on(text, found, end)):
            return start
        return end

    def token(self, text: bytes, start: int, end: int) -> int:
        """Tell a token by its length too: a shorter one is a word of a grammar, a count or a number."""
        found = text[start:end]
        if len(found) < _LONG_TOKEN or _HEX.fullmatch(found) or _WORDLIKE.fullmatch(found) or _PARTS.fullmatch(found):
            return start
        return self.value(text, start, end)

    def is_secret(self, value: Any) -> bool:
        """Tell whether the value of a secret key is one."""
        if isinstance(value, bool):
            return False
        return not isinstance(value, str) or (bool(value) and self._nothing.fullmatch(value.encode()) is None)

    def _goes_on(self, text: bytes, found: bytes, end: int) -> bool:
        if self._prose.fullmatch(found):
            return True
        return _WORDLIKE.fullmatch(found) is not None and _PROSE_AHEAD.match(text[end : end + _AROUND]) is not None


def _before(text: bytes, start: int) -> bytes:
    return text[max(0, start - _AROUND) : start]


def _stands_alone(text: bytes, start: int, end: int) -> bool:
    """Tell whether no digit belongs to the same number: none is joined to it by a dot or a hyphen, no letter at all."""
    before = text[max(0, start - 6) : start]
    if _JOINED_BEFORE.search(before) is not None and _ESCAPE_BEFORE.search(before) is None:
        return False
    return _JOINED_AFTER.match(text[end : end + 2]) is None


#: By the names that rules use. `value` and `token` belong to a rule set: see `Values`.
CHECKS: dict[str, Check] = {
    "card": card,
    "luhn": luhn,
    "iban": iban,
    "resident-number": resident_number,
    "ssn": ssn,
    "digits": digits,
    "international": international,
    "email": email,
    "basic": basic,
    "random": random,
    "code": code,
}
