"""Which arrival hours are over, and what their receipts add up to.

A fold over receipts and watermarks, one for the whole job. The watermark of the source says up to which arrival time
all shards have been read; when it passes the end of an hour, the hour is marked, and so is the next one, with receipts
or without. A receipt that comes later all the same makes a new revision.
"""

from collections.abc import Iterable, MutableMapping
from typing import NamedTuple

from schemas.base import WireModel
from schemas.hour_marker import HourMarker
from schemas.receipt import Receipt, sequence_order
from udfs.chunk import HOUR_MS

#: How long a marked hour is remembered, to revise its marker. Arrival times of a shard are out of order by seconds, and
#: the source's watermark allows for one; a day is far beyond that, and still few markers to keep.
REMEMBERED_MS = 24 * HOUR_MS

#: After which silence a shard is forgotten. One that is written to is silent for seconds: this one was closed by a
#: reshard, and its last record is past the stream's retention, a week in production, so Kinesis forgets it, too.
SHARD_SILENCE_MS = 7 * 24 * HOUR_MS

#: A file is forgotten after its last hour. It was read to its end, and there may be very many of them.
FILE_SILENCE_MS = 0


class OriginSums(WireModel):
    """The receipts of one origin and of an hour that is not over, added up."""

    receipts: int
    records: int
    lines: int
    archived: int
    dead: int
    last_sequence: str


class Reached(WireModel):
    """How far an origin had been read, and the latest hour with a receipt of it, epoch milliseconds."""

    last_sequence: str
    hour: int


class SealClock(WireModel):
    """How far the fold came: the first hour that is not marked, epoch milliseconds.

    While none is (`has_marked`), an earlier receipt moves it back.
    """

    hour: int
    has_marked: bool


class SealMaps(NamedTuple):
    """What the fold keeps, in mappings that someone stores for it; a receipt touches one entry, however many there are.

    `sums` by hour and origin (`open_key`) of the hours that are not marked; `reached` by origin at the end of the last
    hour that is; `marked` by hour, the markers that may be revised.
    """

    sums: MutableMapping[str, OriginSums]
    reached: MutableMapping[str, Reached]
    marked: MutableMapping[int, HourMarker]


class Seal:
    """The fold. `clock` is None until the first receipt; `silence_ms` as the constants above."""

    def __init__(self, clock: SealClock | None, maps: SealMaps, silence_ms: int) -> None:
        self.clock = clock
        self._sums, self._reached, self._marked = maps
        self._silence_ms = silence_ms

    @property
    def next_deadline(self) -> int | None:
        """The arrival time, epoch milliseconds, at which `advance` has something to mark; None before all receipts."""
        return self.clock.hour + HOUR_MS if self.clock else None

    def is_forgotten(self, receipt: Receipt) -> bool:
        """Tell whether the hour of a receipt was marked too long ago, or lies before all that were.

        No marker will count it, and `apply` leaves it out.
        """
        return self._is_late(receipt) and receipt.hour not in self._marked

    def apply(self, receipt: Receipt) -> list[HourMarker]:
        """Add a receipt to its hour; if that is marked, return new revisions of the markers it changes."""
        if self._is_late(receipt):
            return self._revise(receipt)
        key = open_key(receipt.hour, receipt.origin)
        before = self._sums.get(key)
        self._sums[key] = _added(before, receipt) if before else _sums_of(receipt)
        if self.clock is None or receipt.hour < self.clock.hour:
            self.clock = SealClock(hour=receipt.hour, has_marked=False)
        return []

    def advance(self, watermark: int) -> list[HourMarker]:
        """Mark every hour that ends by `watermark`, epoch milliseconds, from that of the first receipt on."""
        if self.clock is None:
            return []
        due = range(self.clock.hour, watermark - HOUR_MS + 1, HOUR_MS)
        keys = self._keys_by_hour() if due else {}
        return [self._mark(hour, keys.get(hour, ())) for hour in due]

    def close(self) -> list[HourMarker]:
        """Mark what was seen when a bounded run is over: the hours with receipts.

        No watermark tells of the time between and behind them, and a folder of files may hold some from years apart.
        """
        return [self._mark(hour, keys) for hour, keys in sorted(self._keys_by_hour().items())]

    def _is_late(self, receipt: Receipt) -> bool:
        return self.clock is not None and self.clock.has_marked and receipt.hour < self.clock.hour

    def _keys_by_hour(self) -> dict[int, list[str]]:
        keys: dict[int, list[str]] = {}
        for key in self._sums:
            keys.setdefault(_hour_of(key), []).append(key)
        return keys

    def _mark(self, hour: int, keys: Iterable[str]) -> HourMarker:
        sums = {_origin_of(key): self._sums.pop(key) for key in keys}
        for origin, one in sums.items():
            self._reach(origin, one.last_sequence, hour)
        for origin, reached in list(self._reached.items()):
            if reached.hour < hour - self._silence_ms:
                del self._reached[origin]
        marker = HourMarker(
            hour=hour,
            revision=0,
            receipts=sum(one.receipts for one in sums.values()),
            records=sum(one.records for one in sums.values()),
            lines=sum(one.lines for one in sums.values()),
            archived=sum(one.archived for one in sums.values()),
            dead=sum(one.dead for one in sums.values()),
            origins={origin: reached.last_sequence for origin, reached in sorted(self._reached.items())},
        )
        self._marked[hour] = marker
        self._marked.pop(hour - REMEMBERED_MS, None)
        self.clock = SealClock(hour=hour + HOUR_MS, has_marked=True)
        return marker

    def _revise(self, receipt: Receipt) -> list[HourMarker]:
        """Count a late receipt in its hour's marker, and say in those of later hours how far its origin was read."""
        if self.clock is None or receipt.hour not in self._marked:
            return []
        self._reach(receipt.origin, receipt.last_sequence, receipt.hour)
        revised = []
        for hour in range(receipt.hour, self.clock.hour, HOUR_MS):
            before = self._marked.get(hour)
            if before is None:
                continue
            after = _told(before, receipt)
            if hour == receipt.hour:
                after = _counted(after, receipt)
            if after != before:
                self._marked[hour] = after.model_copy(update={"revision": before.revision + 1})
                revised.append(self._marked[hour])
        return revised

    def _reach(self, origin: str, sequence: str, hour: int) -> None:
        before = self._reached.get(origin)
        if before is not None:
            sequence, hour = max(before.last_sequence, sequence, key=sequence_order), max(before.hour, hour)
        self._reached[origin] = Reached(last_sequence=sequence, hour=hour)


def open_key(hour: int, origin: str) -> str:
    """Return the key of an hour and an origin in `SealMaps.sums`."""
    return f"{hour}/{origin}"


def _hour_of(key: str) -> int:
    return int(key.partition("/")[0])


def _origin_of(key: str) -> str:
    return key.partition("/")[2]


def _sums_of(receipt: Receipt) -> OriginSums:
    return OriginSums(
        receipts=1,
        records=receipt.records,
        lines=receipt.lines,
        archived=receipt.archived,
        dead=receipt.dead,
        last_sequence=receipt.last_sequence,
    )


def _added(sums: OriginSums, receipt: Receipt) -> OriginSums:
    return OriginSums(
        receipts=sums.receipts + 1,
        records=sums.records + receipt.records,
        lines=sums.lines + receipt.lines,
        archived=sums.archived + receipt.archived,
        dead=sums.dead + receipt.dead,
        last_sequence=max(sums.last_sequence, receipt.last_sequence, key=sequence_order),
    )


def _counted(marker: HourMarker, receipt: Receipt) -> HourMarker:
    return marker.model_copy(
        update={
            "receipts": marker.receipts + 1,
            "records": marker.records + receipt.records,
            "lines": marker.lines + receipt.lines,
            "archived": marker.archived + receipt.archived,
            "dead": marker.dead + receipt.dead,
        }
    )


def _told(marker: HourMarker, receipt: Receipt) -> HourMarker:
    reached = max(marker.origins.get(receipt.origin, ""), receipt.last_sequence, key=sequence_order)
    return marker.model_copy(update={"origins": {**marker.origins, receipt.origin: reached}})
