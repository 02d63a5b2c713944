"""From lines to Kinesis records, as Fluent Bit sends them: alone or many together, plain, gzip or zstd."""

import gzip
import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import zstandard

#: Kinesis takes 1 MiB a record; what is not compressed stays well below.
MAX_RECORD_BYTES = 512 * 1024


class Line(NamedTuple):
    """One log line without its newline; `kind` names the failure it belongs to."""

    text: bytes
    kind: str | None = None


class Record(NamedTuple):
    """One Kinesis record and what is to become of it.

    `lines` are archived and of these `kinds` belong to failures; `dead_letters` are what else is in it.
    """

    data: bytes
    lines: int = 0
    dead_letters: int = 0
    kinds: tuple[str, ...] = ()


class Packer:
    """Packs lines into records: most of them aggregated, some of these compressed."""

    def __init__(self, rng: random.Random, lines_per_record: int) -> None:
        self._rng = rng
        self._most = 2 * lines_per_record - 1
        self._zstd = zstandard.ZstdCompressor()

    def pack(self, lines: Iterable[Line]) -> Iterator[Record]:
        """Yield records that hold all lines in their order, `lines_per_record` each on average."""
        wanted = self._wanted()
        held: list[Line] = []
        size = 0
        for line in lines:
            if held and (len(held) >= wanted or size + len(line.text) > MAX_RECORD_BYTES):
                yield self._record(held)
                held, size, wanted = [], 0, self._wanted()
            held.append(line)
            size += len(line.text)
        if held:
            yield self._record(held)

    def _wanted(self) -> int:
        return 1 + int(self._rng.random() * self._most)

    def _record(self, lines: list[Line]) -> Record:
        text = b"\n".join([line.text for line in lines])
        if len(lines) > 1:
            text += b"\n"
        kinds = tuple([line.kind for line in lines if line.kind is not None])
        return Record(self._packed(text), len(lines), 0, kinds)

    def _packed(self, text: bytes) -> bytes:
        choice = self._rng.random()
        if choice < 0.15:  # noqa: PLR2004 - shares of an invented fleet
            return gzip.compress(text, compresslevel=1, mtime=0)
        if choice < 0.30:  # noqa: PLR2004 - see above
            return self._zstd.compress(text)
        return text
