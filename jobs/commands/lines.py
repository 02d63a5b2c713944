"""The lines of a gzip NDJSON object, read as a stream, so that any number of them fits in memory."""

import gzip
import zlib
from collections.abc import Generator, Iterator
from itertools import chain
from typing import IO

#: A line of the archive has a record's bytes and some fields more. What is longer was not written by the job.
MAX_LINE_BYTES = 16 * 1024 * 1024

_READ_BYTES = 1024 * 1024


class DamagedError(Exception):
    """An object is no gzip, is cut short or has a line that is too long. The message says which, and where."""


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines without their newlines, also a last one that has none.

    Raises:
        DamagedError: after the lines that come before the fault.
    """
    return chain.from_iterable(_with_rest(stream))


def read_blocks(stream: IO[bytes]) -> Generator[list[bytes], None, bytes]:
    """Yield lines without their newlines, some at a time; return what stands after the last newline.

    Raises:
        DamagedError: after the lines that come before the fault.
    """
    rest = b""
    total = 0
    with gzip.GzipFile(fileobj=stream) as content:
        while True:
            try:
                data = content.read1(_READ_BYTES)  # `read` would lose what comes before the fault
            except EOFError:
                raise DamagedError(f"truncated: the gzip stream has no end, {total} bytes could be read") from None
            except (gzip.BadGzipFile, zlib.error) as error:
                raise DamagedError(f"no gzip, or damaged, after {total} bytes: {error}") from None
            if not data:
                return rest
            total += len(data)
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                yield lines
            if len(rest) > MAX_LINE_BYTES:
                raise DamagedError(f"a line of more than {MAX_LINE_BYTES} bytes, after {total} bytes")


def _with_rest(stream: IO[bytes]) -> Iterator[list[bytes]]:
    rest = yield from read_blocks(stream)
    if rest:
        yield [rest]
