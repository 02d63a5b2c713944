"""Equal errors are counted together, and batch borders do not matter."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.error_group import MAX_EXEMPLARS, ErrorGroup
from schemas.log_entry import Severity
from udfs.combine import MAX_EXEMPLAR_BYTES, Combiner, cut, merge_groups, most_severe, rank
from udfs.fingerprint import Fingerprint

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SECOND = 1_795_348_800


def record(
    number: int, *, second: int = 0, severity: str = "ERROR", kind: str = "a", body: str = "boom"
) -> dict[str, Any]:
    return {
        "id": f"s/shard:{number}:0",
        "arrival_time": (SECOND + second) * 1000 + number % 1000,
        "severity_text": severity,
        "@timestamp": f"time {number}",
        "service.name": "cart",
        "body": body,
        "kind": kind,
    }


def groups_of(records: Sequence[dict[str, Any]]) -> dict[tuple[str, int, str], ErrorGroup]:
    combiner = Combiner()
    for entry in records:
        # Titles differ inside a fingerprint, as the messages of equal stack traces do.
        title = f"{entry['kind']} {entry['id']}"
        combiner.add(entry, Fingerprint(entry["kind"] * 16, "template", title, "E", "rules"))
    return {
        (second.service, second.second, group.fingerprint): group
        for second in combiner.seconds()
        for group in second.groups
    }


def test_equal_errors_of_a_second_are_one_group() -> None:
    ((key, group),) = groups_of([record(number) for number in range(5)]).items()

    assert key == ("cart", SECOND, "a" * 16)
    assert (group.count, group.severity, group.second) == (5, Severity.ERROR, SECOND)
    assert (group.first_seen, group.last_seen) == (SECOND * 1000, SECOND * 1000 + 4)
    assert (group.template, group.exception_type, group.rules_version) == ("template", "E", "rules")


def test_seconds_and_fingerprints_are_counted_apart() -> None:
    groups = groups_of([record(1), record(2, second=1), record(3, kind="b"), record(4, second=1)])

    assert {(second - SECOND, name[0]): group.count for (_, second, name), group in groups.items()} == {
        (0, "a"): 1,
        (0, "b"): 1,
        (1, "a"): 2,
    }


def test_a_service_second_holds_all_its_groups_in_order() -> None:
    combiner = Combiner()
    for number, kind in enumerate("cab"):
        combiner.add(record(number), Fingerprint(kind * 16, "t", "t", None, "r"))

    (second,) = combiner.seconds()

    assert [group.fingerprint[0] for group in second.groups] == ["a", "b", "c"]


def test_a_group_is_as_severe_as_its_most_severe_record() -> None:
    (group,) = groups_of([record(1, severity="WARN"), record(2, severity="FATAL"), record(3)]).values()

    assert group.severity is Severity.FATAL
    assert most_severe(Severity.INFO, Severity.WARN) is Severity.WARN


def test_exemplars_are_the_three_of_the_smallest_rank_and_the_first_gives_the_title() -> None:
    records = [record(number) for number in range(50)]
    (group,) = groups_of(records).values()

    smallest = sorted(records, key=lambda entry: rank(entry["id"]))[:MAX_EXEMPLARS]
    assert [exemplar.record_id for exemplar in group.exemplars] == [entry["id"] for entry in smallest]
    assert group.title == f"a {smallest[0]['id']}"


def test_an_exemplar_is_cut_between_characters() -> None:
    (group,) = groups_of([record(1, body="한" * 5_000)]).values()

    assert group.exemplars[0].content == "한" * (MAX_EXEMPLAR_BYTES // 3)


@patient
@given(st.text(max_size=50), st.integers(0, 60))
def test_a_cut_text_is_a_beginning_that_fits(text: str, limit: int) -> None:
    short = cut(text, limit)

    assert text.startswith(short)
    assert len(short.encode()) <= limit
    assert short == text or len(text[: len(short) + 1].encode()) > limit


RECORDS = st.lists(
    st.builds(
        record,
        st.integers(0, 10_000),
        second=st.integers(0, 1),
        severity=st.sampled_from(["WARN", "ERROR", "FATAL"]),
        kind=st.sampled_from("ab"),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda entry: entry["id"],
)


@patient
@given(RECORDS, st.data())
def test_any_split_into_batches_in_any_order_gives_the_same_groups(
    records: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(records))
    batches = data.draw(st.lists(st.integers(0, len(records)), max_size=4).map(sorted))
    borders = [0, *batches, len(records)]
    merged: dict[tuple[str, int, str], ErrorGroup] = {}

    for start, end in pairwise(borders):
        for key, group in groups_of(shuffled[start:end]).items():
            merged[key] = merge_groups(merged[key], group) if key in merged else group

    assert merged == groups_of(records)


@patient
@given(RECORDS, st.randoms())
def test_merging_is_associative_and_commutative(records: list[dict[str, Any]], random: Any) -> None:
    groups = [
        group for entry in records for group in groups_of([entry | {"kind": "a", "arrival_time": SECOND}]).values()
    ]
    expected = reduce(merge_groups, groups)

    while len(groups) > 1:
        one = groups.pop(random.randrange(len(groups)))
        other = groups.pop(random.randrange(len(groups)))
        groups.append(merge_groups(one, other))

    assert groups == [expected]


@pytest.mark.parametrize("field", ["late", "overflow"])
def test_what_is_late_or_overflow_stays_so(field: str) -> None:
    (one,), (other,) = groups_of([record(1)]).values(), groups_of([record(2)]).values()
    marked = other.model_copy(update={field: True})

    assert getattr(merge_groups(one, marked), field)
    assert merge_groups(one, marked) == merge_groups(marked, one)


def test_a_rank_fits_into_a_signed_number_of_64_bits_and_is_always_the_same() -> None:
    assert rank("s/shard:1:0") == rank("s/shard:1:0") != rank("s/shard:2:0")
    assert all(0 <= rank(str(number)) < 2**63 for number in range(1_000))
