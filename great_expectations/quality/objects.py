"""Read the lines of stored objects as a stream, so that any number of them fits, and say which are not whole."""

from bisect import bisect_right
from collections.abc import Generator, Iterator
from typing import NamedTuple

from jobs.commands.lines import DamagedError, read_blocks
from jobs.commands.objects import Folder, ObjectGoneError

#: Of a chunk at most; what is made of a line takes several times its bytes.
CHUNK_LINES = 50_000
CHUNK_BYTES = 64 * 1024 * 1024


class ObjectReport(NamedTuple):
    """What was read of an object, and what is wrong with it as a whole."""

    name: str
    lines: int
    damage: str | None


class Place(NamedTuple):
    """From row `row` of a chunk on, lines are of this object, `line` the number of the first of them, from 1."""

    row: int
    name: str
    line: int


class Chunk(NamedTuple):
    """Some lines, without their newlines, and where they are from."""

    lines: list[bytes]
    places: list[Place]

    def where(self, row: int) -> str:
        """Return `object:line` of a row."""
        place = self.places[bisect_right(self.places, row, key=lambda each: each.row) - 1]
        return f"{place.name}:{place.line + row - place.row}"


def read_chunks(place: Folder, below: str, reports: list[ObjectReport]) -> Iterator[Chunk]:
    """Yield the lines of all objects below a folder, and append a report of each object that was read.

    Raises:
        BotoCoreError, ClientError: S3 failed.
    """
    chunk, size = Chunk([], []), 0
    for name in place.names(below):
        lines = 0
        reading = _read_object(place, name)
        while True:
            try:
                block = next(reading)
            except StopIteration as end:
                reports.append(ObjectReport(name, lines, end.value or (None if lines else "empty")))
                break
            for start in range(0, len(block), CHUNK_LINES):
                piece = block[start : start + CHUNK_LINES]
                chunk.places.append(Place(len(chunk.lines), name, lines + 1))
                chunk.lines.extend(piece)
                lines += len(piece)
                size += sum(map(len, piece))
                if len(chunk.lines) >= CHUNK_LINES or size >= CHUNK_BYTES:
                    yield chunk
                    chunk, size = Chunk([], []), 0
    if chunk.lines:
        yield chunk


def _read_object(place: Folder, name: str) -> Generator[list[bytes], None, str | None]:
    """Yield an object's lines; return what is wrong with it, if anything is."""
    try:
        with place.open(name) as stream:
            rest = yield from read_blocks(stream)
    except ObjectGoneError:
        return "gone while the hour was read"
    except DamagedError as error:
        return str(error)
    return "the last line has no end" if rest else None
