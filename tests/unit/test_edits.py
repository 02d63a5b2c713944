"""Replacements in a text, and where those of several passes lie in the text as it was given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.edits import Edit, Place, places, replace

TEXT = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], b"0123456789abcdef"),
        ([Edit("r", 0, 4, b"<x>")], b"<x>456789abcdef"),
        ([Edit("r", 4, 16, b"<x>")], b"0123<x>"),
        ([Edit("r", 0, 16, b"")], b""),
        ([Edit("r", 1, 2, b"<x>"), Edit("r", 2, 3, b"<y>")], b"0<x><y>3456789abcdef"),
        ([Edit("r", 1, 2, b""), Edit("r", 8, 8, b"<y>")], b"0234567<y>89abcdef"),
    ],
)
def test_edits_are_applied_in_one_go(edits: list[Edit], expected: bytes) -> None:
    assert replace(TEXT, edits) == expected


@pytest.mark.parametrize(
    ("name", "passes", "expected"),
    [
        ("nothing", [], []),
        ("no edits", [[]], []),
        ("one", [[Edit("a", 4, 6, b"<a>")]], [Place(4, 6, "a")]),
        ("two in a pass", [[Edit("a", 1, 2, b"<a>"), Edit("a", 4, 9, b"<a>")]], [Place(1, 2, "a"), Place(4, 9, "a")]),
        # 0123<a>6789abcdef, of which 9 and a are taken.
        (
            "behind another",
            [[Edit("a", 4, 6, b"<a>")], [Edit("b", 10, 12, b"<b>")]],
            [Place(4, 6, "a"), Place(9, 11, "b")],
        ),
        (
            "before another",
            [[Edit("a", 4, 6, b"<a>")], [Edit("b", 1, 2, b"<b>")]],
            [Place(1, 2, "b"), Place(4, 6, "a")],
        ),
        (
            "between two",
            [[Edit("a", 0, 1, b"<a>"), Edit("a", 9, 10, b"<a>")], [Edit("b", 4, 6, b"<b>")]],
            [Place(0, 1, "a"), Place(2, 4, "b"), Place(9, 10, "a")],
        ),
        (
            "directly behind another",
            [[Edit("a", 0, 4, b"<a>")], [Edit("b", 3, 5, b"<b>")]],
            [Place(0, 4, "a"), Place(4, 6, "b")],
        ),
        # 0123<a>6789abcdef, of which 3<a>6 is taken.
        ("over another", [[Edit("a", 4, 6, b"<a>")], [Edit("b", 3, 8, b"<b>")]], [Place(3, 7, "b")]),
        (
            "over two",
            [[Edit("a", 1, 2, b"<a>"), Edit("a", 3, 4, b"<a>")], [Edit("b", 0, 9, b"<b>")]],
            [Place(0, 5, "b")],
        ),
        ("of what another left", [[Edit("a", 4, 6, b"<a>")], [Edit("b", 4, 7, b"<b>")]], [Place(4, 6, "b")]),
        (
            "three passes",
            [[Edit("a", 4, 6, b"<a>")], [Edit("b", 0, 2, b"<long>")], [Edit("c", 8, 11, b"<c>")]],
            [Place(0, 2, "b"), Place(4, 6, "c")],
        ),
    ],
)
def test_a_place_is_where_it_was_in_the_first_text(name: str, passes: list[list[Edit]], expected: list[Place]) -> None:
    assert places(passes) == expected, name


@st.composite
def _edited(draw: st.DrawFn) -> tuple[bytes, list[list[Edit]], bytes]:
    """Return a text, passes of edits that take in an earlier placeholder whole or not at all, and what they leave."""
    # Which bytes stand in a placeholder: an edit begins and ends at the border of one, or outside.
    first = text = b"." * draw(st.integers(0, 30))
    solid: list[tuple[int, int]] = []
    passes = []
    for _ in range(draw(st.integers(0, 4))):
        borders = [at for at in range(len(text) + 1) if not any(start < at < end for start, end in solid)]
        cuts = sorted(draw(st.lists(st.sampled_from(borders), unique=True, max_size=6)))
        name = chr(ord("A") + len(passes))
        sizes = draw(st.lists(st.integers(1, 9), min_size=len(cuts) // 2, max_size=len(cuts) // 2))
        ends = zip(cuts[::2], cuts[1::2], strict=False)
        edits = [Edit(name, start, end, name.encode() * size) for (start, end), size in zip(ends, sizes, strict=True)]
        solid = _after(solid, edits)
        passes.append(edits)
        text = replace(text, edits)
    return first, passes, text


def _after(solid: list[tuple[int, int]], edits: list[Edit]) -> list[tuple[int, int]]:
    """Return where placeholders stand after some edits, worked out one by one from the end."""
    for edit in reversed(edits):
        grown = len(edit.placeholder) - (edit.end - edit.start)
        solid = [
            *((start, end) for start, end in solid if end <= edit.start),
            (edit.start, edit.start + len(edit.placeholder)),
            *((start + grown, end + grown) for start, end in solid if start >= edit.end),
        ]
    return solid


@given(_edited())
def test_places_point_into_the_first_text_are_ordered_and_disjoint(
    edited: tuple[bytes, list[list[Edit]], bytes],
) -> None:
    first, passes, _ = edited

    borders = [border for place in places(passes) for border in (place.start, place.end)]

    assert borders == sorted(borders)
    assert all(0 <= border <= len(first) for border in borders)


@given(_edited())
def test_what_lies_between_the_places_is_what_is_left(edited: tuple[bytes, list[list[Edit]], bytes]) -> None:
    first, passes, last = edited
    found = places(passes)

    outside = bytes(byte for at, byte in enumerate(first) if not any(place.start <= at < place.end for place in found))

    assert outside == last.translate(None, b"ABCDEFGH")


_EDITS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5), st.binary(max_size=8)), max_size=5)


@given(st.lists(_EDITS, max_size=4))
def test_places_are_ordered_and_disjoint_also_where_an_edit_cuts_a_placeholder(
    drawn: list[list[tuple[int, int, bytes]]],
) -> None:
    """A rule that counts characters may end inside a placeholder."""
    passes = []
    for number, each in enumerate(drawn):
        edits, end = [], 0
        for gap, length, placeholder in each:
            edits.append(Edit(f"r{number}", end + gap, end + gap + length, placeholder))
            end = end + gap + length
        passes.append(edits)

    borders = [border for place in places(passes) for border in (place.start, place.end)]

    assert borders == sorted(borders)
