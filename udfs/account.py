"""The account of a frame: what is written of each arrival hour, and the receipt that says so."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from schemas.receipt import Receipt, sequence_order
from udfs.chunk import encode_chunk, hour_of

#: A chunk's lines at most, bytes; a single longer line is a chunk of its own.
MAX_CHUNK_BYTES = 2 * 1024 * 1024


class Ended(NamedTuple):
    """Lines that came to one end, as columns.

    `sequences` are those of their records, `arrivals` epoch milliseconds; `kinds` are severities or, of dead lines,
    stage and error type; `lines` is what is written of them.
    """

    sequences: list[str]
    arrivals: list[int]
    kinds: list[str]
    lines: list[bytes]

    def add(self, sequence: str, arrival: int, kind: str, line: bytes) -> None:
        """Add a row."""
        self.sequences.append(sequence)
        self.arrivals.append(arrival)
        self.kinds.append(kind)
        self.lines.append(line)

    def by_hour(self) -> "dict[int, Ended]":
        """Part the lines by arrival hour. The lines of a block are mostly of one."""
        if not self.lines:
            return {}
        hour = hour_of(min(self.arrivals))
        if hour == hour_of(max(self.arrivals)):
            return {hour: self}
        parts: dict[int, Ended] = {}
        for sequence, arrival, kind, line in zip(*self, strict=True):
            parts.setdefault(hour_of(arrival), nothing()).add(sequence, arrival, kind, line)
        return parts


def nothing() -> Ended:
    """Return columns without rows."""
    return Ended([], [], [], [])


class Chunks:
    """Chunks of one hour in the making."""

    def __init__(self, hour: int) -> None:
        self._hour = hour
        self._closed: list[bytes] = []
        self._pieces: list[bytes] = []
        self._size = 0
        self.full_bytes = 0

    def extend(self, lines: list[bytes]) -> None:
        """Add lines, given without their newlines."""
        if sum(map(len, lines)) + len(lines) > MAX_CHUNK_BYTES - self._size:
            for line in lines:
                self._add(line)
        elif lines:
            self._add(b"\n".join(lines))

    def take_full(self) -> list[bytes]:
        """Return the chunks to which nothing will be added, of `full_bytes` in all, and forget them."""
        taken, self._closed, self.full_bytes = self._closed, [], 0
        return taken

    def take_all(self) -> list[bytes]:
        """Return all chunks, and forget them."""
        self._close()
        return self.take_full()

    def _add(self, piece: bytes) -> None:
        if self._size + len(piece) >= MAX_CHUNK_BYTES:
            self._close()
        self._pieces.append(piece)
        self._size += len(piece) + 1

    def _close(self) -> None:
        if self._pieces:
            self._closed.append(encode_chunk(self._hour, self._pieces))
            self.full_bytes += self._size
        self._pieces = []
        self._size = 0


class HourAccount:
    """What of a frame belongs to one arrival hour."""

    def __init__(self, hour: int) -> None:
        self.archive = Chunks(hour)
        self.dead_letters = Chunks(hour)
        self._hour = hour
        self._sequences: list[str] = []
        self._arrivals: list[int] = []
        self._severities: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._records = 0
        self._unfinished: set[str] = set()

    def book(self, archived: Ended, dead: Ended) -> None:
        """Take in a block of lines. The lines of a record are in one block or in blocks that follow each other."""
        self.archive.extend(archived.lines)
        self.dead_letters.extend(dead.lines)
        self._severities.update(archived.kinds)
        self._errors.update(dead.kinds)
        sequences = {*archived.sequences, *dead.sequences}
        self._records += len(sequences - self._unfinished)
        self._unfinished = {*archived.sequences[-1:], *dead.sequences[-1:]}
        self._sequences += (*archived.sequences[:1], *archived.sequences[-1:])
        if dead.sequences:  # in no order: those that died as whole records come first
            self._sequences += (min(dead.sequences, key=sequence_order), max(dead.sequences, key=sequence_order))
        for column in (archived, dead):
            self._arrivals += (min(column.arrivals), max(column.arrivals)) if column.arrivals else ()

    @property
    def full_bytes(self) -> int:
        """How much waits in full chunks, bytes."""
        return self.archive.full_bytes + self.dead_letters.full_bytes

    @property
    def last_sequence(self) -> str:
        """The sequence of the last record that was booked, in the order of the frame."""
        return max(self._sequences, key=sequence_order)

    def receipt(self, origin: str, after: str, rules_version: str) -> Receipt:
        """Return the receipt of all that was booked; `after` as in `Receipt`."""
        archived, dead = self._severities.total(), self._errors.total()
        return Receipt(
            origin=origin,
            hour=self._hour,
            after=after,
            first_sequence=min(self._sequences, key=sequence_order),
            last_sequence=self.last_sequence,
            first_arrival=min(self._arrivals),
            last_arrival=max(self._arrivals),
            records=self._records,
            lines=archived + dead,
            archived=archived,
            dead=dead,
            severities=dict(self._severities),
            errors=dict(self._errors),
            rules_version=rules_version,
        )


def chain(accounts: Iterable[HourAccount], origin: str, after: str, rules_version: str) -> list[Receipt]:
    """Return the receipts of a frame's hours, in the order of the frame; `after` is the frame's."""
    receipts = []
    for account in sorted(accounts, key=lambda each: sequence_order(each.last_sequence)):
        receipts.append(account.receipt(origin, after, rules_version))
        after = account.last_sequence
    return receipts
