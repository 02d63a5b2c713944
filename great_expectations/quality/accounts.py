"""What receipts and markers say of an hour: how many lines there must be, and which shards were read with a gap."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.hour_marker import HourMarker
from schemas.receipt import Receipt, sequence_order


class Account(NamedTuple):
    """Sums over the receipts of an hour, each counted once."""

    receipts: int
    lines: int
    archived: int
    dead: int


class Reading(NamedTuple):
    """One receipt, as far as the order of reading goes."""

    after: str
    first: str
    last: str


class Ledger:
    """The receipts of an hour, and of those beside it the order of reading alone.

    A receipt that was written twice, as after a return to an older savepoint, counts once.
    """

    def __init__(self, hour: int) -> None:
        self._hour = hour
        self._own: dict[str, set[Reading]] = {}
        self._beside: dict[str, set[Reading]] = {}
        self._account = Account(0, 0, 0, 0)
        #: Receipts whose own sums do not add up, as `origin:sequence`.
        self.unsound: list[str] = []

    def add(self, receipt: Receipt) -> None:
        """Take in a receipt of the hour or of one beside it."""
        readings = self._own if receipt.hour == self._hour else self._beside
        known = readings.setdefault(receipt.origin, set())
        reading = Reading(receipt.after, receipt.first_sequence, receipt.last_sequence)
        if reading in known:
            return
        known.add(reading)
        if receipt.hour != self._hour:
            return
        receipts, lines, archived, dead = self._account
        self._account = Account(receipts + 1, lines + receipt.lines, archived + receipt.archived, dead + receipt.dead)
        if not _adds_up(receipt):
            self.unsound.append(f"{receipt.origin}:{receipt.first_sequence}")

    @property
    def account(self) -> Account:
        """The sums."""
        return self._account

    def gaps(self, before: Mapping[str, str], until: Mapping[str, str]) -> dict[str, list[str]]:
        """Return, for each shard of the hour, the stretches of which no receipt tells, as `(FROM, TO]`.

        `before` is up to where each shard had been read when the hour began, `until` when it was over. A shard that
        `before` does not know begins where its first receipt says. A stretch that was read twice is no gap.
        """
        return {
            shard: self._gaps(shard, before.get(shard), until.get(shard))
            for shard in sorted(self._own.keys() | until.keys())
        }

    def _gaps(self, shard: str, before: str | None, until: str | None) -> list[str]:
        own = self._own.get(shard, set())
        # Arrival times are not quite in order: at an hour's border the chain goes through receipts of the next one.
        ordered = sorted(own | self._beside.get(shard, set()), key=lambda reading: sequence_order(reading.last))
        if before is None:
            before = ordered[0].after if ordered else until or ""
        reached = before
        found = []
        for reading in ordered:
            if reading in own and sequence_order(reading.after) > sequence_order(reached):
                found.append(_stretch(reached, reading.after))
            reached = max(reached, reading.last, key=sequence_order)
        if until is not None and sequence_order(until) > sequence_order(reached):
            found.append(_stretch(reached, until))
        return found


def latest(markers: Iterable[HourMarker]) -> HourMarker | None:
    """Return the marker that counts. A receipt that came late makes another; a job without state counts anew."""
    return max(markers, key=lambda marker: (marker.revision, marker.receipts), default=None)


def _adds_up(receipt: Receipt) -> bool:
    return (
        receipt.lines == receipt.archived + receipt.dead
        and receipt.archived == sum(receipt.severities.values())
        and receipt.dead == sum(receipt.errors.values())
    )


def _stretch(start: str, end: str) -> str:
    return f"({start or 'the beginning'}, {end}]"
