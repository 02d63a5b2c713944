"""Where a pattern matches, at half of what `finditer` and `search` cost.

google-re2 makes an object of each match, in Python. Of a line with many short matches that is most of the time. The
spans lie one layer below, in the class that the extension module exports; where a release of the library has it no
more, its public methods do the same.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

Spans = Callable[[bytes], list[tuple[int, int]]]


def spans_of(pattern: Any) -> Spans:
    """Return what gives start and end of all matches in a text. The pattern is one that never matches nothing."""
    low, anchor = _low(pattern)
    if anchor is None:
        return lambda text: [match.span() for match in pattern.finditer(text)]
    match_of = low.Match

    def spans(text: bytes) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        start, end = 0, len(text)
        while start < end:
            span = match_of(anchor, text, start, end)[0]
            start = span[1]
            if start < 0:
                break
            found.append(span)
        return found

    return spans


class Found(NamedTuple):
    """Where a match begins, and the span of the group in it that took part; without groups, of all of it."""

    match_start: int
    start: int
    end: int


Search = Callable[[bytes, int], Found | None]


def search_of(pattern: Any) -> Search:
    """Return what finds the first match that begins at a place or behind it."""
    low, anchor = _low(pattern)
    if anchor is None:
        return lambda text, start: _found(pattern.search(text, start))
    match_of = low.Match

    def search(text: bytes, start: int) -> Found | None:
        spans = match_of(anchor, text, start, len(text))
        match_start = spans[0][0]
        if match_start < 0:
            return None
        return Found(match_start, *next((span for span in spans[:0:-1] if span[0] >= 0), spans[0]))

    return search


def _low(pattern: Any) -> tuple[Any, Any]:
    """Return the pattern of the extension module and how it searches; nothing where a release has them no more."""
    low = getattr(pattern, "_regexp", None)
    return low, getattr(getattr(low, "Anchor", None), "UNANCHORED", None)


def _found(match: Any) -> Found | None:
    return None if match is None else Found(match.start(), *match.span(match.lastindex or 0))
