"""`gate` decides which updates of a service become alerts and analyses, and where they go."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.log_insight.settings import GateSettings, Settings, TrackSettings
from schemas.alert import Alert, AlertKind
from schemas.incident import Incident, IncidentEvent, IncidentState, IncidentUpdate
from schemas.log_entry import Severity
from udfs.gate import GateState, Step, decisions, next_deadline, settle, settles_at
from udfs.ids import alert_id, stable_hash

#: A full hour, in epoch seconds; stories count from here.
T0 = 1_763_812_800
SETTINGS = Settings(
    gate=GateSettings(routes={"payment-api": "payments"}, storm_incidents_per_minute=3, analyses_per_hour=100),
    track=TrackSettings(group_wait_seconds=5, group_interval_seconds=300),
)


def update(
    event: IncidentEvent,
    at: int,
    name: str,
    *,
    started: int | None = None,
    revision: int = 1,
    service: str = "payment-api",
    overflow: bool = False,
) -> IncidentUpdate:
    start = at if started is None else started
    incident = Incident(
        id=stable_hash(name),
        environment="test",
        rules_version="2026-01-01",
        fingerprint=stable_hash("fingerprint", name),
        service=service,
        severity=Severity.ERROR,
        title=name,
        template=name,
        started=T0 + start,
        first_seen=(T0 + start) * 1000,
        last_seen=(T0 + at) * 1000,
        count=revision,
        revision=revision,
        state=IncidentState.RESOLVED if event is IncidentEvent.RESOLVED else IncidentState.OPEN,
        overflow=overflow,
    )
    return IncidentUpdate(event=event, at=(T0 + at) * 1000, interval=(at - start) // 300, incident=incident)


def opened(name: str, at: int, **options: bool) -> IncidentUpdate:
    return update(IncidentEvent.OPENED, at, name, **options)


def life(name: str, at: int, **options: bool) -> list[IncidentUpdate]:
    """An incident that opens, is told of, grows, is counted and ends."""
    return [
        update(event, at + after, name, started=at, revision=revision, **options)
        for revision, (event, after) in enumerate(
            [
                (IncidentEvent.OPENED, 0),
                (IncidentEvent.FIRING, 5),
                (IncidentEvent.UPDATED, 300),
                (IncidentEvent.COUNTED, 600),
                (IncidentEvent.RESOLVED, 2_400),
            ],
            start=1,
        )
    ]


def by_instant(updates: Iterable[IncidentUpdate]) -> dict[int, list[IncidentUpdate]]:
    waiting: dict[int, list[IncidentUpdate]] = {}
    for one in updates:
        waiting.setdefault(settles_at(one), []).append(one)
    return waiting


def run(updates: Iterable[IncidentUpdate], settings: Settings = SETTINGS) -> Step:
    """Settle each instant as the operator's timers do, to the end of all deadlines."""
    waiting = by_instant(updates)
    state, routed, requests = Step(GateState(), [], [])
    for step, _ in steps(waiting, settings):
        state, routed, requests = step.state, routed + step.routed, requests + step.requests
    return Step(state, routed, requests)


def steps(
    waiting: dict[int, list[IncidentUpdate]], settings: Settings = SETTINGS
) -> Iterator[tuple[Step, list[IncidentUpdate]]]:
    """Yield each instant's step and the updates that settled in it."""
    state = GateState()
    while waiting:
        now = min(waiting)
        updates = waiting.pop(now)
        step = settle(state, updates, now, settings)
        yield step, updates
        state = GateState.model_validate_json(step.state.to_bytes())
        deadline = next_deadline(state)
        if deadline is not None:
            waiting.setdefault(deadline, [])


def alerts(step: Step) -> list[Alert]:
    return [one.alert for one in step.routed if one.alert]


def told(step: Step) -> list[tuple[str, str, int]]:
    return [(one.kind.value, one.incident.title, one.raised_at // 1000 - T0) for one in alerts(step)]


def flood(names: str, at: int) -> list[IncidentUpdate]:
    return [one for name in names for one in life(name, at)]


def titles(kind: str, step: Step) -> set[str]:
    return {title for one_kind, title, _ in told(step) if one_kind == kind}


def test_firing_and_news_are_told_everything_is_documented():
    step = run(life("db timeout", 0))
    assert told(step) == [("firing", "db timeout", 5), ("update", "db timeout", 300)]
    assert [one.incident.revision for one in step.routed] == [1, 2, 3, 4, 5]
    assert step.state.standings == {}


def test_the_analysis_is_asked_for_at_the_opening_and_expected_by_its_alerts():
    step = run(life("db timeout", 0))
    assert [(one.channel, one.incident.revision) for one in step.requests] == [("payments", 1)]
    assert [one.analysis_expected for one in alerts(step)] == [True, True]


@pytest.mark.parametrize(("service", "channel"), [("payment-api", "payments"), ("cart-api", "alerts")])
def test_the_channel_is_the_services_own_or_the_default(service, channel):
    step = run([opened("a", 0, service=service), update(IncidentEvent.FIRING, 5, "a", started=0, service=service)])
    assert {one.channel for one in [*step.routed, *step.requests, *alerts(step)]} == {channel}


def test_an_alerts_id_comes_from_incident_channel_kind_and_interval():
    first, second = alerts(run(life("a", 0)))
    assert first.id == alert_id(stable_hash("a"), "payments", "firing", 0)
    assert second.id == alert_id(stable_hash("a"), "payments", "update", 1)


def test_more_new_incidents_in_a_minute_than_allowed_are_told_as_one():
    step = run([*flood("abc", 0), *flood("def", 10)])
    assert titles("firing", step) == {"a", "b", "c"}
    (roll_up,) = [one for one in alerts(step) if one.kind is AlertKind.ROLLUP]
    assert (roll_up.rolled_up, roll_up.raised_at, roll_up.interval) == (3, (T0 + 15) * 1000, 0)
    tip = min((one.incident for one in flood("def", 10)), key=lambda incident: incident.id)
    assert roll_up.incident.id == tip.id
    assert roll_up.id == alert_id(tip.id, "payments", "rollup", 0)


def test_a_rolled_up_incident_is_not_told_of_by_itself_nor_analysed_but_documented():
    step = run([*flood("abc", 0), *life("d", 10)])
    assert titles("firing", step) == {"a", "b", "c"}
    assert {one.incident.title for one in step.requests} == {"a", "b", "c"}
    assert {one.incident.revision for one in step.routed if one.incident.title == "d"} == {1, 2, 3, 4, 5}


def test_each_new_incident_and_each_alert_that_was_kept_back_is_counted_once():
    settings = SETTINGS.model_copy(update={"gate": SETTINGS.gate.model_copy(update={"analyses_per_hour": 2})})
    decided = [
        decisions(updates, step) for step, updates in steps(by_instant([*flood("abc", 0), *flood("def", 10)]), settings)
    ]
    assert sum(one.asked for one in decided) == 2
    assert sum(one.over_budget for one in decided) == 1
    assert sum(one.storm for one in decided) == 3
    assert sum(one.throttled for one in decided) == 3


def test_news_of_a_rolled_up_incident_are_told_once_the_storm_is_over():
    going_on = [one for second in range(60, 360, 60) for name in "pqrs" for one in life(f"{name}{second}", second)]
    assert ("update", "d", 310) in told(run([*flood("abc", 0), *life("d", 10)]))
    assert ("update", "d", 310) not in told(run([*flood("abc", 0), *life("d", 10), *going_on]))


@pytest.mark.parametrize(("seconds", "rolled_up"), [(59, 1), (60, 0)])
def test_a_minute_is_less_than_sixty_seconds(seconds, rolled_up):
    step = run([*flood("abc", 0), *life("d", seconds)])
    assert len(titles("rollup", step)) == rolled_up


def test_incidents_that_join_a_storm_later_are_told_once_in_a_group_interval():
    step = run([*flood("abc", 0), *life("d", 1), *life("e", 100), *life("f", 200), *life("g", 290)])
    roll_ups = [(one.raised_at // 1000 - T0, one.rolled_up) for one in alerts(step) if one.kind is AlertKind.ROLLUP]
    assert roll_ups == [(6, 1), (301, 3)]


def test_a_storm_is_over_when_nothing_tipped_it_for_a_group_interval():
    step = run([*flood("abc", 0), *life("d", 1), *life("e", 301)])
    assert titles("firing", step) == {"a", "b", "c", "e"}


def test_a_storm_that_comes_and_goes_by_the_minute_stays_one():
    """The cap on new fingerprints lets a flood through in bursts a minute apart."""
    bursts = [one for minute in range(20) for one in flood("abcde", minute * 60)]
    bursts = [
        one.model_copy(
            update={"incident": one.incident.model_copy(update={"id": stable_hash(one.incident.id, number)})}
        )
        for number, one in zip((n // 25 for n in range(10**6)), bursts, strict=False)
    ]
    step = run(bursts)
    kinds = [one.kind for one in alerts(step)]
    assert kinds.count(AlertKind.FIRING) == 3
    roll_ups = [one for one in alerts(step) if one.kind is AlertKind.ROLLUP]
    assert sum(one.rolled_up for one in roll_ups) == 97
    assert len(roll_ups) == 5
    assert len({one.id for one in roll_ups}) == 5


def test_the_next_storm_is_one_of_its_own():
    step = run([*flood("abc", 0), *life("d", 1), *flood("efg", 1_000), *flood("hi", 1_001)])
    roll_ups = [one for one in alerts(step) if one.kind is AlertKind.ROLLUP]
    tips = [roll_ups[0].incident.title, min("hi", key=stable_hash)]
    assert [one.incident.title for one in roll_ups] == tips
    assert [(one.raised_at // 1000 - T0, one.interval, one.rolled_up) for one in roll_ups] == [(6, 0, 1), (1_006, 0, 2)]


def test_who_joined_a_storm_last_is_told_of_even_if_the_next_storm_comes_first():
    """The first storm lasts until 550, `f` joined at 505 is due at 600, and `j` tips the next one at 575."""
    first = [*flood("abc", -1), *life("d", 0), *flood("klm", 248), *life("e", 250), *life("f", 505)]
    step = run([*first, *flood("ghi", 570), *life("j", 575)])
    roll_ups = [one for one in alerts(step) if one.kind is AlertKind.ROLLUP]
    assert titles("firing", step) == {"a", "b", "c", "g", "h", "i"}
    assert sum(one.rolled_up for one in roll_ups) == 7


def test_the_roll_up_shows_its_incident_as_last_heard_of():
    news = update(IncidentEvent.FIRING, 5, "d", started=0, revision=2)
    step = run([*flood("abc", -10), opened("d", 0), news])
    (roll_up,) = [one for one in alerts(step) if one.kind is AlertKind.ROLLUP]
    assert (roll_up.incident.title, roll_up.incident.revision) == ("d", 2)


def test_the_overflow_is_always_told_never_analysed_and_makes_no_storm():
    overflow = life("more than the cap", 1, overflow=True)
    step = run([*flood("ab", 0), *overflow, *life("c", 2), *life("d", 3)])
    assert {"a", "b", "c", "more than the cap"} == titles("firing", step)
    assert "more than the cap" not in {one.incident.title for one in step.requests}
    assert {one.analysis_expected for one in alerts(step) if one.incident.overflow} == {False}


def test_analyses_are_capped_by_the_hour_and_the_alert_says_that_none_comes():
    settings = SETTINGS.model_copy(update={"gate": SETTINGS.gate.model_copy(update={"analyses_per_hour": 2})})
    step = run([one for number in range(40) for one in life(f"{number:02}", number * 120)], settings)
    assert [one.incident.title for one in step.requests] == ["00", "01", "30", "31"]
    firing = [one for one in alerts(step) if one.kind is AlertKind.FIRING]
    assert {one.incident.title for one in firing if one.analysis_expected} == {"00", "01", "30", "31"}
    assert len(firing) == 40


def test_an_opening_settles_with_its_second_and_everything_else_at_its_instant():
    assert settles_at(opened("a", 0)) == T0 * 1000 + 999
    assert settles_at(update(IncidentEvent.FIRING, 0, "a", started=0)) == T0 * 1000 + 999
    assert settles_at(update(IncidentEvent.FIRING, 5, "a", started=0)) == (T0 + 5) * 1000


def test_without_group_wait_a_storm_is_told_when_its_second_is_over():
    track = SETTINGS.track.model_copy(update={"group_wait_seconds": 0})
    burst = [
        update(event, 0, name, started=0, revision=revision)
        for name in "abcdefgh"
        for revision, event in enumerate([IncidentEvent.OPENED, IncidentEvent.FIRING], start=1)
    ]
    step = run(burst, SETTINGS.model_copy(update={"track": track}))
    assert [one.kind for one in alerts(step)].count(AlertKind.FIRING) == 3
    assert [one.rolled_up for one in alerts(step) if one.kind is AlertKind.ROLLUP] == [5]


def test_an_incident_whose_opening_was_forgotten_is_told_all_the_same():
    step = run([update(IncidentEvent.FIRING, 5, "a", started=0, revision=2)])
    assert [(one.kind, one.analysis_expected) for one in alerts(step)] == [(AlertKind.FIRING, False)]


def test_twenty_thousand_incidents_leave_no_state_behind():
    state = GateState()
    largest = 0
    for second in range(400):
        batch = [opened(f"{second}/{n}", second) for n in range(50)]
        ended = [
            update(IncidentEvent.RESOLVED, second, f"{second - 20}/{n}", started=second - 20, revision=2)
            for n in range(50)
        ]
        state = settle(state, [*batch, *ended], (T0 + second) * 1000, SETTINGS).state
        largest = max(largest, len(state.standings))
    assert largest == 1_000
    assert len(state.opened) <= 3


# Properties: any incidents, in any order between fingerprints.

lives = st.lists(st.tuples(st.integers(0, 900), st.booleans()), min_size=1, max_size=12).map(
    lambda starts: [one for n, (at, bulk) in enumerate(starts) for one in life(f"{n}", at, overflow=bulk and n == 0)]
)


@given(updates=lives, data=st.data())
def test_the_order_in_which_fingerprints_are_heard_does_not_matter(updates, data):
    assert run(data.draw(st.permutations(updates))) == run(updates)


@given(updates=lives)
def test_no_alert_id_comes_twice_and_no_incident_is_lost(updates):
    step = run(updates)
    ids = [one.id for one in alerts(step)]
    assert len(ids) == len(set(ids))
    incidents = {one.incident.id for one in updates}
    firing = {one.incident.id for one in alerts(step) if one.kind is AlertKind.FIRING}
    assert len(incidents) == len(firing) + sum(one.rolled_up for one in alerts(step))
    assert [one for one in step.routed if one.alert is None or one.alert.kind is not AlertKind.ROLLUP] != []
    assert len(step.requests) <= len(firing)
