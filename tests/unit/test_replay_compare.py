"""What a replay wrote is held against what the archive has, hour by hour."""

import gzip

import orjson
import pytest

from jobs.commands.objects import LocalFolder
from jobs.hours import hours_between
from jobs.replay.compare import PartialAnswerError, Places, Received, Row, UnreadableError, compare, received_by, total
from schemas.receipt import Receipt

START = 1_795_338_000_000  # 2026-11-22T09:00:00Z
HOURS = hours_between("2026-11-22T09:00Z", "2026-11-22T10:00Z")
FOLDER = "dt=2026-11-22/hour=09"


def receipt(first, last, archived, origin="shard-0"):
    return Receipt(
        origin=origin,
        hour=START,
        after="",
        first_sequence=first,
        last_sequence=last,
        first_arrival=START,
        last_arrival=START,
        records=1,
        lines=archived,
        archived=archived,
        dead=0,
        severities={},
        errors={},
        rules_version="v1",
    )


def line(number):
    return orjson.dumps({"id": f"shard-0:{number}:0", "arrival_time": START, "body": "text"})


class Answers:
    """An OpenSearch whose indices hold so many documents of the hour, and these ids of those that are asked for."""

    def __init__(self, documents, indexed=(), failed=0):
        self.documents, self.indexed, self.failed = documents, set(indexed), failed
        self.indices = self
        self.refreshed = []

    def refresh(self, index, params):
        assert params == {"ignore_unavailable": "true"}
        self.refreshed.append(index)

    def search(self, index, body, params):
        assert params
        assert index in self.refreshed
        answer = {"timed_out": False, "_shards": {"failed": self.failed}}
        if "aggs" in body:
            buckets = [{"key": START, "doc_count": self.documents}] if self.documents else []
            return answer | {"aggregations": {"hours": {"buckets": buckets}}}
        return answer | {"hits": {"total": {"value": len(self.indexed & set(body["query"]["ids"]["values"]))}}}


@pytest.fixture
def places(tmp_path):
    return Places(*(LocalFolder(tmp_path / name) for name in Places._fields))


def write(place, lines, below=FOLDER, name="part-0.ndjson.gz"):
    place.write(f"{below}/{name}", gzip.compress(b"".join(each + b"\n" for each in lines)))


def compared(places, client):
    (row,) = compare(HOURS, places, client, "replay-7-")
    return row


def test_an_hour_is_the_same_where_all_its_lines_are_somewhere(places):
    """Of five lines two were indexed, one was refused, and of two in the backlog one was indexed after all."""
    write(places.archive, map(line, range(4)))
    write(places.archive, map(line, range(3, 5)), name="part-1.ndjson.gz")  # written twice: an older savepoint
    write(places.receipts, [receipt("1", "2", 5).to_bytes()])
    write(places.dead_letters, [orjson.dumps({"id": "shard-0:2:0"})] * 2)
    write(places.backlog, [line(3), line(4), line(4)], f"logs/{FOLDER}")
    client = Answers(3, indexed=["shard-0:3:0"])
    row = compared(places, client)
    assert row == Row("2026-11-22T09:00Z", 5, 5, 3, 1, 1, overlap=False)
    assert row.same
    assert client.refreshed == ["replay-7-logs-2026.11.22"]


@pytest.mark.parametrize(("documents", "received"), [(4, 5), (6, 5), (5, 6), (5, 4), (0, 5)])
def test_a_line_too_few_or_too_many_anywhere_is_a_difference(places, documents, received):
    write(places.archive, map(line, range(5)))
    write(places.receipts, [receipt("1", "2", received).to_bytes()])
    assert not compared(places, Answers(documents)).same


def test_an_hour_without_anything_is_the_same(places):
    assert compared(places, Answers(0)).same


def test_a_receipt_that_came_twice_counts_once():
    assert received_by([receipt("1", "5", 10), receipt("1", "5", 10), receipt("6", "9", 7)]) == Received(17, False)


def test_sequence_numbers_are_ordered_as_numbers():
    assert received_by([receipt("10", "11", 1), receipt("8", "9", 1)]) == Received(2, False)


def test_shards_do_not_overlap_with_each_other():
    assert received_by([receipt("1", "9", 3), receipt("1", "9", 4, origin="shard-1")]) == Received(7, False)


@pytest.mark.parametrize(("first", "last"), [("3", "5"), ("1", "3"), ("5", "7")])
def test_receipts_that_overlap_do_not_decide(places, first, last):
    """After an older savepoint the same records are read in other batches; the ids of the archive are what counts."""
    write(places.archive, map(line, range(5)))
    write(places.receipts, [receipt("1", "5", 5).to_bytes(), receipt(first, last, 3).to_bytes()])
    row = compared(places, Answers(5))
    assert (row.received, row.overlap, row.same) == (8, True, True)


def test_a_line_that_is_none_of_the_archives_ends_as_a_dead_letter(places):
    write(places.archive, [line(0), b"garbage", b'{"id":5,"arrival_time":1}'])
    write(places.receipts, [receipt("1", "2", 3).to_bytes()])
    write(places.dead_letters, [orjson.dumps({"id": "s3://…:57"}), orjson.dumps({"id": "s3://…:65"})])
    assert compared(places, Answers(1)).same


def test_a_file_that_is_cut_short_is_named(places):
    write(places.archive, map(line, range(100)))
    with places.archive.open(f"{FOLDER}/part-0.ndjson.gz") as whole:
        content = whole.read()
    places.archive.write(f"{FOLDER}/part-0.ndjson.gz", content[:-20])
    with pytest.raises(UnreadableError, match=r"hour=09/part-0.ndjson.gz cannot be read to its end"):
        compared(places, Answers(100))


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("receipts", b'{"raw": "hunter2"'),
        ("dead_letters", b'{"raw": "hunter2"'),
        ("dead_letters", b'["hunter2"]'),
        ("dead_letters", b'{"id": 5, "raw": "hunter2"}'),
    ],
)
def test_what_has_no_reading_is_named_with_its_hour_and_not_repeated(places, place, content):
    write(getattr(places, place), [content])
    with pytest.raises(UnreadableError, match=r"2026-11-22T09:00Z: .* no reading: (?!.*hunter2)"):
        compared(places, Answers(0))


def test_an_answer_of_some_shards_is_none(places):
    with pytest.raises(PartialAnswerError):
        compared(places, Answers(1, failed=1))


def test_the_last_row_has_the_sums():
    rows = [Row("a", 1, 2, 3, 4, 5, overlap=False), Row("b", 10, 20, 30, 40, 50, overlap=True)]
    assert total(rows) == Row("total", 11, 22, 33, 44, 55, overlap=True)
