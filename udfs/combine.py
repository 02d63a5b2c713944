"""Count equal errors together.

`merge_groups` is associative and commutative, so that neither batch borders nor the order of records matter.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.error_group import MAX_EXEMPLARS, ErrorGroup, Exemplar, ServiceSecond
from schemas.log_entry import Severity
from udfs.fingerprint import Fingerprint
from udfs.ids import stable_hash

#: An exemplar's text at most, UTF-8 bytes.
MAX_EXEMPLAR_BYTES = 4_096

_ORDER = {severity: order for order, severity in enumerate(Severity)}


class ErrorRecord(NamedTuple):
    """What the error path needs of a record. Times are epoch milliseconds, `timestamp` is the event time."""

    id: str
    arrival_time: int
    timestamp: str
    severity: Severity
    service: str
    content: str
    pod: str | None
    trace_id: str | None
    fingerprint: Fingerprint


def rank(record_id: str) -> int:
    """Return an exemplar's rank: 63 bits, the most that a signed number of OpenSearch holds."""
    return int(stable_hash(record_id), 16) >> 1


def cut(text: str, limit: int) -> str:
    """Return the longest beginning of a text that has at most `limit` UTF-8 bytes."""
    if len(text) * 4 <= limit:
        return text
    return text.encode()[:limit].decode(errors="ignore")


def most_severe(a: Severity, b: Severity) -> Severity:
    """Return the more severe of two."""
    return a if _ORDER[a] >= _ORDER[b] else b


def merge_groups(a: ErrorGroup, b: ErrorGroup) -> ErrorGroup:
    """Add two groups of one fingerprint, service and second; the words are those of the smallest exemplar's group."""
    exemplars = {exemplar.record_id: exemplar for exemplar in (*a.exemplars, *b.exemplars)}
    first = min(a, b, key=_words_order)
    return first.model_copy(
        update={
            "severity": most_severe(a.severity, b.severity),
            "count": a.count + b.count,
            "first_seen": min(a.first_seen, b.first_seen),
            "last_seen": max(a.last_seen, b.last_seen),
            "exemplars": tuple(sorted(exemplars.values(), key=_exemplar_order)[:MAX_EXEMPLARS]),
            "late": a.late or b.late,
            "overflow": a.overflow or b.overflow,
        }
    )


def combine(records: Iterable[ErrorRecord]) -> list[ServiceSecond]:
    """Count records by fingerprint, service and second of arrival; sorted, so that equal batches give equal results."""
    tallies: dict[tuple[str, int, str], _Tally] = {}
    for record in records:
        key = (record.service, record.arrival_time // 1000, record.fingerprint.value)
        tally = tallies.get(key)
        if tally is None:
            tallies[key] = tally = _Tally()
        tally.add(record)
    seconds: dict[tuple[str, int], list[ErrorGroup]] = {}
    for (service, second, _), tally in sorted(tallies.items()):
        seconds.setdefault((service, second), []).append(tally.group(second))
    return [ServiceSecond(service=key[0], second=key[1], groups=tuple(groups)) for key, groups in seconds.items()]


class _Tally:
    """A group in the making. Only records that may become exemplars are kept."""

    __slots__ = ("best", "count", "first_seen", "last_seen", "severity")

    def __init__(self) -> None:
        self.count = 0
        self.severity = Severity.TRACE
        self.first_seen = 2**63
        self.last_seen = -(2**63)
        self.best: list[tuple[int, str, ErrorRecord]] = []

    def add(self, record: ErrorRecord) -> None:
        self.count += 1
        if _ORDER[record.severity] > _ORDER[self.severity]:
            self.severity = record.severity
        self.first_seen = min(self.first_seen, record.arrival_time)
        self.last_seen = max(self.last_seen, record.arrival_time)
        place = rank(record.id)
        if len(self.best) < MAX_EXEMPLARS or place < self.best[-1][0]:
            self.best.append((place, record.id, record))
            self.best.sort(key=lambda entry: entry[:2])
            del self.best[MAX_EXEMPLARS:]

    def group(self, second: int) -> ErrorGroup:
        words = self.best[0][2]
        return ErrorGroup(
            fingerprint=words.fingerprint.value,
            service=words.service,
            second=second,
            severity=self.severity,
            count=self.count,
            title=words.fingerprint.title,
            template=words.fingerprint.template,
            first_seen=self.first_seen,
            last_seen=self.last_seen,
            rules_version=words.fingerprint.rules_version,
            exception_type=words.fingerprint.exception_type,
            exemplars=tuple(_exemplar(place, record) for place, _, record in self.best),
        )


def _exemplar(place: int, record: ErrorRecord) -> Exemplar:
    return Exemplar(
        record_id=record.id,
        rank=place,
        timestamp=record.timestamp,
        arrival_time=record.arrival_time,
        content=cut(record.content, MAX_EXEMPLAR_BYTES),
        pod=record.pod,
        trace_id=record.trace_id,
    )


def _exemplar_order(exemplar: Exemplar) -> tuple[int, str]:
    return exemplar.rank, exemplar.record_id


def _words_order(group: ErrorGroup) -> tuple[tuple[int, str], str, str, str]:
    first = _exemplar_order(group.exemplars[0]) if group.exemplars else (2**63, "")
    return first, group.fingerprint, group.title, group.template
