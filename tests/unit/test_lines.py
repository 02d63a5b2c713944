"""Lines of stored objects are read as a stream, and a fault is told after what comes before it."""

import gzip
import io
from collections.abc import Iterator

import pytest

from jobs.commands.lines import MAX_LINE_BYTES, DamagedError, read_lines

LINES = [b"line %d" % number for number in range(300_000)]
WHOLE = gzip.compress(b"\n".join([*LINES, b""]))


def until_fault(content: bytes) -> Iterator[bytes | str]:
    """Yield the lines, and last what the fault is, if there is one."""
    try:
        yield from read_lines(io.BytesIO(content))
    except DamagedError as error:
        yield str(error)


def test_lines_are_read_over_the_borders_of_what_is_read_at_a_time() -> None:
    assert list(read_lines(io.BytesIO(WHOLE))) == LINES


@pytest.mark.parametrize(
    ("text", "lines"),
    [(b"", []), (b"\n", [b""]), (b"a\n\nb\n", [b"a", b"", b"b"]), (b"a\nb", [b"a", b"b"]), (b"a\r\n", [b"a\r"])],
)
def test_a_line_is_what_stands_before_a_newline_or_the_end(text: bytes, lines: list[bytes]) -> None:
    assert list(read_lines(io.BytesIO(gzip.compress(text)))) == lines


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (WHOLE[:-20], "truncated: the gzip stream has no end"),
        (WHOLE + WHOLE[:10] + b"\xff" * 1_000, "no gzip, or damaged, after "),
        (WHOLE[:-8] + bytes(8), "no gzip, or damaged, after "),
        (WHOLE + gzip.compress(b"x" * (MAX_LINE_BYTES + 1)), "a line of more than 16777216 bytes"),
    ],
)
def test_what_comes_before_a_fault_is_read(content: bytes, fault: str) -> None:
    *lines, told = until_fault(content)
    assert isinstance(told, str)
    assert told.startswith(fault)
    assert len(lines) > 100_000
    assert lines == LINES[: len(lines)]


def test_what_is_no_gzip_is_told() -> None:
    (told,) = until_fault(b"plain text\n")
    assert told == "no gzip, or damaged, after 0 bytes: Not a gzipped file (b'pl')"
