"""The spans of all matches are those of `finditer`."""

import re2
from hypothesis import given
from hypothesis import strategies as st

from udfs.scan import Found, search_of, spans_of

PATTERN = re2.compile(rb"\b[a-c]+|\d{2,3}|\xea\xb0\x80")


class Withheld:
    """A pattern of a library that has nothing but `finditer`."""

    def finditer(self, text: bytes) -> object:
        return PATTERN.finditer(text)


@given(st.text(alphabet="abc 123가\n", max_size=40))
def test_the_spans_are_those_of_finditer(text: str) -> None:
    data = text.encode()

    expected = [match.span() for match in PATTERN.finditer(data)]

    assert spans_of(PATTERN)(data) == expected
    assert spans_of(Withheld())(data) == expected


GROUPS = re2.compile(rb"a(b+)|(c)d|e")


class Bare:
    """A pattern of a library that has nothing but `search`."""

    def search(self, text: bytes, start: int) -> object:
        return GROUPS.search(text, start)


@given(st.text(alphabet="abcde가", max_size=20), st.integers(0, 20))
def test_a_search_gives_the_group_that_took_part(text: str, start: int) -> None:
    data = text.encode()
    start = min(start, len(data))
    match = GROUPS.search(data, start)

    expected = None if match is None else Found(match.start(), *match.span(match.lastindex or 0))

    assert search_of(GROUPS)(data, start) == expected
    assert search_of(Bare())(data, start) == expected


def test_the_short_way_is_there() -> None:
    assert (spans_of(PATTERN).__name__, search_of(GROUPS).__name__) == ("spans", "search")
