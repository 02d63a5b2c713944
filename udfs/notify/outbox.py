"""The outbox of a channel: which alert is posted when, and what its incident's document says.

A fold over tables of JSON. Time comes in as an argument (`now`, epoch milliseconds of processing time; `clock`, of
arrival time), so that all of it runs without Flink, and it may stop and go on anywhere: what is not in the tables does
not exist.

An alert whose analysis is expected waits for it in the waiting room, until the analysis comes or `wait_ms` are over.
Then it stands in the queue, first in, first out: nothing overtakes there, and a failure only puts off the head. An
alert id is taken in once. With `merge_above` alerts in the outbox, a new `UPDATE` takes the place of one of the same
incident that was not posted yet; its count includes what the other would have told. No other alert is ever dropped.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from jobs.log_insight.metrics import ALERTS
from schemas.alert import Alert, AlertKind, Routed
from schemas.analysis import Analysis, AnalysisStatus
from schemas.base import WireModel
from schemas.incident import Incident, IncidentState
from schemas.incident_document import AlertState, AlertStatus, IncidentDocument, next_version
from udfs.ids import alert_id
from udfs.meters import Meters
from udfs.notify.outcomes import (
    Claim,
    Failed,
    Held,
    Outcome,
    Rejected,
    RetryAfter,
    Sent,
    Told,
    Unknown,
)

_FIRST_BACKOFF_MS = 1_000
_MAX_DOUBLINGS = 20
_WORTH = {AnalysisStatus.UNAVAILABLE: 0, AnalysisStatus.NO_SIMILAR_INCIDENT: 1, AnalysisStatus.GROUNDED: 2}

K = TypeVar("K")


class Table(Protocol[K]):
    """A map in state, as Flink's `MapState`."""

    def get(self, key: K) -> bytes | None:
        """Return the value or None."""

    def put(self, key: K, value: bytes) -> None:
        """Set the value."""

    def remove(self, key: K) -> None:
        """Forget the key; it need not be there."""

    def items(self) -> Iterable[tuple[K, bytes]]:
        """Return all keys and values; the map must not change meanwhile."""


class Cell(Protocol):
    """A value in state, as Flink's `ValueState`."""

    def value(self) -> bytes | None:
        """Return the value or None."""

    def update(self, value: bytes) -> None:
        """Set the value."""


class Tables(NamedTuple):
    """The state of one channel. An element rewrites its own entries, however many others there are."""

    channel: Cell
    incidents: Table[str]
    waiting: Table[int]
    queue: Table[int]
    seen: Table[str]


class Policy(NamedTuple):
    """The settings of an outbox; all times in milliseconds.

    `hold_ms` is how long another process's claim is respected. Without `enabled` no alert is taken in and none is
    given out. Arrival times: an incident is forgotten `retention_ms` after it was last heard of, or `resolved_ms` if it
    is over; nothing that waits to be posted is.
    """

    wait_ms: int
    min_interval_ms: int
    max_backoff_ms: int
    hold_ms: int
    retention_ms: int
    resolved_ms: int
    merge_above: int = 100
    enabled: bool = True


class Entry(WireModel):
    """An alert that was taken in. `plain` after Slack refused its blocks; `claim` is a foreign claim that was seen."""

    alert: Alert
    deadline: int
    plain: bool = False
    claim: str | None = None


class Delivery(NamedTuple):
    """The alert to post now, and what is known for its message."""

    position: int
    entry: Entry
    analysis: Analysis | None
    told_count: int

    @property
    def analysed(self) -> bool:
        """Whether the message carries a grounded analysis."""
        return _is_grounded(self.analysis)


class _Record(BaseModel):
    """What is known of an incident. `waiting` and `queued` are the positions of its alerts."""

    model_config = ConfigDict(extra="ignore")

    incident: Incident | None = None
    analysis: Analysis | None = None
    alert: AlertStatus | None = None
    version: int = 0
    touched: int = 0
    waiting: list[int] = []
    queued: list[int] = []
    first_interval: int | None = None
    told_count: int = 0
    posted: int = 0
    failed: int = 0
    analysis_told: bool = False


class _Channel(BaseModel):
    """Pacing and the ends of waiting room and queue: positions from head to below tail may be taken."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    clock: int = 0
    waiting_head: int = 0
    waiting_tail: int = 0
    queue_head: int = 0
    queue_tail: int = 0
    size: int = 0
    not_before: int = 0
    failures: int = 0
    wake_up: int | None = None


class Outbox:
    """The outbox of the channel that `tables` stand for at the time of a call.

    `meters` are those of the operator `notify`.
    """

    def __init__(self, tables: Tables, policy: Policy, meters: Meters) -> None:
        self._tables = tables
        self._policy = policy
        self._meters = meters

    def on_routed(self, routed: Routed, now: int, clock: int) -> list[IncidentDocument]:
        """Take in a revision of an incident and its alert, if any; return the documents that changed."""
        with self._channel() as channel:
            channel.name = routed.channel
            channel.clock = max(channel.clock, clock, routed.incident.last_seen)
            self._release_overdue(channel, now)
            record = self._record(routed.incident.id)
            is_news = record.incident is None or routed.incident.revision > record.incident.revision
            if is_news:
                record.incident = routed.incident
            is_told = routed.alert is not None and self._take_in(channel, record, routed.alert, now)
            return self._save(channel, routed.incident.id, record, changed=is_news or is_told)

    def on_analysis(self, analysis: Analysis, now: int, clock: int) -> list[IncidentDocument]:
        """Take in an analysis: it completes alerts that wait, and is an alert of its own if it is late."""
        with self._channel() as channel:
            channel.name = analysis.channel
            channel.clock = max(channel.clock, clock)
            self._release_overdue(channel, now)
            record = self._record(analysis.incident_id)
            if record.analysis is not None and _WORTH[analysis.status] <= _WORTH[record.analysis.status]:
                return []
            record.analysis = analysis
            self._release(channel, record)
            self._follow_up(channel, record, now)
            return self._save(channel, analysis.incident_id, record, changed=True)

    def size(self) -> int:
        """Return the number of alerts that are to be posted."""
        with self._channel() as channel:
            return channel.size

    def wake_up(self, now: int) -> int | None:
        """Return the time at which to ask for a `delivery`, unless it was returned before and is yet to come."""
        with self._channel() as channel:
            due = self._due(channel)
            if due is None:
                return None
            if channel.wake_up is not None and now < channel.wake_up <= due:
                return None
            channel.wake_up = max(due, now + 1)
            return channel.wake_up

    def next_due(self) -> int | None:
        """Return the time at which something may be posted or stops waiting, None if there is nothing."""
        with self._channel() as channel:
            return self._due(channel)

    def delivery(self, now: int) -> Delivery | None:
        """Return the alert to post, if one is due. It stays in the outbox until `on_outcome` says it is done with."""
        with self._channel() as channel:
            self._release_overdue(channel, now)
            if now < channel.not_before or not self._policy.enabled:
                return None
            entry = self._head(channel)
            if entry is None:
                return None
            record = self._record(entry.alert.incident.id)
            return Delivery(channel.queue_head, entry, record.analysis, record.told_count)

    def release_all(self) -> None:
        """Let nothing wait for its analysis any longer: the input has ended."""
        with self._channel() as channel:
            while (entry := self._first_waiting(channel)) is not None:
                self._release_incident(channel, entry.alert.incident.id)

    def on_claim(self, delivery: Delivery, claim: Claim, now: int) -> list[IncidentDocument]:
        """Note what the ledger said before the post."""
        with self._channel() as channel:
            if isinstance(claim, Told):
                state = AlertState.POSTED if claim.posted else AlertState.FAILED
                return self._settle(channel, delivery, _Ending(state, now, claim.analysed))
            if isinstance(claim, Held):
                self._tables.queue.put(delivery.position, _bytes(delivery.entry, claim=claim.token))
                channel.not_before = now + self._policy.hold_ms
            return []

    def on_outcome(self, delivery: Delivery, outcome: Outcome, now: int) -> list[IncidentDocument]:
        """Note what became of a post."""
        with self._channel() as channel:
            if isinstance(outcome, Sent):
                return self._settle(channel, delivery, _Ending(AlertState.POSTED, now, delivery.analysed))
            if isinstance(outcome, Rejected):
                return self._refuse(channel, delivery, outcome, now)
            channel.failures += 1
            channel.not_before = now + self._pause(outcome, channel.failures)
            return []

    def sweep(self, clock: int) -> None:
        """Forget incidents and alert ids that are older than the retention; `clock` is the watermark."""
        with self._channel() as channel:
            channel.clock = max(channel.clock, clock)
            records = ((key, _Record.model_validate_json(value)) for key, value in self._tables.incidents.items())
            for key in [key for key, record in records if self._is_over(record, channel.clock)]:
                self._tables.incidents.remove(key)
            horizon = channel.clock - self._policy.retention_ms
            for key in [key for key, value in self._tables.seen.items() if int(value) <= horizon]:
                self._tables.seen.remove(key)

    @contextmanager
    def _channel(self) -> Iterator[_Channel]:
        stored = self._tables.channel.value()
        channel = _Channel.model_validate_json(stored) if stored else _Channel()
        before = channel.model_copy()
        yield channel
        if stored is None or channel != before:
            self._tables.channel.update(channel.model_dump_json().encode())

    def _record(self, incident: str) -> _Record:
        stored = self._tables.incidents.get(incident)
        return _Record.model_validate_json(stored) if stored else _Record()

    def _save(self, channel: _Channel, key: str, record: _Record, *, changed: bool) -> list[IncidentDocument]:
        """Write a record; return its document if what people see of it changed."""
        record.touched = channel.clock
        documents = []
        if changed and record.incident is not None:
            record.version = next_version(record.version, record.incident.revision)
            documents = [_document(record.incident, record, channel.name)]
        self._tables.incidents.put(key, record.model_dump_json(exclude_defaults=True).encode())
        return documents

    def _take_in(self, channel: _Channel, record: _Record, alert: Alert, now: int) -> bool:
        """Put an alert into waiting room or queue, unless its id was there before."""
        if not self._policy.enabled:
            self._meters.add(ALERTS, result="silenced")
            return False
        if self._tables.seen.get(alert.id) is not None:
            return False
        self._tables.seen.put(alert.id, str(channel.clock).encode())
        record.alert = AlertStatus(id=alert.id, kind=alert.kind, state=AlertState.PENDING, at=now)
        if record.first_interval is None:
            record.first_interval = alert.interval
        if self._merge(channel, record, alert):
            self._meters.add(ALERTS, result="throttled")
        else:
            self._add(channel, record, Entry(alert=alert, deadline=now + self._policy.wait_ms))
        return True

    def _add(self, channel: _Channel, record: _Record, entry: Entry) -> None:
        channel.size += 1
        # An alert behind a waiting one of the same incident waits with it: they are told in order.
        if record.waiting or (entry.alert.analysis_expected and record.analysis is None):
            self._tables.waiting.put(channel.waiting_tail, entry.to_bytes())
            record.waiting.append(channel.waiting_tail)
            channel.waiting_tail += 1
        else:
            self._enqueue(channel, record, entry)

    def _enqueue(self, channel: _Channel, record: _Record, entry: Entry) -> None:
        self._tables.queue.put(channel.queue_tail, entry.to_bytes())
        record.queued.append(channel.queue_tail)
        channel.queue_tail += 1

    def _merge(self, channel: _Channel, record: _Record, alert: Alert) -> bool:
        """Let an update take the place of the one before it that was not posted, where the outbox is too full."""
        if alert.kind is not AlertKind.UPDATE or channel.size < self._policy.merge_above:
            return False
        for table, positions in ((self._tables.waiting, record.waiting), (self._tables.queue, record.queued)):
            for position in reversed(positions):
                entry = _entry(table, position)
                if entry is not None and entry.alert.kind is AlertKind.UPDATE:
                    table.put(position, Entry(alert=alert, deadline=entry.deadline).to_bytes())
                    return True
        return False

    def _release(self, channel: _Channel, record: _Record) -> None:
        """Move all that waits of an incident into the queue."""
        for position in record.waiting:
            entry = _entry(self._tables.waiting, position)
            if entry is not None:
                self._tables.waiting.remove(position)
                self._enqueue(channel, record, entry)
        record.waiting = []

    def _release_incident(self, channel: _Channel, incident: str) -> None:
        record = self._record(incident)
        self._release(channel, record)
        self._save(channel, incident, record, changed=False)

    def _release_overdue(self, channel: _Channel, now: int) -> None:
        while (entry := self._first_waiting(channel)) is not None and entry.deadline <= now:
            self._release_incident(channel, entry.alert.incident.id)

    def _first_waiting(self, channel: _Channel) -> Entry | None:
        while channel.waiting_head < channel.waiting_tail:
            entry = _entry(self._tables.waiting, channel.waiting_head)
            if entry is not None:
                return entry
            channel.waiting_head += 1
        return None

    def _head(self, channel: _Channel) -> Entry | None:
        return _entry(self._tables.queue, channel.queue_head) if channel.queue_head < channel.queue_tail else None

    def _due(self, channel: _Channel) -> int | None:
        if not self._policy.enabled:
            return None
        if channel.queue_head < channel.queue_tail:
            return channel.not_before
        first = self._first_waiting(channel)
        return max(first.deadline, channel.not_before) if first else None

    def _settle(self, channel: _Channel, delivery: Delivery, ending: "_Ending") -> list[IncidentDocument]:
        """Take the head out of the queue for good."""
        alert = delivery.entry.alert
        self._tables.queue.remove(delivery.position)
        channel.queue_head = delivery.position + 1
        channel.size -= 1
        channel.failures = 0
        channel.not_before = ending.at + self._policy.min_interval_ms
        record = self._record(alert.incident.id)
        record.incident = record.incident or alert.incident
        record.queued = [position for position in record.queued if position != delivery.position]
        _note(record, alert, ending)
        self._follow_up(channel, record, ending.at)
        return self._save(channel, alert.incident.id, record, changed=True)

    def _refuse(self, channel: _Channel, delivery: Delivery, outcome: Rejected, now: int) -> list[IncidentDocument]:
        """Try a refused message once more as plain text; then set it aside, so that it does not block the channel."""
        if delivery.entry.plain:
            return self._settle(channel, delivery, _Ending(AlertState.FAILED, now, False, outcome.reason))
        self._tables.queue.put(delivery.position, _bytes(delivery.entry, plain=True))
        channel.not_before = now + self._policy.min_interval_ms
        return []

    def _follow_up(self, channel: _Channel, record: _Record, now: int) -> None:
        """Tell of an analysis that came too late for its alert, once; an alert yet to be posted will carry it."""
        if not (record.posted or record.failed) or record.analysis_told or record.waiting or record.queued:
            return
        if record.incident is None or record.first_interval is None or not _is_grounded(record.analysis):
            return
        # The first alert's interval: after a restart the id is the same, however far the incident has got meanwhile.
        interval = record.first_interval
        alert = Alert(
            id=alert_id(record.incident.id, channel.name, AlertKind.ANALYSIS, interval),
            kind=AlertKind.ANALYSIS,
            channel=channel.name,
            incident=record.incident,
            interval=interval,
            raised_at=channel.clock,
        )
        self._take_in(channel, record, alert, now)

    def _pause(self, outcome: RetryAfter | Failed | Unknown, failures: int) -> int:
        if isinstance(outcome, RetryAfter) and outcome.seconds is not None:
            return max(int(outcome.seconds * 1000), self._policy.min_interval_ms)
        backoff = _FIRST_BACKOFF_MS << min(failures - 1, _MAX_DOUBLINGS)
        return min(backoff, self._policy.max_backoff_ms)

    def _is_over(self, record: _Record, clock: int) -> bool:
        if record.waiting or record.queued:
            return False
        is_resolved = record.incident is not None and record.incident.state is IncidentState.RESOLVED
        return record.touched + (self._policy.resolved_ms if is_resolved else self._policy.retention_ms) <= clock


class _Ending(NamedTuple):
    state: AlertState
    at: int
    analysed: bool
    reason: str | None = None


def _note(record: _Record, alert: Alert, ending: _Ending) -> None:
    if ending.state is AlertState.FAILED:
        record.failed += 1
    else:
        record.posted += 1
        record.told_count = alert.incident.count
        record.analysis_told = record.analysis_told or ending.analysed
    if record.alert is None or record.alert.id == alert.id or record.alert.state is not AlertState.PENDING:
        record.alert = AlertStatus(id=alert.id, kind=alert.kind, state=ending.state, at=ending.at, reason=ending.reason)


def _document(incident: Incident, record: _Record, channel: str) -> IncidentDocument:
    analysis = record.analysis
    return IncidentDocument(
        **dict(incident),
        version=record.version,
        channel=channel,
        alert=record.alert,
        alerts_posted=record.posted,
        alerts_failed=record.failed,
        analysis=analysis,
        evidence_urls=tuple(evidence.url for evidence in analysis.evidence) if analysis else (),
    )


def _entry(table: Table[int], position: int) -> Entry | None:
    stored = table.get(position)
    return Entry.model_validate_json(stored) if stored else None


def _bytes(entry: Entry, *, claim: str | None = None, plain: bool = False) -> bytes:
    return entry.model_copy(update={"claim": claim, "plain": plain or entry.plain}).to_bytes()


def _is_grounded(analysis: Analysis | None) -> bool:
    return analysis is not None and analysis.status is AnalysisStatus.GROUNDED
