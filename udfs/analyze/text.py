"""What counts as the text of a failure: stack traces condensed, noise taken out, words made comparable.

Documents and queries go through the same functions. Every expression runs in RE2 on text of bounded size.
"""

# ruff: noqa: SIM905 - a list of words reads better as a text than as a column of literals

import unicodedata
from collections.abc import Iterator

import re2

#: Characters of a text that are looked at; the rest of a longer one is data.
MAX_CHARACTERS = 4_096
#: Words of one query: more make it slower and no better.
MAX_QUERY_WORDS = 80
_MAX_LINES = 400
_KEPT_LINES = 6

_FRAME = re2.compile(r'^(\s*at \S+.*\)\s*$|\s*at \S+:\d+|\s*\.\.\. \d+ |\s*File "|Traceback \(most recent|\s{4,})')
_NOISE = re2.compile(
    r"https?://\S*"
    r"|<[a-z_]+>|\[REDACTED[^\]]*\]"  # what parameterize and redact leave behind
    r"|\d{4}-\d\d-\d\d[T ]?[\d:.,]*Z?"
    r"|\b[0-9a-fA-F]*\d[0-9a-fA-F]{4,}\b"
)
_QUALIFIED = re2.compile(r"\b(?:\w+\.){2,}\w+\b")
_HUMP = re2.compile(r"([\p{Ll}0-9])(\p{Lu})")
_ACRONYM = re2.compile(r"(\p{Lu}+)(\p{Lu}\p{Ll})")
_PUNCTUATION = re2.compile(r"[_\-/=:;,\"'(){}\[\]<>|#@*`\s]+")
_WORD = re2.compile(r"\p{L}+|\b\d{3}\b")

#: Segments of package and host names that say nothing about a failure.
_GENERIC_SEGMENTS = frozenset(
    (
        "com org java javax jakarta net io example acme base lang util prod svc cluster local python site packages lib "
        "usr app src main"
    ).split()
)
_STOP_WORDS = frozenset(
    (
        "a an the of in on at to for is are was were be been not no and or by with from after before this that it its "
        "as one two than then has have had but if when while all each error warn info failed exception"
    ).split()
)
_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ied", "ions", "ion", "ers", "er", "ed", "es", "s")
_SHORTEST_STEM = 4
_NAME_SUFFIXES = ("-service", "-api", "-svc", "-worker", "-server")


def condense(content: str) -> str:
    """Return the lines of a record that say what happened: no frames, of many lines the first and the last ones."""
    lines = content[: 16 * MAX_CHARACTERS].split("\n", _MAX_LINES)[:_MAX_LINES]
    told = [line for line in lines if line.strip() and not _FRAME.match(line)] or lines
    if len(told) > 2 * _KEPT_LINES:
        told = told[:_KEPT_LINES] + told[-_KEPT_LINES:]
    return "\n".join(told)[:MAX_CHARACTERS]


def normalise(text: str) -> str:
    """Return a text without variables and punctuation, identifiers taken apart at their humps and dots."""
    text = _NOISE.sub(" ", text[:MAX_CHARACTERS])
    text = _QUALIFIED.sub(lambda match: _without_generic_segments(match.group(0)), text)
    text = _HUMP.sub(r"\1 \2", text)
    text = _ACRONYM.sub(r"\1 \2", text)
    return str(_PUNCTUATION.sub(" ", text)).strip()


def words(text: str) -> tuple[str, ...]:
    """Return the distinct telling words of a text in their order, in lower case; a number counts if it has 3 digits."""
    found = _WORD.findall(normalise(text).lower())
    return tuple(dict.fromkeys(word for word in found if len(word) > 1 and word not in _STOP_WORDS))


def stem(word: str) -> str:
    """Return a word without its English ending, roughly: `timed` and `times` become `tim`, `deadlock` stays."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            return word.removesuffix(suffix)
    return word


def service_stem(service: str) -> str:
    """Return a service's name without the ending that only says that it is one: `order-service` is `order`."""
    name = service.lower()
    for suffix in _NAME_SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def printable(text: str, limit: int) -> str:
    """Return a text for people: no control or invisible format characters, white space tidied, cut to `limit`."""
    visible = "".join(character for character in text[: 4 * limit] if _is_visible(character))
    lines = (" ".join(line.split()) for line in visible.split("\n"))
    tidy = "\n".join(line for line in lines if line)
    return tidy if len(tidy) <= limit else tidy[: limit - 1].rstrip() + "…"


def _is_visible(character: str) -> bool:
    # Cc holds escape sequences, Cf the marks that turn the direction of writing, Cs and Co what no font shows.
    return character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _without_generic_segments(name: str) -> str:
    return " ".join(_telling(name.split(".")))


def _telling(segments: list[str]) -> Iterator[str]:
    return (segment for segment in segments if segment.lower() not in _GENERIC_SEGMENTS)
