"""Count equal errors together.

`merge_groups` is associative and commutative, so that neither batch borders nor the order of records matter.
"""

import sys
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from schemas.error_group import MAX_EXEMPLARS, ErrorGroup, Exemplar, ServiceSecond, merge_exemplars
from schemas.log_entry import Severity
from udfs.fingerprint import Fingerprint
from udfs.ids import stable_hash

#: An exemplar's text at most, UTF-8 bytes.
MAX_EXEMPLAR_BYTES = 4_096

_ORDER = {severity: order for order, severity in enumerate(Severity)}


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
    first = min(a, b, key=_words_order)
    return first.model_copy(
        update={
            "severity": most_severe(a.severity, b.severity),
            "count": a.count + b.count,
            "first_seen": min(a.first_seen, b.first_seen),
            "last_seen": max(a.last_seen, b.last_seen),
            "exemplars": merge_exemplars(a.exemplars, b.exemplars),
            "late": a.late or b.late,
            "overflow": a.overflow or b.overflow,
        }
    )


class Combiner:
    """Counts the records of a batch by fingerprint, service and second of arrival."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, int, str], _Tally] = {}

    def add(self, document: Mapping[str, Any], fingerprint: Fingerprint) -> None:
        """Count a record, given as its redacted `LogDocument`."""
        key = (document["service.name"], document["arrival_time"] // 1000, fingerprint.value)
        tally = self._tallies.get(key)
        if tally is None:
            self._tallies[key] = tally = _Tally()
        tally.add(document, fingerprint)

    def seconds(self) -> list[ServiceSecond]:
        """Return the groups, sorted by service, second and fingerprint: equal batches give equal results."""
        seconds: dict[tuple[str, int], list[ErrorGroup]] = {}
        for (service, second, _), tally in sorted(self._tallies.items(), key=itemgetter(0)):
            seconds.setdefault((service, second), []).append(tally.group(service, second))
        return [ServiceSecond(service=key[0], second=key[1], groups=tuple(groups)) for key, groups in seconds.items()]


class _Tally:
    """A group in the making. Only records that may become exemplars are kept."""

    __slots__ = ("best", "count", "first_seen", "last_seen", "severity")

    def __init__(self) -> None:
        self.count = 0
        self.severity = Severity.TRACE
        self.first_seen = sys.maxsize
        self.last_seen = -sys.maxsize
        self.best: list[tuple[int, str, Mapping[str, Any], Fingerprint]] = []

    def add(self, document: Mapping[str, Any], fingerprint: Fingerprint) -> None:
        self.count += 1
        if document["severity_text"] != self.severity:
            self.severity = most_severe(self.severity, Severity(document["severity_text"]))
        arrival = document["arrival_time"]
        self.first_seen = min(self.first_seen, arrival)
        self.last_seen = max(self.last_seen, arrival)
        place = rank(document["id"])
        if len(self.best) < MAX_EXEMPLARS or place < self.best[-1][0]:
            self.best.append((place, document["id"], document, fingerprint))
            self.best.sort(key=itemgetter(0, 1))
            del self.best[MAX_EXEMPLARS:]

    def group(self, service: str, second: int) -> ErrorGroup:
        words = self.best[0][3]
        return ErrorGroup(
            fingerprint=words.value,
            service=service,
            second=second,
            severity=self.severity,
            count=self.count,
            title=words.title,
            template=words.template,
            first_seen=self.first_seen,
            last_seen=self.last_seen,
            rules_version=words.rules_version,
            exception_type=words.exception_type,
            exemplars=tuple(_exemplar(place, document) for place, _, document, _ in self.best),
        )


def _exemplar(place: int, document: Mapping[str, Any]) -> Exemplar:
    return Exemplar(
        record_id=document["id"],
        rank=place,
        timestamp=document["@timestamp"],
        arrival_time=document["arrival_time"],
        content=cut(document["body"], MAX_EXEMPLAR_BYTES),
        pod=document.get("k8s.pod.name"),
        trace_id=document.get("trace_id"),
    )


def _exemplar_order(exemplar: Exemplar) -> tuple[int, str]:
    return exemplar.rank, exemplar.record_id


def _words_order(group: ErrorGroup) -> tuple[tuple[int, str], str, str, str]:
    first = _exemplar_order(group.exemplars[0]) if group.exemplars else (2**63, "")
    return first, group.fingerprint, group.title, group.template
