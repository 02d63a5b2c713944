"""`track` turns the groups of one fingerprint into the life of its incidents."""

from itertools import accumulate, pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.log_insight.settings import Settings, TrackSettings
from schemas.error_group import ErrorGroup, Exemplar
from schemas.incident import IncidentEvent, IncidentState, IncidentUpdate
from schemas.log_entry import Severity
from udfs.ids import incident_id
from udfs.track import Step, TrackState, advance, apply, close, next_deadline

#: Stories count their seconds from here.
T0 = 1_763_800_000

SETTINGS = Settings(
    environment="test",
    track=TrackSettings(
        group_wait_seconds=5, group_interval_seconds=300, repeat_interval_seconds=14_400, resolve_after_seconds=1_800
    ),
)


def group(second: int, count: int = 1, severity: Severity = Severity.ERROR, *, late: bool = False) -> ErrorGroup:
    arrival = (T0 + second) * 1000
    return ErrorGroup(
        fingerprint="f" * 16,
        service="payment-api",
        second=T0 + second,
        severity=severity,
        count=count,
        title="DB timeout",
        template="DB timeout after <num> ms",
        first_seen=arrival + 10,
        last_seen=arrival + 20,
        rules_version="2026-01-01",
        exemplars=(
            Exemplar(
                record_id=f"r{second}", rank=second, timestamp="", arrival_time=arrival + 10, content="DB timeout"
            ),
        ),
        late=late,
    )


class Said(NamedTuple):
    """An update as a story tells it. `at` is in seconds since T0."""

    event: str
    at: int
    interval: int
    count: int


def said(updates: list[IncidentUpdate]) -> list[Said]:
    return [Said(u.event.value, u.at // 1000 - T0, u.interval, u.incident.count) for u in updates]


def fold(groups: list[ErrorGroup], end: int, settings: Settings = SETTINGS) -> list[IncidentUpdate]:
    """Apply all groups, then let time go on to `end`, seconds since T0."""
    state: TrackState | None = None
    updates: list[IncidentUpdate] = []
    for one in groups:
        state, told = apply(state, one, settings)
        updates += told
    return updates + advance(state, (T0 + end) * 1000, settings).updates


STORIES = {
    "one error is told of after group_wait and over after resolve_after": (
        [group(0)],
        1_800,
        [Said("opened", 0, 0, 1), Said("firing", 5, 0, 1), Said("resolved", 1_800, 6, 1)],
    ),
    "what comes within group_wait is in the first alert, what comes at its end is not": (
        [group(0), group(4, 10), group(5, 100)],
        299,
        [Said("opened", 0, 0, 1), Said("firing", 5, 0, 11)],
    ),
    "nothing is due a second before its instant": ([group(0)], 4, [Said("opened", 0, 0, 1)]),
    "an incident lives on a second before resolve_after and is over with it": (
        [group(0), group(1_799), group(3_599)],
        3_599,
        [
            Said("opened", 0, 0, 1),
            Said("firing", 5, 0, 1),
            Said("updated", 1_800, 6, 2),
            Said("resolved", 3_599, 11, 2),
            Said("opened", 3_599, 0, 1),
        ],
    ),
    "a count that doubled is news at the next boundary, a smaller growth is only counted": (
        [group(0, 10), group(100, 9), group(400, 1)],
        900,
        [
            Said("opened", 0, 0, 10),
            Said("firing", 5, 0, 10),
            Said("counted", 300, 1, 19),
            Said("updated", 600, 2, 20),
        ],
    ),
    "a boundary counts the seconds before it": (
        [group(0), group(299), group(300)],
        600,
        [
            Said("opened", 0, 0, 1),
            Said("firing", 5, 0, 1),
            Said("updated", 300, 1, 2),
            Said("counted", 600, 2, 3),
        ],
    ),
    "a rise of severity is news": (
        [group(0, 10, Severity.WARN), group(10, 1, Severity.FATAL)],
        600,
        [Said("opened", 0, 0, 10), Said("firing", 5, 0, 10), Said("updated", 300, 1, 11)],
    ),
    "quiet boundaries are silent": ([group(0)], 1_799, [Said("opened", 0, 0, 1), Said("firing", 5, 0, 1)]),
}


@pytest.mark.parametrize(("groups", "end", "expected"), STORIES.values(), ids=STORIES.keys())
def test_story(groups, end, expected):
    assert said(fold(groups, end)) == expected


def test_an_incident_that_goes_on_unchanged_is_told_again_after_repeat_interval():
    # One error a minute on top of a thousand in the first second: it never doubles within the five hours.
    groups = [group(0, 1_000), *(group(minute * 60) for minute in range(1, 300))]
    alerts = [one for one in said(fold(groups, 299 * 60)) if one.event in ("firing", "updated")]
    assert alerts == [Said("firing", 5, 0, 1_000), Said("updated", 14_700, 49, 1_244)]


def test_repeat_interval_counts_from_the_last_alert_and_ends_with_its_last_second():
    groups = [group(0), group(10, 1_000), *(group(minute * 60) for minute in range(1, 300))]
    updates = [one for one in said(fold(groups, 299 * 60)) if one.event == "updated"]
    assert [one.at for one in updates] == [300, 300 + 14_400]


def test_without_group_wait_the_opening_second_fires_at_once():
    settings = SETTINGS.model_copy(update={"track": SETTINGS.track.model_copy(update={"group_wait_seconds": 0})})
    updates = apply(None, group(0, 7), settings).updates
    assert said(updates) == [Said("opened", 0, 0, 7), Said("firing", 0, 0, 7)]


def test_an_incident_that_is_over_before_group_wait_is_told_of_as_it_ends():
    track = TrackSettings(group_wait_seconds=60, resolve_after_seconds=10)
    updates = fold([group(0), group(3)], 100, Settings(environment="test", track=track))
    assert said(updates) == [Said("opened", 0, 0, 1), Said("firing", 13, 0, 2), Said("resolved", 13, 0, 2)]


def test_the_incident_carries_its_id_start_severity_and_first_exemplars():
    updates = fold([group(0, severity=Severity.WARN), group(7), group(3_000)], 10_000)
    first, second = updates[0].incident, updates[-1].incident
    assert first.id == incident_id("test", "2026-01-01", "f" * 16, T0)
    assert second.id == incident_id("test", "2026-01-01", "f" * 16, T0 + 3_000)
    resolved = next(update.incident for update in updates if update.event is IncidentEvent.RESOLVED)
    assert (resolved.id, resolved.state, resolved.severity) == (first.id, IncidentState.RESOLVED, Severity.ERROR)
    assert (resolved.started, resolved.first_seen, resolved.last_seen) == (T0, T0 * 1000 + 10, (T0 + 7) * 1000 + 20)
    assert [exemplar.record_id for exemplar in resolved.exemplars] == ["r0", "r7"]


def test_a_late_group_is_counted_but_moves_neither_start_nor_end():
    state, _ = apply(None, group(100), SETTINGS)
    state, _ = advance(state, (T0 + 1_500) * 1000, SETTINGS)
    state, told = apply(state, group(50, 20, Severity.FATAL, late=True), SETTINGS)
    assert told == []
    updates = advance(state, (T0 + 5_000) * 1000, SETTINGS).updates
    assert said(updates) == [Said("updated", 1_600, 5, 21), Said("resolved", 1_900, 6, 21)]
    assert (updates[-1].incident.late, updates[-1].incident.started) == (20, T0 + 100)
    assert updates[-1].incident.severity is Severity.FATAL


def test_a_late_group_without_an_incident_opens_none():
    assert apply(None, group(0, late=True), SETTINGS) == Step(None, [])


def test_a_group_behind_the_clock_counts_as_late_even_if_nobody_marked_it():
    """After a restore the watermark starts anew, so `admit` may take for on time what was late before."""
    state, _ = apply(None, group(0), SETTINGS)
    state, _ = advance(state, (T0 + 500) * 1000, SETTINGS)
    state, _ = apply(state, group(450), SETTINGS)
    assert state is not None
    assert (state.incident.late, state.incident.count, state.last_second) == (1, 2, T0)


def test_at_the_end_of_a_bounded_run_a_waiting_alert_is_told_and_no_end_is_invented():
    state, _ = apply(None, group(0), SETTINGS)
    state, _ = apply(state, group(3), SETTINGS)
    assert state is not None
    closed = close(state, T0 + 3, SETTINGS)
    assert said(closed.updates) == [Said("firing", 5, 0, 2)]
    assert closed.state is not None
    assert close(closed.state, T0 + 3, SETTINGS).updates == []


def test_at_the_end_of_a_bounded_run_counts_reach_the_document_and_the_past_is_told_as_always():
    state, _ = apply(None, group(0), SETTINGS)
    state, _ = apply(state, group(400, 9), SETTINGS)
    assert state is not None
    assert said(close(state, T0 + 450, SETTINGS).updates) == [Said("counted", 450, 1, 10)]
    assert said(close(state, T0 + 2_300, SETTINGS).updates) == [
        Said("updated", 600, 2, 10),
        Said("resolved", 2_200, 7, 10),
    ]


def test_the_state_survives_its_json_form():
    state, _ = apply(None, group(0), SETTINGS)
    state, _ = advance(state, (T0 + 5) * 1000, SETTINGS)
    assert state is not None
    assert TrackState.model_validate_json(state.to_bytes()) == state


def test_the_deadline_is_when_something_is_due():
    state, _ = apply(None, group(0), SETTINGS)
    deadlines = []
    while state is not None:
        deadlines.append(next_deadline(state, SETTINGS))
        assert advance(state, deadlines[-1] - 1, SETTINGS).updates == []
        state, told = advance(state, deadlines[-1], SETTINGS)
        assert told
    assert deadlines == [(T0 + 5) * 1000, (T0 + 1_800) * 1000]


# Properties: any groups, any settings, any schedule of watermarks.

small_settings = st.builds(
    TrackSettings,
    group_wait_seconds=st.integers(0, 8),
    group_interval_seconds=st.integers(1, 12),
    repeat_interval_seconds=st.integers(1, 40),
    resolve_after_seconds=st.integers(1, 30),
).map(lambda track: Settings(environment="test", track=track))


def history(gaps: list[int], counts: list[int], severities: list[Severity]) -> list[ErrorGroup]:
    return [group(*one) for one in zip(accumulate(gaps), counts, severities, strict=False)]


LENGTH = 20

histories = st.builds(
    history,
    st.lists(st.integers(1, 20), min_size=1, max_size=LENGTH),
    st.lists(st.integers(1, 5), min_size=LENGTH, max_size=LENGTH),
    st.lists(st.sampled_from([Severity.WARN, Severity.ERROR]), min_size=LENGTH, max_size=LENGTH),
)

END = 500


def run_with_watermarks(groups: list[ErrorGroup], settings: Settings, data: st.DataObject) -> list[IncidentUpdate]:
    """Fold with watermarks wherever Flink may deliver them: a group comes before the end of its second has passed."""
    state: TrackState | None = None
    updates: list[IncidentUpdate] = []
    low = T0 * 1000
    for one in [*groups, None]:
        high = (T0 + END) * 1000 if one is None else one.second * 1000 + 998
        for now in sorted(data.draw(st.lists(st.integers(low, high), max_size=4))):
            state, told = advance(state and TrackState.model_validate_json(state.to_bytes()), now, settings)
            updates += told
        if one is not None:
            state, told = apply(state, one, settings)
            updates += told
            low = one.second * 1000 + 999
    return updates + advance(state, (T0 + END) * 1000, settings).updates


@given(groups=histories, settings=small_settings, data=st.data())
def test_updates_depend_on_the_groups_alone(groups, settings, data):
    assert run_with_watermarks(groups, settings, data) == fold(groups, END, settings)


@given(groups=histories, settings=small_settings)
def test_every_update_counts_the_groups_of_the_seconds_before_it(groups, settings):
    updates = fold(groups, END, settings)
    starts = [update.incident.started for update in updates if update.event is IncidentEvent.OPENED]
    for update in updates:
        start = update.incident.started
        next_start = min([other for other in starts if other > start], default=T0 + END + 1)
        counted = [one for one in groups if start <= one.second < next_start]
        before = [one for one in counted if one.second * 1000 < update.at or one.second == start]
        assert update.incident.count == sum(one.count for one in before)


@given(groups=histories, settings=small_settings)
def test_an_incident_opens_fires_once_and_tells_at_most_once_an_interval(groups, settings):
    lives: dict[str, list[IncidentUpdate]] = {}
    for update in fold(groups, END, settings):
        lives.setdefault(update.incident.id, []).append(update)
    assert sum(one.count for one in groups) == sum(life[-1].incident.count for life in lives.values())
    for life in lives.values():
        events = [update.event for update in life]
        assert events[:2] == [IncidentEvent.OPENED, IncidentEvent.FIRING]
        assert events[-1] is IncidentEvent.RESOLVED
        assert life[-1].at // 1000 == life[-1].incident.last_seen // 1000 + settings.track.resolve_after_seconds
        assert set(events[2:-1]) <= {IncidentEvent.UPDATED, IncidentEvent.COUNTED}
        assert [update.incident.revision for update in life] == list(range(1, len(life) + 1))
        assert all(first.interval < second.interval for first, second in pairwise(life[2:-1]))
        assert all(first.at <= second.at for first, second in pairwise(life))


@given(groups=histories, settings=small_settings)
def test_a_new_incident_starts_only_after_resolve_after_of_silence(groups, settings):
    seconds = [one.second for one in groups]
    silence = settings.track.resolve_after_seconds
    expected = [now for before, now in zip([-(10**9), *seconds], seconds, strict=False) if now - before >= silence]
    opened = [u.incident.started for u in fold(groups, END, settings) if u.event is IncidentEvent.OPENED]
    assert opened == expected


@given(groups=histories, settings=small_settings, end=st.integers(20, 400))
def test_a_bounded_run_tells_what_a_longer_one_tells_but_for_its_last_words(groups, settings, end):
    groups = [one for one in groups if one.second <= T0 + end]
    state: TrackState | None = None
    updates: list[IncidentUpdate] = []
    for one in groups:
        state, told = apply(state, one, settings)
        updates += told
    certain = advance(state, (T0 + end) * 1000, settings).updates
    last_words = close(state, T0 + end, settings).updates if state else []
    longer = fold(groups, END, settings)
    assert updates + certain == longer[: len(updates) + len(certain)]
    assert last_words[: len(certain)] == certain
    assert [update.event for update in last_words[len(certain) :]] in (
        [],
        [IncidentEvent.FIRING],
        [IncidentEvent.COUNTED],
    )
    final = {update.incident.id: update.incident for update in updates + last_words}
    assert sum(one.count for one in groups) == sum(incident.count for incident in final.values())
    fired = {update.incident.id for update in updates + last_words if update.event is IncidentEvent.FIRING}
    assert fired == {update.incident.id for update in updates}
