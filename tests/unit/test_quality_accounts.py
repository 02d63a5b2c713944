"""Receipts of an hour, in any order, tell whether a shard was read without a gap."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.accounts import Ledger
from schemas.receipt import Receipt
from udfs.chunk import HOUR_MS

SHARD = "cali-logs/shardId-000000000000"
HOUR = 500 * HOUR_MS


def receipt(after: str, first: str, last: str, hour: int = HOUR, lines: int = 3) -> Receipt:
    return Receipt(
        origin=SHARD,
        hour=hour,
        after=after,
        first_sequence=first,
        last_sequence=last,
        first_arrival=hour,
        last_arrival=hour + 1,
        records=lines,
        lines=lines,
        archived=lines,
        dead=0,
        severities={"INFO": lines},
        errors={},
        rules_version="r",
    )


def gaps(receipts: list[Receipt], before: dict[str, str], until: str) -> list[str]:
    ledger = Ledger(HOUR)
    for each in receipts:
        ledger.add(each)
    return ledger.gaps(before, {SHARD: until})[SHARD]


def chain(borders: list[int]) -> list[Receipt]:
    return [receipt(str(after), str(after + 1), str(last)) for after, last in pairwise(borders)]


@given(st.lists(st.integers(1, 2_000), min_size=3, max_size=30, unique=True), st.randoms())
def test_a_chain_has_no_gap_and_one_less_link_has_one(borders, rng):
    borders.sort()
    receipts = chain(borders)
    lost = rng.randrange(len(receipts))
    rng.shuffle(receipts)
    before, until = {SHARD: str(borders[0])}, str(borders[-1])
    assert gaps(receipts, before, until) == []
    left = [each for each in receipts if each.after != str(borders[lost])]
    assert gaps(left, before, until) == [f"({borders[lost]}, {borders[lost + 1]}]"]


@pytest.mark.parametrize(
    ("receipts", "before", "until", "found"),
    [
        pytest.param(chain([9, 10, 11]), {}, "11", [], id="numbers get longer"),
        pytest.param(chain([5, 10]), {}, "10", [], id="nothing is known of before"),
        pytest.param([receipt("", "1", "10")], {}, "10", [], id="reading began here"),
        pytest.param(chain([5, 10]), {SHARD: "3"}, "10", ["(3, 5]"], id="at the beginning"),
        pytest.param(chain([5, 10]), {SHARD: "5"}, "12", ["(10, 12]"], id="at the end"),
        pytest.param([], {SHARD: "5"}, "12", ["(5, 12]"], id="all of it"),
        pytest.param([], {SHARD: "5"}, "5", [], id="a shard that was silent"),
        pytest.param([], {}, "5", [], id="a shard of which nothing is known"),
        pytest.param([*chain([5, 10]), *chain([3, 8, 12])], {SHARD: "3"}, "12", [], id="read again, cut otherwise"),
        pytest.param(
            [receipt("5", "6", "9"), receipt("10", "11", "12"), receipt("9", "10", "10", HOUR + HOUR_MS)],
            {SHARD: "5"},
            "12",
            [],
            id="through a receipt of the next hour",
        ),
        pytest.param(
            [*chain([5, 10]), receipt("", "20", "25")],
            {SHARD: "5"},
            "25",
            ["(10, 20), where reading began anew"],
            id="a start without state, at the end of the stream",
        ),
        pytest.param(
            [receipt("", "20", "25")], {SHARD: "5"}, "25", ["(5, 20), where reading began anew"], id="the same, at once"
        ),
        pytest.param(
            [*chain([5, 10]), receipt("", "2", "12")], {SHARD: "5"}, "12", [], id="a start without state, from before"
        ),
        pytest.param([*chain([5, 7]), receipt("3", "4", "9")], {SHARD: "3"}, "9", [], id="one that covers another"),
        pytest.param(
            [receipt("1", "2", "3", HOUR - HOUR_MS), receipt("5", "6", "7", HOUR - HOUR_MS), *chain([7, 9])],
            {SHARD: "7"},
            "9",
            [],
            id="a gap of the hour before is told there",
        ),
    ],
)
def test_a_gap_is_what_no_receipt_tells_of(receipts, before, until, found):
    assert gaps(receipts, before, until) == found


def test_receipts_are_added_up_each_once():
    ledger = Ledger(HOUR)
    for each in (receipt("1", "2", "3"), receipt("3", "4", "5"), receipt("1", "2", "3"), receipt("5", "6", "7", 0)):
        ledger.add(each)
    assert ledger.account == (2, 6, 0)
    assert ledger.unsound == []


def test_a_receipt_whose_sums_differ_is_named():
    ledger = Ledger(HOUR)
    ledger.add(receipt("1", "2", "3").model_copy(update={"lines": 4}))
    assert ledger.unsound == [f"{SHARD}:2"]
