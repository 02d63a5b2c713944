"""What receipts and markers say of an hour: how many lines there must be, and which shards were read with a gap."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.hour_marker import HourMarker
from schemas.receipt import Receipt, sequence_order

_Order = tuple[int, str]


class Account(NamedTuple):
    """Sums over the receipts of an hour, each counted once."""

    receipts: int
    archived: int
    dead: int


class Stretch(NamedTuple):
    """Records that were read in one go: those after `after`, up to `last`.

    Where reading began anew nothing is known of what was before: `after` is the first record itself. `is_own` tells
    whether the receipt at its beginning is of the hour.
    """

    last: _Order
    after: _Order
    is_own: bool
    begins: bool


class Ledger:
    """The receipts of an hour, and of those beside it the order of reading alone.

    A receipt that was written twice, as after a return to an older savepoint, counts once. Of a shard the stretches are
    kept, which is one where nothing is missing.
    """

    def __init__(self, hour: int) -> None:
        self._hour = hour
        self._seen: set[int] = set()
        self._shards: dict[str, list[Stretch]] = {}
        self._own: set[str] = set()
        self._account = Account(0, 0, 0)
        #: Receipts whose own sums do not add up, as `origin:sequence`.
        self.unsound: list[str] = []

    def add(self, receipt: Receipt) -> None:
        """Take in a receipt of the hour or of one beside it."""
        identity = hash(receipt.to_bytes())
        if identity in self._seen:
            return
        self._seen.add(identity)
        _insert(self._shards.setdefault(receipt.origin, []), _stretch(receipt, is_own=receipt.hour == self._hour))
        if receipt.hour != self._hour:
            return
        self._own.add(receipt.origin)
        receipts, archived, dead = self._account
        self._account = Account(receipts + 1, archived + receipt.archived, dead + receipt.dead)
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
            shard: _gaps(self._shards.get(shard, []), before.get(shard), until.get(shard))
            for shard in sorted(self._own | until.keys())
        }


def latest(markers: Iterable[HourMarker]) -> HourMarker | None:
    """Return the marker that counts. A receipt that came late makes another; a job without state counts anew."""
    return max(markers, key=lambda marker: (marker.revision, marker.receipts), default=None)


def _stretch(receipt: Receipt, *, is_own: bool) -> Stretch:
    begins = not receipt.after
    start = receipt.first_sequence if begins else receipt.after
    return Stretch(sequence_order(receipt.last_sequence), sequence_order(start), is_own, begins)


def _insert(stretches: list[Stretch], new: Stretch) -> None:
    """Put a stretch among others, which are apart and in order, and join those that touch it."""
    first = bisect_left(stretches, new.after, key=lambda each: each.last)
    behind = first
    while behind < len(stretches) and stretches[behind].after <= new.last:
        behind += 1
    joined = [*stretches[first:behind], new]
    # Of two at one place the one that says what was before knows more.
    start = min(joined, key=lambda each: (each.after, each.begins, not each.is_own))
    stretches[first:behind] = [start._replace(last=max(each.last for each in joined))]


def _gaps(stretches: list[Stretch], before: str | None, until: str | None) -> list[str]:
    if before is not None:
        reached = sequence_order(before)
    elif stretches:
        reached = stretches[0].after
    else:
        return []
    found = []
    for stretch in stretches:
        if stretch.is_own and stretch.after > reached:
            found.append(_gap(reached, stretch.after, begins=stretch.begins))
        reached = max(reached, stretch.last)
    if until is not None and sequence_order(until) > reached:
        found.append(_gap(reached, sequence_order(until), begins=False))
    return found


def _gap(start: _Order, end: _Order, *, begins: bool) -> str:
    return f"({start[1]}, {end[1]}), where reading began anew" if begins else f"({start[1]}, {end[1]}]"


def _adds_up(receipt: Receipt) -> bool:
    return (
        receipt.lines == receipt.archived + receipt.dead
        and receipt.archived == sum(receipt.severities.values())
        and receipt.dead == sum(receipt.errors.values())
    )
