"""The outbox: when an alert is posted, what is never lost or told twice, what an incident's document says."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.log_insight.operator_ids import OperatorId
from schemas.alert import Alert, AlertKind, Routed
from schemas.analysis import Analysis, AnalysisStatus, Evidence, KnowledgeKind
from schemas.incident import Incident, IncidentState
from schemas.incident_document import AlertState, IncidentDocument
from schemas.log_entry import Severity
from udfs.ids import alert_id
from udfs.meters import Meters, Series
from udfs.notify.outbox import Delivery, Outbox, Policy, Tables
from udfs.notify.outcomes import Failed, Held, Outcome, Rejected, RetryAfter, Sent, Told, Unknown

CHANNEL = "alerts"
ARRIVAL = 1_763_800_000_000
POLICY = Policy(
    wait_ms=1_000,
    min_interval_ms=500,
    max_backoff_ms=60_000,
    hold_ms=10_000,
    retention_ms=100_000,
    resolved_ms=10_000,
    merge_above=3,
)

K = TypeVar("K")


class DictTable(Generic[K]):
    def __init__(self) -> None:
        self.rows: dict[K, bytes] = {}

    def get(self, key: K) -> bytes | None:
        return self.rows.get(key)

    def put(self, key: K, value: bytes) -> None:
        self.rows[key] = value

    def remove(self, key: K) -> None:
        self.rows.pop(key, None)

    def items(self) -> Iterable[tuple[K, bytes]]:
        return self.rows.items()


class DictCell:
    def __init__(self) -> None:
        self.content: bytes | None = None

    def value(self) -> bytes | None:
        return self.content

    def update(self, value: bytes) -> None:
        self.content = value


def new_tables() -> Tables:
    return Tables(DictCell(), DictTable(), DictTable(), DictTable(), DictTable())


def incident(number: int = 1, revision: int = 1, count: int = 10, **fields: object) -> Incident:
    base = Incident(
        id=f"incident-{number}",
        environment="test",
        rules_version="2026-01-01",
        fingerprint=f"{number:016x}",
        service="payment-api",
        severity=Severity.ERROR,
        title=f"failure {number}",
        template="failure <num>",
        started=ARRIVAL // 1000,
        first_seen=ARRIVAL,
        last_seen=ARRIVAL,
        count=count,
        revision=revision,
    )
    return base.model_copy(update=fields)


def alert(of: Incident, kind: AlertKind = AlertKind.FIRING, interval: int = 0, *, expected: bool = False) -> Alert:
    return Alert(
        id=alert_id(of.id, CHANNEL, kind, interval),
        kind=kind,
        channel=CHANNEL,
        incident=of,
        interval=interval,
        raised_at=ARRIVAL,
        analysis_expected=expected,
    )


def told(of: Incident, kind: AlertKind = AlertKind.FIRING, interval: int = 0, *, expected: bool = False) -> Routed:
    return Routed(channel=CHANNEL, incident=of, alert=alert(of, kind, interval, expected=expected))


def analysis(number: int = 1, status: AnalysisStatus = AnalysisStatus.GROUNDED) -> Analysis:
    evidence = Evidence(
        id="r1", kind=KnowledgeKind.RUNBOOK, title="Pool", url="https://r.example/1", date="2026-01-01", score=0.9
    )
    is_grounded = status is AnalysisStatus.GROUNDED
    return Analysis(
        incident_id=f"incident-{number}",
        channel=CHANNEL,
        status=status,
        analyst="extractive",
        cause="The pool is exhausted." if is_grounded else None,
        evidence=(evidence,) if is_grounded else (),
    )


class Channel:
    """One outbox. It is made anew for every call: whatever it knows lies in its tables, as JSON."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.tables = new_tables()
        self.policy = policy
        self.meters = Meters(OperatorId.NOTIFY)
        self.now = 0
        self.posted: list[tuple[str, bool]] = []
        self.set_aside: list[str] = []
        self.documents: list[IncidentDocument] = []

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.tables, self.policy, self.meters)

    def counted(self, result: str) -> int:
        return self.meters.value(Series("cali_alerts_total", (("result", result),)))

    def route(self, routed: Routed) -> None:
        self.documents += self.outbox.on_routed(routed, self.now, ARRIVAL)

    def analyse(self, one: Analysis) -> None:
        self.documents += self.outbox.on_analysis(one, self.now, ARRIVAL)

    def deliver(self, outcome: Outcome | None = None) -> Delivery | None:
        delivery = self.outbox.delivery(self.now)
        if delivery is not None:
            answer = outcome if outcome is not None else Sent()
            if isinstance(answer, Sent):
                self.posted.append((delivery.entry.alert.id, delivery.analysed))
            if isinstance(answer, Rejected) and delivery.entry.plain:
                self.set_aside.append(delivery.entry.alert.id)
            self.documents += self.outbox.on_outcome(delivery, answer, self.now)
        return delivery

    def drain(self) -> None:
        while (due := self.outbox.next_due()) is not None:
            self.now = max(self.now, due)
            self.deliver()


@pytest.fixture
def channel() -> Channel:
    return Channel()


def ids(*alerts: Alert) -> list[str]:
    return [one.id for one in alerts]


def test_an_alert_that_expects_no_analysis_goes_at_once(channel):
    channel.route(told(incident()))
    assert channel.outbox.next_due() == 0
    assert channel.deliver() is not None


def test_an_alert_waits_for_its_analysis_and_no_longer_than_the_wait(channel):
    channel.route(told(incident(), expected=True))
    assert channel.deliver() is None
    assert channel.outbox.next_due() == 1_000
    channel.now = 1_000
    delivery = channel.deliver()
    assert delivery is not None
    assert delivery.analysis is None


def test_an_alert_goes_as_soon_as_its_analysis_is_there(channel):
    channel.route(told(incident(), expected=True))
    channel.now = 300
    channel.analyse(analysis())
    delivery = channel.deliver()
    assert delivery is not None
    assert delivery.analysis == analysis()


def test_an_analysis_that_came_before_its_alert_is_kept_for_it(channel):
    channel.analyse(analysis())
    channel.route(Routed(channel=CHANNEL, incident=incident()))
    channel.route(told(incident(revision=2), expected=True))
    delivery = channel.deliver()
    assert delivery is not None
    assert delivery.analysis == analysis()
    channel.drain()
    assert len(channel.posted) == 1


def test_an_alert_without_its_analysis_does_not_hold_up_others(channel):
    channel.route(told(incident(1), expected=True))
    channel.route(told(incident(2)))
    delivery = channel.deliver()
    assert delivery is not None
    assert delivery.entry.alert.incident.id == "incident-2"


def test_an_update_never_overtakes_the_first_alert_of_its_incident(channel):
    channel.route(told(incident(), expected=True))
    channel.route(told(incident(revision=2), AlertKind.UPDATE, 1))
    assert channel.deliver() is None
    channel.now = 1_000
    channel.drain()
    assert [one for one, _ in channel.posted] == ids(
        alert(incident()), alert(incident(revision=2), AlertKind.UPDATE, 1)
    )


def test_what_waited_long_enough_goes_before_what_came_later(channel):
    channel.route(told(incident(1), expected=True))
    channel.now = 1_500
    channel.route(told(incident(2)))
    channel.drain()
    assert [one for one, _ in channel.posted] == ids(alert(incident(1)), alert(incident(2)))


def test_a_late_grounded_analysis_is_told_once_with_an_id_of_its_own(channel):
    channel.route(told(incident(), expected=True))
    channel.drain()
    channel.analyse(analysis())
    channel.analyse(analysis())
    channel.drain()
    late = alert(incident(), AlertKind.ANALYSIS)
    assert channel.posted == [(alert(incident()).id, False), (late.id, True)]


@pytest.mark.parametrize("status", [AnalysisStatus.NO_SIMILAR_INCIDENT, AnalysisStatus.UNAVAILABLE])
def test_a_late_analysis_without_a_cause_only_goes_into_the_document(channel, status):
    channel.route(told(incident(), expected=True))
    channel.drain()
    channel.analyse(analysis(status=status))
    assert channel.outbox.next_due() is None
    assert channel.documents[-1].analysis == analysis(status=status)


def test_a_grounded_analysis_after_an_unavailable_one_is_told(channel):
    channel.analyse(analysis(status=AnalysisStatus.UNAVAILABLE))
    channel.route(told(incident(), expected=True))
    channel.drain()
    channel.analyse(analysis())
    channel.drain()
    assert [analysed for _, analysed in channel.posted] == [False, True]


def test_a_grounded_analysis_is_not_replaced_by_a_worse_one(channel):
    channel.analyse(analysis())
    channel.analyse(analysis(status=AnalysisStatus.UNAVAILABLE))
    channel.route(told(incident(), expected=True))
    delivery = channel.deliver()
    assert delivery is not None
    assert delivery.analysed


def test_an_analysis_that_came_while_slack_was_down_goes_with_the_alert_and_not_after_it(channel):
    channel.route(told(incident(), expected=True))
    channel.now = 1_000
    channel.deliver(Failed("status 500"))
    channel.analyse(analysis())
    channel.drain()
    assert channel.posted == [(alert(incident()).id, True)]


def test_an_analysis_that_an_update_will_carry_is_no_message_of_its_own(channel):
    channel.route(told(incident(), expected=True))
    channel.drain()
    channel.route(told(incident(revision=2), AlertKind.UPDATE, 1))
    channel.analyse(analysis())
    channel.drain()
    assert [analysed for _, analysed in channel.posted] == [False, True]


def test_an_alert_id_is_taken_in_once(channel):
    channel.route(told(incident()))
    channel.route(told(incident(revision=2)))
    channel.drain()
    channel.route(told(incident(revision=3)))
    channel.drain()
    assert len(channel.posted) == 1


def test_posts_to_a_channel_keep_their_distance(channel):
    channel.route(told(incident(1)))
    channel.route(told(incident(2)))
    channel.deliver()
    channel.now = 499
    assert channel.deliver() is None
    assert channel.outbox.next_due() == 500


def test_a_retry_after_puts_everything_off_by_as_much(channel):
    channel.route(told(incident(1)))
    channel.route(told(incident(2)))
    channel.deliver(RetryAfter(30.0))
    assert channel.outbox.next_due() == 30_000
    channel.drain()
    assert [one for one, _ in channel.posted] == ids(alert(incident(1)), alert(incident(2)))


@pytest.mark.parametrize("outcome", [Failed("status 500"), Unknown("ReadTimeout"), RetryAfter(None)])
def test_failures_in_a_row_double_the_pause_up_to_its_limit(channel, outcome):
    channel.route(told(incident()))
    pauses = []
    for _ in range(8):
        channel.deliver(outcome)
        due = channel.outbox.next_due()
        pauses.append(due - channel.now)
        channel.now = due
    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]


def test_a_success_ends_the_row_of_failures(channel):
    channel.route(told(incident(1)))
    channel.route(told(incident(2)))
    channel.deliver(Failed("status 500"))
    channel.now = 1_000
    channel.deliver()
    channel.now = 1_500
    channel.deliver(Failed("status 500"))
    assert channel.outbox.next_due() == 2_500


def test_a_refused_message_is_tried_once_as_plain_text(channel):
    channel.route(told(incident()))
    channel.deliver(Rejected("400 invalid_blocks"))
    channel.now = 500
    delivery = channel.deliver()
    assert delivery is not None
    assert delivery.entry.plain
    assert channel.documents[-1].alert.state is AlertState.POSTED


def test_a_message_that_is_refused_twice_is_set_aside_and_does_not_block_the_channel(channel):
    channel.route(told(incident(1)))
    channel.route(told(incident(2)))
    channel.deliver(Rejected("404 no_service"))
    channel.now = 500
    channel.deliver(Rejected("404 no_service"))
    failed = channel.documents[-1]
    assert (failed.id, failed.alert.state, failed.alert.reason) == ("incident-1", AlertState.FAILED, "404 no_service")
    assert (failed.alerts_posted, failed.alerts_failed) == (0, 1)
    channel.drain()
    assert [one for one, _ in channel.posted] == ids(alert(incident(2)))


def test_an_alert_that_a_predecessor_posted_is_not_posted_again(channel):
    channel.route(told(incident()))
    delivery = channel.outbox.delivery(0)
    documents = channel.outbox.on_claim(delivery, Told(posted=True, analysed=False), 0)
    assert documents[-1].alert.state is AlertState.POSTED
    assert channel.outbox.next_due() is None


def test_an_analysis_that_the_predecessors_message_lacked_is_told_later(channel):
    channel.analyse(analysis())
    channel.route(told(incident()))
    channel.outbox.on_claim(channel.outbox.delivery(0), Told(posted=True, analysed=False), 0)
    channel.drain()
    assert channel.posted == [(alert(incident(), AlertKind.ANALYSIS).id, True)]


def test_an_analysis_that_the_predecessors_message_had_is_not_told_again(channel):
    channel.analyse(analysis())
    channel.route(told(incident()))
    channel.outbox.on_claim(channel.outbox.delivery(0), Told(posted=True, analysed=True), 0)
    assert channel.outbox.next_due() is None


def test_a_foreign_claim_is_waited_out_and_remembered(channel):
    channel.route(told(incident()))
    channel.outbox.on_claim(channel.outbox.delivery(0), Held("7/1"), 0)
    assert channel.outbox.delivery(9_999) is None
    assert channel.outbox.delivery(10_000).entry.claim == "7/1"


def test_a_crowded_outbox_merges_updates_of_an_incident_and_nothing_else(channel):
    for number in range(1, 4):
        channel.route(told(incident(number)))
    channel.route(told(incident(1, revision=2, count=20), AlertKind.UPDATE, 1))
    channel.route(told(incident(1, revision=3, count=30), AlertKind.UPDATE, 2))
    channel.route(told(incident(4)))
    channel.drain()
    newest = alert(incident(1, revision=3), AlertKind.UPDATE, 2)
    assert [one for one, _ in channel.posted] == [
        *ids(*(alert(incident(number)) for number in range(1, 4))),
        newest.id,
        alert(incident(4)).id,
    ]
    assert channel.counted("throttled") == 1


def test_a_crowded_outbox_lets_nothing_but_an_update_take_an_updates_place(channel):
    for number in range(1, 4):
        channel.route(told(incident(number)))
    channel.route(told(incident(1, revision=2), AlertKind.UPDATE, 1))
    channel.route(told(incident(1, revision=2), AlertKind.ROLLUP, 1))
    channel.drain()
    assert len(channel.posted) == 5


def test_an_outbox_with_room_merges_nothing(channel):
    channel.route(told(incident(1)))
    channel.route(told(incident(1, revision=2), AlertKind.UPDATE, 1))
    channel.route(told(incident(1, revision=3), AlertKind.UPDATE, 2))
    channel.drain()
    assert len(channel.posted) == 3


def test_an_update_knows_what_was_told_before_it(channel):
    channel.route(told(incident(count=10)))
    channel.drain()
    channel.route(told(incident(revision=2, count=25), AlertKind.UPDATE, 1))
    channel.now = 500
    delivery = channel.deliver()
    assert delivery.told_count == 10


def test_a_silent_outbox_writes_documents_and_gives_nothing_out():
    channel = Channel(POLICY._replace(enabled=False))
    channel.route(told(incident()))
    channel.analyse(analysis())
    assert [document.version for document in channel.documents] == [1000, 1001]
    assert channel.outbox.wake_up(0) is None
    assert channel.outbox.delivery(10**9) is None
    assert channel.counted("silenced") == 1


def test_an_outbox_that_was_turned_silent_keeps_what_it_holds_for_later(channel):
    channel.route(told(incident()))
    channel.policy = POLICY._replace(enabled=False)
    assert channel.outbox.next_due() is None
    assert channel.deliver() is None
    channel.policy = POLICY
    channel.drain()
    assert len(channel.posted) == 1


def test_document_versions_grow_with_each_change_and_start_with_the_revision(channel):
    channel.route(told(incident(revision=1)))
    channel.deliver()
    channel.analyse(analysis())
    channel.route(Routed(channel=CHANNEL, incident=incident(revision=2)))
    assert [document.version for document in channel.documents] == [1000, 1001, 1002, 2000]


def test_an_older_revision_does_not_undo_a_newer_one(channel):
    channel.route(Routed(channel=CHANNEL, incident=incident(revision=2, count=20)))
    channel.route(Routed(channel=CHANNEL, incident=incident(revision=1, count=10)))
    assert [document.count for document in channel.documents] == [20]


def test_a_document_tells_state_alert_and_evidence(channel):
    channel.route(told(incident()))
    channel.analyse(analysis())
    channel.deliver()
    document = channel.documents[-1]
    assert document.channel == CHANNEL
    assert (document.alert.kind, document.alert.state) == (AlertKind.FIRING, AlertState.POSTED)
    assert document.alerts_posted == 1
    assert document.evidence_urls == ("https://r.example/1",)
    assert document.to_bytes().startswith(b'{"id":"incident-1"')


def test_resolved_and_forgotten_incidents_leave_the_state(channel):
    channel.route(told(incident(1)))
    channel.route(Routed(channel=CHANNEL, incident=incident(2, state=IncidentState.RESOLVED)))
    channel.route(Routed(channel=CHANNEL, incident=incident(3)))
    channel.analyse(analysis(4))
    channel.outbox.sweep(ARRIVAL + POLICY.resolved_ms)
    assert set(channel.tables.incidents.rows) == {"incident-1", "incident-3", "incident-4"}
    channel.outbox.sweep(ARRIVAL + POLICY.retention_ms)
    assert set(channel.tables.incidents.rows) == {"incident-1"}, "what waits to be posted is never forgotten"
    assert channel.tables.seen.rows == {}
    channel.drain()
    assert len(channel.posted) == 1


def test_an_alert_whose_incident_was_forgotten_still_has_a_document(channel):
    channel.route(told(incident()))
    channel.tables.incidents.remove("incident-1")
    channel.drain()
    assert channel.documents[-1].alert.state is AlertState.POSTED


def test_one_timer_is_set_at_a_time_and_an_earlier_one_replaces_it(channel):
    channel.route(told(incident(1), expected=True))
    assert channel.outbox.wake_up(0) == 1_000
    assert channel.outbox.wake_up(0) is None
    channel.route(told(incident(2)))
    assert channel.outbox.wake_up(0) == 1
    channel.now = 1
    channel.deliver()
    assert channel.outbox.wake_up(1) == 1_000


def test_at_the_end_nothing_waits_any_longer(channel):
    channel.route(told(incident(1), expected=True))
    channel.route(told(incident(2), expected=True))
    channel.outbox.release_all()
    assert channel.outbox.next_due() == 0
    channel.drain()
    assert len(channel.posted) == 2


def test_an_element_rewrites_its_own_entries_only(channel):
    for number in range(200):
        channel.route(told(incident(number)))
    before = {name: dict(getattr(channel.tables, name).rows) for name in ("incidents", "queue", "seen")}
    channel.route(Routed(channel=CHANNEL, incident=incident(7, revision=2)))
    after = {name: getattr(channel.tables, name).rows for name in before}
    changed = {(name, key) for name, rows in after.items() for key in rows if rows[key] != before[name].get(key)}
    assert changed == {("incidents", "incident-7")}
    assert len(channel.tables.channel.content) < 400


OUTCOMES = st.sampled_from([Sent(), Sent(), RetryAfter(3.0), Failed("x"), Rejected("400 invalid_blocks"), Unknown("x")])
STEPS = st.one_of(
    st.tuples(st.just("tell"), st.integers(1, 4), st.booleans()),
    st.tuples(st.just("again"), st.integers(1, 4), st.booleans()),
    st.tuples(st.just("analysis"), st.integers(1, 4), st.sampled_from(list(AnalysisStatus))),
    st.tuples(st.just("deliver"), OUTCOMES, st.just(None)),
    st.tuples(st.just("pass"), st.integers(1, 5_000), st.just(None)),
)


class Story(Channel):
    """A channel that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: dict[str, Alert] = {}
        self.grounded: set[str] = set()

    def play(self, step: str, subject: Any, detail: Any) -> None:
        if step == "analysis":
            self.grounded |= {f"incident-{subject}"} if detail is AnalysisStatus.GROUNDED else set()
            self.analyse(analysis(subject, detail))
        elif step == "deliver":
            self.deliver(subject)
        elif step == "pass":
            self.now += subject
        else:
            self.tell(subject, again=step == "again", expected=detail)

    def tell(self, number: int, *, again: bool, expected: bool) -> None:
        told_before = len(self.alerts_of(number))
        revision = max(told_before + (not again), 1)
        kind = AlertKind.FIRING if revision == 1 else AlertKind.UPDATE
        routed = told(incident(number, revision=revision), kind, revision, expected=expected)
        self.accepted.setdefault(routed.alert.id, routed.alert)
        self.route(routed)

    def alerts_of(self, number: int) -> list[Alert]:
        return [one for one in self.accepted.values() if one.incident.id == f"incident-{number}"]

    @property
    def done(self) -> list[str]:
        return [one for one, _ in self.posted] + self.set_aside


def late_alert(number: int) -> str:
    return alert_id(f"incident-{number}", CHANNEL, AlertKind.ANALYSIS, 1)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_each_alert_is_told_once_or_set_aside_or_merged_into_a_newer_update(steps):
    story = Story()
    for step in steps:
        story.play(*step)
    story.drain()
    assert len(story.done) == len(set(story.done))
    assert set(story.done) <= set(story.accepted) | {late_alert(number) for number in range(1, 5)}
    for missing in (one for one in story.accepted.values() if one.id not in story.done):
        assert missing.kind is AlertKind.UPDATE
        siblings = (one for one in story.accepted.values() if one.incident.id == missing.incident.id)
        assert any(one.interval > missing.interval and one.id in story.done for one in siblings)
    assert story.outbox.size() == 0


@settings(deadline=None)  # the machine may be busy
@given(st.lists(STEPS, max_size=40))
@example([("tell", 1, False)] * 4)
def test_whatever_happens_an_incident_is_told_of_in_order_and_its_document_only_moves_forward(steps):
    story = Story()
    for step in steps:
        story.play(*step)
    story.drain()
    posted = [one for one, _ in story.posted]
    for number in range(1, 5):
        in_order = [one.id for one in story.alerts_of(number) if one.id in posted]
        assert [one for one in posted if one in in_order] == in_order
        versions = [document.version for document in story.documents if document.id == f"incident-{number}"]
        assert versions == sorted(set(versions))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_a_cause_that_was_found_is_told_and_never_by_two_messages_of_its_own(steps):
    story = Story()
    for step in steps:
        story.play(*step)
    story.drain()
    analysed = {one for one, is_analysed in story.posted if is_analysed}
    for number in range(1, 5):
        own = {one.id for one in story.alerts_of(number)} | {late_alert(number)}
        if f"incident-{number}" in story.grounded and story.alerts_of(number):
            assert own & (analysed | set(story.set_aside))
        else:
            assert not own & analysed
