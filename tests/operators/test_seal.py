"""`seal` in real Flink jobs: the end of an hour, late receipts, a failure, and two kinds of ends."""

from collections.abc import Iterable

from schemas.hour_marker import HourMarker
from schemas.receipt import Receipt
from tests.operators.event_time import Job, Result
from udfs.chunk import HOUR_MS
from udfs.operators.type_info import keyed

H0 = 1_795_348_800_000


def at(hours: float) -> int:
    return H0 + int(hours * HOUR_MS)


def send(job: Job, hours: float, sequence: str, event_time: float | None = None) -> None:
    """Send the receipt of a batch that arrived so long after H0; the watermark follows its event time."""
    arrival = at(hours)
    receipt = Receipt(
        origin="s/a",
        hour=at(int(hours)),
        after="",
        first_sequence=sequence,
        last_sequence=sequence,
        first_arrival=arrival,
        last_arrival=arrival,
        records=1,
        lines=2,
        archived=2,
        dead=0,
        severities={"INFO": 2},
        errors={},
        rules_version="2026-01-01",
    )
    job.send(keyed("any", receipt), arrival if event_time is None else at(event_time))


def told(results: Iterable[Result]) -> list[tuple[int, int, int, str]]:
    """Return hour, revision, receipts and how far the shard was read, of each marker."""
    markers = [HourMarker.model_validate(result.body) for result in results]
    for result, marker in zip(results, markers, strict=True):
        assert result.key == str(marker.hour)
    return [((one.hour - H0) // HOUR_MS, one.revision, one.receipts, one.origins["s/a"]) for one in markers]


def test_hours_are_marked_as_the_watermark_passes_their_ends_and_again_for_late_receipts(start):
    job = start("seal")
    for hours, sequence in ((0.1, "1"), (0.9, "2"), (2.5, "4")):
        send(job, hours, sequence)
    on_time = [job.next(), job.next()]
    send(job, 0.9, "3")

    late = [job.next(), job.next()]

    assert told(on_time) == [(0, 0, 2, "2"), (1, 0, 0, "2")]
    assert told(late) == [(0, 1, 3, "3"), (1, 1, 0, "3")]


def test_after_a_failure_an_hour_goes_on_and_one_that_was_marked_stays_marked(start):
    """The watermark starts anew then, so only state can tell."""
    job = start("seal")
    for hours, sequence in ((0.5, "1"), (1.1, "2"), (1.2, "3")):
        send(job, hours, sequence)
    before = [job.next()]
    job.fail()
    send(job, 0.9, "1")
    send(job, 1.9, "4")
    send(job, 2.1, "5")

    after = [job.next(), job.next()]

    assert told(before) == [(0, 0, 1, "1")]
    assert told(after) == [(0, 1, 2, "1"), (1, 0, 3, "4")]


def test_the_end_of_a_bounded_run_marks_what_was_seen(start, tmp_path):
    job = start("seal", SOURCE__KIND="file", SOURCE__PATH=tmp_path)
    for hours, sequence in ((0.1, "1"), (5.1, "3"), (0.2, "2")):
        send(job, hours, sequence, event_time=0)
    assert told(job.end()) == [(0, 0, 2, "2"), (5, 0, 1, "3")]


def test_a_live_job_that_is_drained_marks_no_hour_before_its_time(start):
    job = start("seal")
    send(job, 0.5, "1")
    send(job, 1.5, "2")
    first = [job.next()]

    assert told(first) == [(0, 0, 1, "1")]
    assert job.end() == []
