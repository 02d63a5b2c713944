"""Draws made-up identifiers: of a given shape, with valid check digits. Nothing here is or was anybody's."""

import random
import re
import string
from collections.abc import Callable, Sequence

Draw = Callable[[random.Random], str]

_ALPHABETS = {
    "d": string.digits,
    "n": "123456789",
    "x": string.digits + "abcdef",
    "h": string.digits + "ABCDEF",
    "l": string.ascii_lowercase,
    "k": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "c": string.ascii_uppercase,
    "w": string.ascii_letters + string.digits,
    "s": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "o": string.ascii_letters + string.digits + "!#^*_+.",
}
_GAP = re.compile(rf"\{{([{''.join(_ALPHABETS)}])(\d+)\}}")

_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def fill(rng: random.Random, shape: str) -> str:
    """Return a shape with its gaps filled: `{d4}` stands for four digits, `{w20}` for twenty letters and digits."""
    return _GAP.sub(lambda gap: "".join(rng.choices(_ALPHABETS[gap[1]], k=int(gap[2]))), shape)


def shapes(*alternatives: str) -> Draw:
    """Return what draws one of some shapes, filled."""
    return lambda rng: fill(rng, rng.choice(alternatives))


def mixed(shape: str) -> Draw:
    """Return what fills a shape so that it holds letters and digits, as chance nearly always does and words do not."""

    def draw(rng: random.Random) -> str:
        while True:
            text = fill(rng, shape)
            if any(map(str.isdigit, text)) and any(map(str.isalpha, text)):
                return text

    return draw


def card(rng: random.Random, start: str, length: int) -> str:
    """Return a number that begins so and ends in its check digit (ISO/IEC 7812-1, annex B)."""
    body = start + "".join(str(rng.randrange(10)) for _ in range(length - len(start) - 1))
    return body + luhn(body)


def luhn(body: str) -> str:
    """Return the check digit of a number."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body)))
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)  # noqa: PLR2004 - its digits


def iban(rng: random.Random, country: str, account: str) -> str:
    """Return an account number of a country with its check digits (ISO 13616, ISO 7064 MOD 97-10)."""
    basic = fill(rng, account)
    number = "".join(str(int(character, 36)) for character in f"{basic}{country}00")
    return f"{country}{98 - int(number) % 97:02}{basic}"


def resident_number(rng: random.Random, sexes: str = "1234") -> str:
    """Return thirteen digits: date of birth, sex and century, and a check digit, which foreigners have otherwise."""
    sex = rng.choice(sexes)
    year = rng.randrange(50, 100) if sex in "1256" else rng.randrange(26)
    body = f"{year:02}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}{sex}{rng.randrange(10**5):05}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _RESIDENT_WEIGHTS, strict=True))
    return f"{body}{((11 if body[6] in '1234' else 13) - total % 11) % 10}"


def grouped(text: str, sizes: Sequence[int], separator: str) -> str:
    """Return a text in groups of the given sizes; what is left over is in groups of the last."""
    groups: list[str] = []
    start = 0
    while start < len(text):
        size = sizes[min(len(groups), len(sizes) - 1)]
        groups.append(text[start : start + size])
        start += size
    return separator.join(groups)
