"""Replacements in a text, and where those of several passes lie in the text as it was given."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Edit(NamedTuple):
    """A rule's replacement of bytes `start` to `end` of a text."""

    rule: str
    start: int
    end: int
    placeholder: bytes


class Place(NamedTuple):
    """What a rule took out: bytes `start` to `end` of the first text."""

    start: int
    end: int
    rule: str


class _Placed(NamedTuple):
    """A placeholder from `start` to `end` of the text as it is now, and what it stands for in the first text."""

    start: int
    end: int
    place: Place


def replace(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Apply edits, which are in the order of the text and do not overlap."""
    pieces: list[bytes] = []
    end = 0
    for edit in edits:
        pieces += (text[end : edit.start], edit.placeholder)
        end = edit.end
    return b"".join((*pieces, text[end:]))


def places(passes: Iterable[Sequence[Edit]]) -> list[Place]:
    """Return what was taken out of the first text, where each pass edited what the one before had left.

    A replacement that takes in earlier ones stands for them.
    """
    placed: list[_Placed] = []
    for edits in passes:
        placed = _after(placed, edits)
    return list(_disjoint(each.place for each in placed))


def _disjoint(found: Iterable[Place]) -> Iterator[Place]:
    """Give what two places share to the first: two edits may cut one placeholder, where a rule counts characters."""
    end = 0
    for place in found:
        start = max(place.start, end)
        end = max(place.end, start)
        yield Place(start, end, place.rule)


def _after(placed: list[_Placed], edits: Sequence[Edit]) -> list[_Placed]:
    result: list[_Placed] = []
    to_first = grown = index = 0
    for edit in edits:
        while index < len(placed) and placed[index].end <= edit.start:
            result.append(_moved(placed[index], grown))
            to_first = placed[index].place.end - placed[index].end
            index += 1
        start, end = edit.start + to_first, edit.end + to_first
        while index < len(placed) and placed[index].start < edit.end:
            taken = placed[index]
            to_first = taken.place.end - taken.end
            start, end = min(start, taken.place.start), max(edit.end + to_first, taken.place.end)
            index += 1
        length = len(edit.placeholder)
        begin = edit.start + grown
        result.append(_Placed(begin, begin + length, Place(start, end, edit.rule)))
        grown += length - (edit.end - edit.start)
    return result + [_moved(each, grown) for each in placed[index:]]


def _moved(placed: _Placed, by: int) -> _Placed:
    return placed._replace(start=placed.start + by, end=placed.end + by)
