"""`seal` says which arrival hours are over, and what their receipts add up to."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import WireModel
from schemas.hour_marker import HourMarker
from schemas.receipt import Receipt, sequence_order
from udfs.chunk import HOUR_MS
from udfs.seal import FILE_SILENCE_MS, REMEMBERED_MS, SHARD_SILENCE_MS, Seal, SealClock, SealMaps

#: Stories count their hours from here.
H0 = 1_795_348_800_000


def seal(silence_ms: int = SHARD_SILENCE_MS) -> Seal:
    return Seal(None, SealMaps({}, {}, {}), silence_ms)


def receipt(
    hour: int, last: str, origin: str = "s/a", *, archived: int = 8, dead: int = 2, records: int = 3
) -> Receipt:
    return Receipt(
        origin=origin,
        hour=H0 + hour * HOUR_MS,
        after="",
        first_sequence=last,
        last_sequence=last,
        first_arrival=H0 + hour * HOUR_MS,
        last_arrival=H0 + hour * HOUR_MS,
        records=records,
        lines=archived + dead,
        archived=archived,
        dead=dead,
        severities={"INFO": archived},
        errors={},
        rules_version="2026-01-01",
    )


def at(hours: float) -> int:
    return H0 + int(hours * HOUR_MS)


def told(markers: list[HourMarker]) -> list[tuple[int, int, int, dict[str, str]]]:
    """Return hour, revision, receipts and origins of each marker, as a story tells them."""
    return [((one.hour - H0) // HOUR_MS, one.revision, one.receipts, one.origins) for one in markers]


def test_an_hour_is_marked_with_its_sums_when_the_watermark_reaches_its_end():
    fold = seal()
    fold.apply(receipt(0, "1", archived=5, dead=1, records=2))
    fold.apply(receipt(0, "7", "s/b", archived=10, dead=0, records=4))

    assert fold.next_deadline == at(1)
    assert fold.advance(at(1) - 1) == []
    assert fold.advance(at(1)) == [
        HourMarker(
            hour=H0,
            revision=0,
            receipts=2,
            records=6,
            lines=16,
            archived=15,
            dead=1,
            origins={"s/a": "1", "s/b": "7"},
        )
    ]
    assert fold.advance(at(1)) == []
    assert fold.next_deadline == at(2)


def test_before_the_first_receipt_there_is_nothing_to_mark():
    fold = seal()
    assert (fold.advance(at(100)), fold.close(), fold.next_deadline) == ([], [], None)


def test_hours_without_receipts_are_marked_too_and_say_how_far_shards_were_read():
    fold = seal()
    fold.apply(receipt(0, "1"))

    assert told(fold.advance(at(3.5))) == [(0, 0, 1, {"s/a": "1"}), (1, 0, 0, {"s/a": "1"}), (2, 0, 0, {"s/a": "1"})]


def test_a_receipt_of_a_later_hour_does_not_count_in_the_one_before():
    fold = seal()
    for one in (receipt(0, "1"), receipt(1, "8", "s/b"), receipt(1, "2"), receipt(0, "5", "s/b")):
        fold.apply(one)

    assert told(fold.advance(at(2))) == [(0, 0, 2, {"s/a": "1", "s/b": "5"}), (1, 0, 2, {"s/a": "2", "s/b": "8"})]


def test_sequences_are_compared_as_numbers():
    fold = seal()
    for sequence in ("9", "100", "10"):
        fold.apply(receipt(0, sequence))

    assert told(fold.advance(at(1))) == [(0, 0, 3, {"s/a": "100"})]


def test_before_anything_is_marked_an_earlier_hour_moves_the_beginning():
    fold = seal()
    fold.apply(receipt(1, "5"))
    fold.apply(receipt(0, "1", "s/b"))

    assert fold.next_deadline == at(1)
    assert [one.hour for one in fold.advance(at(2))] == [at(0), at(1)]


def test_a_late_receipt_makes_a_new_revision_of_its_hour():
    fold = seal()
    fold.apply(receipt(0, "5"))
    fold.advance(at(1))

    assert told(fold.apply(receipt(0, "4"))) == [(0, 1, 2, {"s/a": "5"})]
    (second,) = fold.apply(receipt(0, "6", archived=1, dead=1, records=1))
    assert (second.revision, second.receipts, second.origins) == (2, 3, {"s/a": "6"})
    assert (second.records, second.lines, second.archived, second.dead) == (7, 22, 17, 5)


def test_a_late_receipt_is_no_part_of_the_next_hour_but_of_how_far_its_shard_was_read():
    fold = seal()
    fold.apply(receipt(0, "5"))
    fold.advance(at(3))
    fold.apply(receipt(3, "7", "s/b"))

    assert told(fold.apply(receipt(1, "6"))) == [(1, 1, 1, {"s/a": "6"}), (2, 1, 0, {"s/a": "6"})]
    assert told(fold.advance(at(4))) == [(3, 0, 1, {"s/a": "6", "s/b": "7"})]


def test_an_hour_is_remembered_for_a_day():
    fold = seal()
    fold.apply(receipt(0, "1"))
    fold.advance(at(24))
    assert not fold.is_forgotten(receipt(0, "2"))
    assert len(fold.apply(receipt(0, "2"))) == 24

    fold.advance(at(25))

    assert fold.is_forgotten(receipt(0, "3"))
    assert fold.apply(receipt(0, "3")) == []
    assert told(fold.advance(at(26))) == [(25, 0, 0, {"s/a": "2"})]


def test_an_hour_before_all_that_are_marked_gets_no_marker():
    fold = seal()
    fold.apply(receipt(1, "5"))
    fold.advance(at(2))

    assert fold.is_forgotten(receipt(0, "4", "s/b"))
    assert fold.apply(receipt(0, "4", "s/b")) == []


@pytest.mark.parametrize(("silence", "kept_until"), [(SHARD_SILENCE_MS, 7 * 24), (FILE_SILENCE_MS, 0)])
def test_an_origin_that_is_silent_for_long_is_forgotten(silence, kept_until):
    fold = seal(silence)
    fold.apply(receipt(0, "1", "s/closed"))

    named = [(one.hour - H0) // HOUR_MS for one in fold.advance(at(8 * 24)) if "s/closed" in one.origins]

    assert named == list(range(kept_until + 1))


def test_what_is_kept_does_not_grow():
    maps = SealMaps({}, {}, {})
    fold = Seal(None, maps, SHARD_SILENCE_MS)
    for hour in range(30 * 24):
        fold.apply(receipt(hour, str(hour), f"s/{hour // 24}"))
        fold.advance(at(hour + 1))

    assert not maps.sums
    assert len(maps.reached) == 8
    assert len(maps.marked) == REMEMBERED_MS // HOUR_MS


def test_the_end_of_a_bounded_run_marks_what_was_seen_and_invents_no_hours():
    fold = seal()
    fold.apply(receipt(0, "1"))
    fold.advance(at(1))
    for one in (receipt(1, "2"), receipt(5, "3"), receipt(1_000_000, "4")):
        fold.apply(one)

    assert [(hour, receipts) for hour, _, receipts, _ in told(fold.close())] == [(1, 1), (5, 1), (1_000_000, 1)]
    assert fold.close() == []


class Saved(dict[str, WireModel]):
    """A mapping that gives back what was written, not what was put in."""

    def __getitem__(self, key):
        model = super().__getitem__(key)
        return type(model).model_validate_json(model.to_bytes())


shards = st.sampled_from(["s/a", "s/b", "s/c"])
receipts = st.builds(
    receipt,
    hour=st.integers(0, 6),
    last=st.integers(1, 2_000).map(str),
    origin=shards,
    archived=st.integers(0, 9),
    dead=st.integers(0, 9),
    records=st.integers(1, 9),
)
events = st.lists(st.one_of(receipts, st.integers(0, 7).map(at)), max_size=40)


@given(events)
def test_the_last_markers_are_those_of_all_receipts_in_whatever_order_they_came(story):
    """Watermarks fall anywhere between receipts, and the fold is made anew from its state before each event."""
    maps, clock = SealMaps(Saved(), Saved(), Saved()), None
    counted: list[Receipt] = []
    latest: dict[int, HourMarker] = {}
    for event in [*story, at(7)]:
        fold = Seal(SealClock.model_validate_json(clock.to_bytes()) if clock else None, maps, SHARD_SILENCE_MS)
        if isinstance(event, Receipt):
            if not fold.is_forgotten(event):
                counted.append(event)
            markers = fold.apply(event)
        else:
            markers = fold.advance(event)
        for one in markers:
            assert one.revision == (latest[one.hour].revision + 1 if one.hour in latest else 0)
            latest[one.hour] = one
        clock = fold.clock

    by_hour: dict[int, list[Receipt]] = defaultdict(list)
    for one in counted:
        by_hour[one.hour].append(one)
    first = min(by_hour, default=at(7))
    assert sorted(latest) == list(range(first, at(7), HOUR_MS))
    for hour, marker in latest.items():
        for name in ("records", "lines", "archived", "dead"):
            assert getattr(marker, name) == sum(getattr(one, name) for one in by_hour[hour])
        assert marker.receipts == len(by_hour[hour])
        reached: dict[str, str] = {}
        for one in counted:
            if one.hour <= hour:
                reached[one.origin] = max(reached.get(one.origin, ""), one.last_sequence, key=sequence_order)
        assert marker.origins == reached
