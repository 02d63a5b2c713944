"""What a run writes of its hours: markers with the sums of the receipts, and receipts without a gap."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from local.run import Run
from schemas.receipt import sequence_order

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

LINES, SECONDS = 2_000, 4.0


@pytest.fixture(scope="module")
def ended(run: Run) -> Run:
    """A run that has read its stream to the end."""
    run.tell(LINES, SECONDS)
    run.stack.flink.await_state(run.start({"CALI_SOURCE__KINESIS__STOP_POSITION": "now"}), "FINISHED", 180)
    return run


def by_hour(receipts: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    hours = defaultdict(list)
    for receipt in receipts:
        hours[receipt["hour"]].append(receipt)
    return hours


def farthest(receipts: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return the greatest last sequence of each shard."""
    shards: dict[str, str] = {}
    for receipt in receipts:
        known = shards.get(receipt["origin"], "")
        shards[receipt["origin"]] = max(known, receipt["last_sequence"], key=sequence_order)
    return shards


def test_a_marker_has_the_sums_of_its_hours_receipts_and_says_how_far_shards_were_read(ended):
    receipts = by_hour(ended.stores.receipts())
    markers = {marker["hour"]: marker for marker in ended.stores.markers()}
    assert markers.keys() == receipts.keys()
    for hour, marker in markers.items():
        assert marker["receipts"] == len(receipts[hour])
        for name in ("records", "lines", "archived", "dead"):
            assert marker[name] == sum(receipt[name] for receipt in receipts[hour])
        until = [receipt for other in receipts if other <= hour for receipt in receipts[other]]
        assert marker["origins"] == farthest(until)


def test_markers_count_what_is_in_archive_and_dead_letters(ended):
    markers = list(ended.stores.markers())
    assert sum(marker["archived"] for marker in markers) == sum(1 for _ in ended.stores.archive())
    assert sum(marker["dead"] for marker in markers) == len(ended.stores.dead_letter_ids())


def test_the_receipts_of_each_shard_go_from_its_beginning_to_its_last_record_without_a_gap(ended):
    shards = defaultdict(list)
    for receipt in ended.stores.receipts():
        shards[receipt["origin"]].append(receipt)
    for chain in shards.values():
        chain.sort(key=lambda receipt: sequence_order(receipt["last_sequence"]))
        assert chain[0]["after"] == ""
        assert [two["after"] for _, two in pairwise(chain)] == [one["last_sequence"] for one, _ in pairwise(chain)]
    assert farthest(ended.stores.receipts()) == last_records(ended)


def last_records(run: Run) -> dict[str, str]:
    """Ask Kinesis for the last record of each shard."""
    last = {}
    for shard in run.kinesis.list_shards(StreamName=run.name)["Shards"]:
        iterator = run.kinesis.get_shard_iterator(
            StreamName=run.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while records := (answer := run.kinesis.get_records(ShardIterator=iterator))["Records"]:
            last[f"{run.name}/{shard['ShardId']}"] = records[-1]["SequenceNumber"]
            iterator = answer["NextShardIterator"]
    return last
