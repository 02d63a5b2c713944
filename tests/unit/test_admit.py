"""`admit` lets known errors of a service go on, caps the new ones and counts the rest together."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.log_insight.settings import TrackSettings
from schemas.error_group import ErrorGroup, Exemplar, ServiceSecond, arrival_second
from schemas.log_entry import Severity
from udfs.admit import AdmitState, admit_late, admit_second, known_limit, overflow_fingerprint, settles_at
from udfs.ids import stable_hash

#: Noon, so the first second of a minute.
T0 = 1_763_812_800
SERVICE = "payment-api"
OVERFLOW = overflow_fingerprint(SERVICE)

THREE_A_MINUTE = TrackSettings(new_fingerprints_per_minute=3, resolve_after_seconds=120)


def group(fingerprint: str, second: int = 0, count: int = 1, severity: Severity = Severity.ERROR) -> ErrorGroup:
    arrival = (T0 + second) * 1000
    record = f"{fingerprint}:{second}:{count}"
    return ErrorGroup(
        fingerprint=fingerprint,
        service=SERVICE,
        second=T0 + second,
        severity=severity,
        count=count,
        title=f"title {fingerprint}",
        template=f"template {fingerprint}",
        first_seen=arrival + count,
        last_seen=arrival + 10 * count,
        rules_version="2026-01-01",
        exemplars=(
            Exemplar(
                record_id=record,
                rank=int(stable_hash(record), 16) >> 1,
                timestamp="",
                arrival_time=arrival,
                content="words",
            ),
        ),
    )


def part(*groups: ErrorGroup) -> ServiceSecond:
    return ServiceSecond(service=SERVICE, second=groups[0].second, groups=groups)


def admit(state: AdmitState, second: int, *parts: ServiceSecond, settings: TrackSettings = THREE_A_MINUTE):
    return admit_second(state, SERVICE, T0 + second, parts, settings)


def counts(groups: list[ErrorGroup]) -> dict[str, int]:
    assert [one.fingerprint for one in groups] == sorted(one.fingerprint for one in groups)
    return {one.fingerprint: one.count for one in groups}


def test_equal_errors_of_all_batches_of_a_second_become_one_group():
    _, groups = admit(AdmitState(), 0, part(group("a", count=2), group("b")), part(group("a", count=5)))
    assert counts(groups) == {"a": 7, "b": 1}
    assert (groups[0].first_seen, groups[0].last_seen) == (T0 * 1000 + 2, T0 * 1000 + 50)
    assert len(groups[0].exemplars) == 2


def test_over_the_cap_the_rest_is_counted_as_one_overflow_group():
    _, groups = admit(AdmitState(), 0, part(*(group(name, count=2) for name in "edcba")))
    assert counts(groups) == {"a": 2, "b": 2, "c": 2, OVERFLOW: 4}
    overflow = next(one for one in groups if one.overflow)
    assert overflow.title == "More new kinds of error than the cap"
    assert {exemplar.record_id for exemplar in overflow.exemplars} == {"d:0:2", "e:0:2"}


def test_the_overflow_has_the_highest_severity_the_widest_span_and_few_exemplars():
    settings = TrackSettings(new_fingerprints_per_minute=1)
    rest = [group(f"n{number}", count=number) for number in range(1, 9)]
    _, groups = admit(AdmitState(), 0, part(group("a"), group("b", 0, 9, Severity.FATAL), *rest), settings=settings)
    overflow = next(one for one in groups if one.overflow)
    assert (overflow.severity, overflow.count, overflow.late) == (Severity.FATAL, 45, False)
    assert (overflow.first_seen, overflow.last_seen) == (T0 * 1000 + 1, T0 * 1000 + 90)
    assert len(overflow.exemplars) == 3


def test_a_known_error_goes_on_however_many_new_ones_there_are():
    state, _ = admit(AdmitState(), 0, part(group("x"), group("y"), group("z")))
    _, groups = admit(state, 1, part(group("a", 1), group("x", 1), group("z", 1)))
    assert counts(groups) == {"x": 1, "z": 1, OVERFLOW: 1}


def test_a_new_minute_brings_new_room():
    state, _ = admit(AdmitState(), 30, part(*(group(name, 30) for name in "abc")))
    state, groups = admit(state, 59, part(group("d", 59)))
    assert counts(groups) == {OVERFLOW: 1}
    _, groups = admit(state, 60, part(group("d", 60)))
    assert counts(groups) == {"d": 1}


@pytest.mark.parametrize(("silence", "expected"), [(119, "x"), (120, OVERFLOW)])
def test_an_error_is_known_until_its_incident_is_over(silence, expected):
    """`x` comes back when the minute's room is used up, so only a known one goes on."""
    state, _ = admit(AdmitState(), 59, part(group("x", 59)))
    state, _ = admit(state, 120, part(*(group(name, 120) for name in "abc")))
    _, groups = admit(state, 59 + silence, part(group("x", 59 + silence)))
    assert counts(groups) == {expected: 1}


def test_each_sighting_keeps_an_error_known():
    state, _ = admit(AdmitState(), 0, part(group("x")))
    for second in range(60, 600, 60):
        state, groups = admit(state, second, part(group("x", second), *(group(f"{second}{n}", second) for n in "abc")))
        assert counts(groups)["x"] == 1


def test_what_is_known_stays_bounded_when_every_error_keeps_coming_back():
    """Room is not given again as long as nothing falls silent."""
    state = AdmitState()
    seen: set[str] = set()
    for minute in range(10):
        seen |= {f"{minute}{n}" for n in "abc"}
        state, groups = admit(state, minute * 60, part(*(group(name, minute * 60) for name in sorted(seen))))
        assert sum(counts(groups).values()) == len(seen)
    assert len(state.known) == known_limit(THREE_A_MINUTE) == 6


def test_a_late_known_error_goes_on_and_a_late_unknown_one_joins_the_overflow():
    state, _ = admit(AdmitState(), 10, part(group("x", 10)))
    groups = admit_late(state, part(group("x", 5), group("new", 5, 4)), THREE_A_MINUTE)
    assert counts(groups) == {"x": 1, OVERFLOW: 4}
    assert all(one.late for one in groups)


def test_a_hundred_thousand_different_errors_leave_a_small_state():
    settings = TrackSettings()
    state = AdmitState()
    admitted = 0
    for second in range(100):
        parts = [part(*(group(stable_hash(second, n), second) for n in range(1_000)))]
        state, groups = admit(state, second, *parts, settings=settings)
        assert sum(one.count for one in groups) == 1_000
        admitted += len([one for one in groups if not one.overflow])
    assert admitted == 2 * settings.new_fingerprints_per_minute
    assert len(state.to_bytes()) < 4_000


def test_a_second_larger_than_memory_is_read_part_by_part():
    def parts() -> Iterator[ServiceSecond]:
        for number in range(40):
            yield part(*(group(stable_hash(number, n)) for n in range(500)))

    def all_at_once() -> Iterator[ServiceSecond]:
        yield from list(parts())

    def peak(reader: Iterator[ServiceSecond]) -> int:
        tracemalloc.start()
        admit_second(AdmitState(), SERVICE, T0, reader, THREE_A_MINUTE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(parts()) < peak(all_at_once()) / 4


def test_a_second_is_complete_with_its_last_millisecond():
    assert settles_at(T0) == T0 * 1000 + 999


def test_the_second_of_a_batch_is_read_without_its_groups():
    hostile = ServiceSecond(service='a","groups":[],"second":7,"', second=T0, groups=(group("a"),))
    assert arrival_second(hostile.to_bytes()) == T0
    with pytest.raises(ValueError, match="no groups"):
        arrival_second(b"{}")


# Properties: any errors, cut into batches in any way.

FINGERPRINTS = [stable_hash(number) for number in range(12)]

seconds = st.lists(
    st.lists(st.tuples(st.sampled_from(FINGERPRINTS), st.integers(1, 3)), min_size=1, max_size=15),
    min_size=1,
    max_size=12,
)
gaps = st.lists(st.integers(1, 70), min_size=12, max_size=12)


def run(history, gaps, arrange) -> tuple[AdmitState, list[list[ErrorGroup]]]:
    """Admit second after second; `arrange` cuts the groups of a second into parts."""
    state, second, results = AdmitState(), 0, []
    for content, gap in zip(history, gaps, strict=False):
        second += gap
        state, groups = admit(state, second, *arrange([group(name, second, count) for name, count in content]))
        state = AdmitState.model_validate_json(state.to_bytes())
        results.append(groups)
    return state, results


@given(history=seconds, gaps=gaps, data=st.data())
def test_neither_batches_nor_order_matter(history, gaps, data):
    def shuffled(groups: list[ErrorGroup]) -> list[ServiceSecond]:
        groups = data.draw(st.permutations(groups))
        cut = data.draw(st.integers(1, len(groups)))
        return [part(*groups[start : start + cut]) for start in range(0, len(groups), cut)]

    assert run(history, gaps, shuffled) == run(history, gaps, lambda groups: [part(*groups)])


@given(history=seconds, gaps=gaps)
def test_every_error_is_counted_and_the_cap_holds(history, gaps):
    state, results = run(history, gaps, lambda groups: [part(*groups)])
    assert [sum(one.count for one in groups) for groups in results] == [
        sum(count for _, count in content) for content in history
    ]
    assert len(state.known) <= known_limit(THREE_A_MINUTE)
    new_in_minute: dict[int, int] = {}
    last_seen: dict[str, int] = {}
    for one in (one for groups in results for one in groups if not one.overflow):
        if one.second - last_seen.get(one.fingerprint, -(10**9)) >= THREE_A_MINUTE.resolve_after_seconds:
            new_in_minute[one.second // 60] = new_in_minute.get(one.second // 60, 0) + 1
        last_seen[one.fingerprint] = one.second
    assert max(new_in_minute.values()) <= THREE_A_MINUTE.new_fingerprints_per_minute
