"""`admit`, `track` and `gate` in real Flink jobs: late data, the end of a bounded run, live and replayed."""

import random
from collections import Counter
from collections.abc import Iterable

from pyflink.common import Row

from schemas.alert import AlertKind, Routed
from schemas.error_group import ErrorGroup, Exemplar, ServiceSecond, arrival_second
from schemas.incident import IncidentState
from schemas.log_entry import Severity
from tests.operators.event_time import Job, Result
from udfs.admit import overflow_fingerprint
from udfs.ids import incident_id, stable_hash
from udfs.operators.type_info import keyed

ALERT_PATH = ("admit", "track", "gate")

#: A full minute, in epoch seconds.
T0 = 1_763_812_800
SERVICE = "payment-api"


def group(name: str, second: int, count: int = 1, service: str = SERVICE) -> ErrorGroup:
    fingerprint = stable_hash(service, name)
    arrival = (T0 + second) * 1000
    return ErrorGroup(
        fingerprint=fingerprint,
        service=service,
        second=T0 + second,
        severity=Severity.ERROR,
        count=count,
        title=name,
        template=name,
        first_seen=arrival,
        last_seen=arrival + 999,
        rules_version="2026-01-01",
        exemplars=(
            Exemplar(
                record_id=f"{name}:{second}",
                rank=int(stable_hash(name, second), 16) >> 1,
                timestamp="",
                arrival_time=arrival,
                content=name,
            ),
        ),
    )


def element(*groups: ErrorGroup) -> Row:
    part = ServiceSecond(service=groups[0].service, second=groups[0].second, groups=groups)
    return keyed(part.service, part)


def send(job: Job, row: Row, event_time: int | None = None) -> None:
    """Send an element; its event time is that of its second unless given, in seconds since T0."""
    second = arrival_second(row.body) if event_time is None else T0 + event_time
    job.send(row, second * 1000)


def test_a_late_error_is_marked_and_a_late_new_kind_joins_the_overflow(start):
    job = start("admit")
    send(job, element(group("timeout", 0)))
    send(job, element(group("timeout", 10)))
    # Its coming out says that the watermark has passed its second.
    on_time = ErrorGroup.model_validate(job.next().body)
    send(job, element(group("timeout", 0, 7), group("never seen", 0, 3)))
    send(job, element(group("timeout", 5, 11)))
    late = [ErrorGroup.model_validate(job.next().body) for _ in range(3)]
    rest = [ErrorGroup.model_validate(result.body) for result in job.end()]
    timeout = stable_hash(SERVICE, "timeout")
    assert (on_time.second, on_time.count, on_time.late) == (T0, 1, False)
    assert {(one.fingerprint, one.second, one.count, one.late) for one in late} == {
        (timeout, T0, 7, True),
        (timeout, T0 + 5, 11, True),
        (overflow_fingerprint(SERVICE), T0, 3, True),
    }
    assert [(one.second, one.late) for one in rest] == [(T0 + 10, False)]


def test_an_incident_lives_by_event_time_from_its_opening_to_its_end(start):
    job = start(*ALERT_PATH, TRACK__GROUP_INTERVAL_SECONDS=60, TRACK__RESOLVE_AFTER_SECONDS=200)
    send(job, element(group("timeout", 0)))
    send(job, element(group("timeout", 2, 4)))
    opened = [job.next(), job.next()]
    send(job, element(group("other", 80)))
    firing = Routed.model_validate(job.next().body)
    # Late by far: it is counted, but moves nothing, and is told of at the next instant, not at one that has gone by.
    send(job, element(group("timeout", 3, 100)))
    send(job, element(group("other", 400)))
    updated, resolved = (one for one in routed(job.end()) if one.incident.title == "timeout")
    assert {result.tag for result in opened} == {"main", "analysis"}
    incident = incident_id("dev", "2026-01-01", stable_hash(SERVICE, "timeout"), T0)
    assert {one.incident.id for one in [*routed(opened), firing, updated, resolved]} == {incident}
    assert firing.alert is not None
    assert (firing.alert.kind, firing.alert.raised_at, firing.incident.count) == (AlertKind.FIRING, (T0 + 5) * 1000, 5)
    assert firing.alert.analysis_expected
    assert updated.alert is not None
    assert (updated.alert.kind, updated.alert.interval, updated.incident.count) == (AlertKind.UPDATE, 2, 105)
    assert (resolved.incident.state, resolved.incident.late, resolved.alert) == (IncidentState.RESOLVED, 100, None)
    assert resolved.incident.last_seen == (T0 + 2) * 1000 + 999


def test_after_a_failure_an_incident_goes_on_and_what_was_late_stays_late(start):
    """The watermark starts anew then, so only state can tell."""
    job = start(*ALERT_PATH, TRACK__GROUP_INTERVAL_SECONDS=60, TRACK__RESOLVE_AFTER_SECONDS=100)
    send(job, element(group("timeout", 0)))
    send(job, element(group("timeout", 30, 20)))
    before = routed([job.next(), job.next(), job.next()])
    job.fail()
    send(job, element(group("timeout", 0, 100), group("never seen", 0)))
    send(job, element(group("timeout", 3, 1_000)))
    send(job, element(group("other", 400)))
    after = routed(job.end())
    assert [one.incident.revision for one in before] == [1, 2]
    assert [(one.incident.title, one.incident.revision, one.incident.count) for one in after] == [
        ("timeout", 3, 1_121),
        ("timeout", 4, 1_121),
        ("other", 1, 1),
        ("other", 2, 1),
    ]
    assert (after[0].incident.id, after[0].incident.late) == (before[0].incident.id, 1_100)


def story() -> list[list[ErrorGroup]]:
    """Three services, second by second: a steady failure, a burst of many kinds, a late starter, and a new life."""
    settled = [[group("steady", second, second + 1)] for second in range(0, 200, 7)]
    storm = [[group(f"kind {number}", 20 + number % 3, service="cart-api") for number in range(30)]]
    later = [[group("second life", second, service="auth-api")] for second in (0, 10, 150, 199)]
    return [groups for part in (settled, storm, later) for groups in part]


def seconds_of(groups: list[ErrorGroup]) -> list[Row]:
    by_second: dict[int, list[ErrorGroup]] = {}
    for one in groups:
        by_second.setdefault(one.second, []).append(one)
    return [element(*by_second[second]) for second in sorted(by_second)]


def routed(results: Iterable[Result]) -> list[Routed]:
    return [Routed.model_validate(result.body) for result in results if result.tag == "main"]


def summary(results: list[Result]) -> tuple[Counter[tuple[str, str, int, int]], dict[str, int]]:
    """Return the alerts by id, kind, count and number rolled up, and the last count of each incident."""
    told = routed(results)
    alerts = Counter((a.id, a.kind.value, a.incident.count, a.rolled_up) for one in told if (a := one.alert))
    incidents = sorted((one.incident for one in told), key=lambda incident: incident.revision)
    return alerts, {incident.id: incident.count for incident in incidents}


def test_live_and_replayed_in_other_batches_the_same_incidents_are_told(start):
    settings = {
        "TRACK__GROUP_WAIT_SECONDS": 3,
        "TRACK__GROUP_INTERVAL_SECONDS": 40,
        "TRACK__RESOLVE_AFTER_SECONDS": 60,
        "GATE__STORM_INCIDENTS_PER_MINUTE": 5,
    }
    live_job = start(*ALERT_PATH, parallelism=2, **settings)
    rows = [row for groups in story() for row in seconds_of(groups)]
    for row in sorted(rows, key=lambda row: arrival_second(row.body)):
        send(live_job, row)
    live = summary(live_job.end())

    replay_job = start(*ALERT_PATH, parallelism=2, **settings)
    groups = [one for groups in story() for one in groups]
    random.Random(7).shuffle(groups)  # noqa: S311 - any order will do
    for one in groups:
        # The event time stands still, so there is no watermark but the last.
        send(replay_job, element(one), event_time=0)
    replayed = summary(replay_job.end())

    assert replayed == live
    alerts, counts = live
    assert max(alerts.values()) == 1
    assert Counter(kind for _, kind, _, _ in alerts) == {"firing": 1 + 5 + 2, "rollup": 1, "update": 4}
    assert [rolled_up for _, kind, _, rolled_up in alerts if kind == "rollup"] == [25]
    assert sum(counts.values()) == sum(one.count for one in groups)


def test_a_flood_of_different_errors_makes_few_alerts_and_is_counted_to_the_last(start):
    job = start(*ALERT_PATH)
    for second in range(0, 100, 10):
        for part in range(3):
            groups = (group(f"{second}/{part}/{number}", second) for number in range(100))
            send(job, element(*groups), event_time=0)
    alerts, counts = summary(job.end())
    assert sum(counts.values()) == 3_000
    assert Counter(kind for _, kind, _, _ in alerts) == {"firing": 10 + 1, "rollup": 2}
    # Of the two minutes' hundred new kinds ten are told of, and the overflow.
    assert sorted(rolled_up for _, kind, _, rolled_up in alerts if kind == "rollup") == [40, 50]
