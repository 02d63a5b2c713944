"""From the outbox to Slack with the ledger between them, through deaths of the process at every point.

The ledger asks a store that keeps OpenSearch's rules in memory, so that thousands of stories can be told;
`tests/integration/test_notify_ledger.py` asks OpenSearch itself.
"""

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opensearchpy.exceptions import ConflictError, ConnectionTimeout, NotFoundError

from jobs.log_insight.operator_ids import OperatorId
from schemas.alert import Alert, AlertKind, Routed
from schemas.incident import Incident
from schemas.incident_document import AlertState, IncidentDocument
from schemas.log_entry import Severity
from udfs.ids import alert_id
from udfs.meters import Meters, Series
from udfs.notify.dispatch import MAX_STANDSTILL_SECONDS, Clock, Dispatcher, UndeliveredError
from udfs.notify.ledger import COOL_DOWN_SECONDS, Ledger
from udfs.notify.outbox import Outbox, Policy, Tables
from udfs.notify.outcomes import Failed, Outcome, Rejected, RetryAfter, Sent, Told, Unknown
from udfs.notify.texts import EN

POLICY = Policy(
    wait_ms=1_000,
    min_interval_ms=1_000,
    max_backoff_ms=60_000,
    hold_ms=10_000,
    retention_ms=10**9,
    resolved_ms=10**9,
)
START = 1_763_800_000.0


class Table:
    def __init__(self) -> None:
        self.rows: dict[Any, bytes] = {}

    def get(self, key: Any) -> bytes | None:
        return self.rows.get(key)

    def put(self, key: Any, value: bytes) -> None:
        self.rows[key] = value

    def remove(self, key: Any) -> None:
        self.rows.pop(key, None)

    def items(self) -> Any:
        return self.rows.items()


class Cell:
    content: bytes | None = None

    def value(self) -> bytes | None:
        return self.content

    def update(self, value: bytes) -> None:
        self.content = value


class Store:
    """Documents under OpenSearch's rules for `create` and `if_seq_no`. `is_down` makes it as if it were not there."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.calls = 0
        self.is_down = False
        self._sequence = itertools.count()

    def create(self, *, id: str, body: dict[str, Any], **_: Any) -> None:  # noqa: A002
        self._arrive()
        if id in self.documents:
            raise ConflictError(409, "version_conflict_engine_exception")
        self._put(id, body)

    def get(self, *, id: str, **_: Any) -> dict[str, Any]:  # noqa: A002
        self._arrive()
        if id not in self.documents:
            raise NotFoundError(404)
        return self.documents[id]

    def index(self, *, id: str, body: dict[str, Any], params: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        self._arrive()
        if "if_seq_no" in params and self.documents[id]["_seq_no"] != params["if_seq_no"]:
            raise ConflictError(409, "version_conflict_engine_exception")
        self._put(id, body)

    def _put(self, key: str, body: dict[str, Any]) -> None:
        self.documents[key] = {"_source": dict(body), "_seq_no": next(self._sequence), "_primary_term": 1}

    def _arrive(self) -> None:
        self.calls += 1
        if self.is_down:
            raise ConnectionTimeout("TIMEOUT", "timed out", None)


class DeathError(Exception):
    """The process is killed."""


class Workspace:
    """Slack: takes messages and answers as planned: an outcome, or a death before or after the message arrives."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.plans: list[Outcome | str] = []
        self.doubts: Counter[str] = Counter()
        self.current = ""

    def post(self, *_: Any) -> Outcome:
        plan = self.plans.pop(0) if self.plans else Sent()
        if plan == "die before":
            raise DeathError
        if isinstance(plan, Sent) or plan in ("die after", "lose answer"):
            self.taken.append(self.current)
        if plan in ("die after", "lose answer"):
            self.doubts[self.current] += 1
        if plan == "die after":
            raise DeathError
        return Unknown("ReadTimeout") if isinstance(plan, str) else plan


class Job:
    """A job with its checkpoint and its input: after a death both go back to the last checkpoint."""

    def __init__(self) -> None:
        self.time = START
        self.store = Store()
        self.slack = Workspace()
        self._meters = Meters(OperatorId.NOTIFY)
        self.input: list[Routed] = []
        self.documents: list[IncidentDocument] = []
        self._tables = Tables(Cell(), Table(), Table(), Table(), Table())
        self._owners = itertools.count()
        self._start()
        self.checkpoint()

    def checkpoint(self) -> None:
        self._saved = (copy.deepcopy(self._tables), len(self.input))

    def restart(self) -> None:
        tables, position = self._saved
        self._tables = copy.deepcopy(tables)
        self._start()
        for routed in self.input[position:]:
            self.documents += self.outbox.on_routed(routed, self.now, self.now)

    def take_in(self, routed: Routed) -> None:
        self.input.append(routed)
        self.documents += self.outbox.on_routed(routed, self.now, self.now)

    def dispatch(self) -> None:
        delivery = self.outbox.delivery(self.now)
        self.slack.current = delivery.entry.alert.id if delivery else ""
        try:
            self.documents += self.dispatcher.dispatch(self.now)
        except DeathError:
            self.restart()

    def drain(self) -> None:
        while (due := self.outbox.next_due()) is not None:
            self.time = max(self.time, due / 1000)
            self.dispatch()

    @property
    def now(self) -> int:
        return int(self.time * 1000)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def _start(self) -> None:
        self.outbox = Outbox(self._tables, POLICY, self._meters)
        self.dispatcher = Dispatcher(
            outbox=self.outbox,
            ledger=Ledger(self.store, "", f"owner-{next(self._owners)}", 2.0),
            slack=self.slack,  # type: ignore[arg-type]  # as far as the dispatcher goes
            texts=EN,
            clock=Clock(lambda: self.time, lambda: self.time, self.sleep),
            meters=self._meters,
        )

    def counted(self, name: str, **labels: str) -> int:
        return self._meters.value(Series(name, tuple(labels.items())))


def routed(number: int) -> Routed:
    incident = Incident(
        id=f"incident-{number}",
        environment="test",
        rules_version="2026-01-01",
        fingerprint="f",
        service="payment-api",
        severity=Severity.ERROR,
        title="failure",
        template="failure",
        started=int(START),
        first_seen=int(START * 1000),
        last_seen=int(START * 1000),
        count=1,
        revision=1,
    )
    alert = Alert(
        id=alert_id(incident.id, "alerts", AlertKind.FIRING, 0),
        kind=AlertKind.FIRING,
        channel="alerts",
        incident=incident,
        interval=0,
        raised_at=int(START * 1000),
    )
    return Routed(channel="alerts", incident=incident, alert=alert)


def identity(number: int) -> str:
    return alert_id(f"incident-{number}", "alerts", AlertKind.FIRING, 0)


@pytest.fixture
def job() -> Job:
    return Job()


def test_a_message_that_slack_took_before_the_process_died_is_not_posted_again(job):
    job.take_in(routed(1))
    job.dispatch()
    job.restart()
    job.drain()
    assert job.slack.taken == [identity(1)]
    assert job.counted("cali_alerts_total", result="already_told") == 1
    assert job.documents[-1].alert.state is AlertState.POSTED


def test_a_message_whose_fate_died_with_the_process_is_posted_after_a_wait(job):
    job.take_in(routed(1))
    job.slack.plans = ["die before"]
    job.dispatch()
    job.dispatch()
    assert job.slack.taken == []
    assert job.outbox.next_due() == job.now + POLICY.hold_ms
    job.drain()
    assert job.slack.taken == [identity(1)]


def test_a_process_tries_its_own_claim_again_without_waiting_it_out(job):
    job.take_in(routed(1))
    job.slack.plans = [Failed("status 500")]
    job.dispatch()
    job.sleep(1)
    job.dispatch()
    assert job.slack.taken == [identity(1)]


def test_a_process_that_was_thought_dead_and_speaks_up_in_time_is_believed(job):
    job.take_in(routed(1))
    job.slack.plans = ["die before"]
    job.dispatch()
    job.dispatch()
    alert = job.input[0].alert
    zombie = Ledger(job.store, "", "owner-0", 2.0)
    assert zombie.settle(alert, Told(posted=True, analysed=False), job.now, job.time)
    job.drain()
    assert job.slack.taken == []


def test_a_dead_ledger_holds_no_alert_and_is_asked_once_per_cool_down(job):
    job.store.is_down = True
    for number in range(10):
        job.take_in(routed(number))
    job.drain()
    assert job.slack.taken == [identity(number) for number in range(10)]
    assert job.counted("cali_ledger_misses_total", step="claim") == 10
    assert job.time - START < COOL_DOWN_SECONDS
    assert job.store.calls == 1


def test_a_ledger_that_comes_back_is_used_again(job):
    job.store.is_down = True
    job.take_in(routed(1))
    job.drain()
    job.store.is_down = False
    job.time += COOL_DOWN_SECONDS
    job.take_in(routed(2))
    job.drain()
    assert job.store.documents[identity(2)]["_source"]["status"] == "posted"
    assert job.counted("cali_ledger_misses_total", step="claim") == 1


def test_an_alert_that_is_set_aside_is_counted_and_stays_so_after_a_restart(job):
    job.take_in(routed(1))
    job.slack.plans = [Rejected("404 no_service"), Rejected("404 no_service")]
    job.drain()
    job.restart()
    job.drain()
    assert job.slack.taken == []
    assert (
        job.counted("cali_posts_total", outcome="rejected"),
        job.counted("cali_alerts_total", result="rejected"),
    ) == (2, 1)
    assert job.documents[-1].alert.state is AlertState.FAILED


def test_a_flush_waits_as_slack_asks_and_empties_the_outbox(job):
    for number in range(3):
        job.take_in(routed(number))
    job.slack.plans = [RetryAfter(60.0), Failed("status 500")]
    documents = list(job.dispatcher.flush("alerts"))
    assert len(job.slack.taken) == 3
    assert [document.alert.state for document in documents] == [AlertState.POSTED] * 3
    assert job.time - START >= 60


def test_a_flush_does_not_wait_for_an_analysis_that_can_no_longer_come(job):
    waiting = routed(1)
    expected = waiting.alert.model_copy(update={"analysis_expected": True})
    job.take_in(waiting.model_copy(update={"alert": expected}))
    list(job.dispatcher.flush("alerts"))
    assert len(job.slack.taken) == 1
    assert job.time == START


def test_a_flush_that_gets_nowhere_says_how_many_are_left(job):
    for number in range(3):
        job.take_in(routed(number))
    job.slack.plans = [Sent()] + [Failed("status 500")] * 100
    with pytest.raises(UndeliveredError, match="2 alerts to channel 'alerts' could not be posted"):
        list(job.dispatcher.flush("alerts"))
    assert job.time - START < 2 * MAX_STANDSTILL_SECONDS


def test_a_flush_does_not_wait_for_longer_than_it_may(job):
    job.take_in(routed(1))
    job.slack.plans = [RetryAfter(900.0)]
    with pytest.raises(UndeliveredError):
        list(job.dispatcher.flush("alerts"))
    assert job.time == START


PLANS = st.sampled_from([Sent(), Failed("x"), RetryAfter(5.0), "lose answer", "die before", "die after"])
STEPS = st.one_of(
    st.tuples(st.just("take in"), st.none()),
    st.tuples(st.just("post"), PLANS),
    st.tuples(st.just("die"), st.none()),
    st.tuples(st.just("checkpoint"), st.none()),
    st.tuples(st.just("pass"), st.integers(1, 20)),
)


def play(job: Job, step: str, detail: Any) -> None:
    steps: dict[str, Callable[[], None]] = {
        "take in": lambda: job.take_in(routed(len(job.input))),
        "die": job.restart,
        "checkpoint": job.checkpoint,
        "post": job.dispatch,
        "pass": lambda: job.sleep(detail),
    }
    job.slack.plans = [detail] if step == "post" else []
    steps[step]()


@settings(deadline=None)  # the machine may be busy
@given(st.lists(STEPS, max_size=40))
def test_whatever_dies_when_no_alert_is_lost_and_one_comes_twice_only_if_slacks_answer_was_lost(steps):
    job = Job()
    for step, detail in steps:
        play(job, step, detail)
    job.slack.plans = []
    job.drain()
    taken = Counter(job.slack.taken)
    for number in range(len(job.input)):
        assert 1 <= taken[identity(number)] <= 1 + job.slack.doubts[identity(number)]
    first = list(dict.fromkeys(job.slack.taken))
    assert first == [identity(number) for number in range(len(job.input))]
