"""Which errors of a service go on: arrival seconds in order, equal kinds merged, new kinds capped.

A flood of new kinds of error would otherwise open an incident each. What is over the cap goes on as one overflow group
a second, so nothing goes uncounted, and whatever comes after this fold sees a bounded number of fingerprints.

Seconds come to `admit_second` in order, each once and complete. What it returns then depends neither on how a second
was cut into batches nor on the order of its groups. `admit_late` is for what comes after that.
"""

import math
from bisect import insort
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from pydantic import Field

from jobs.log_insight.settings import TrackSettings
from schemas.base import WireModel
from schemas.error_group import ErrorGroup, Exemplar, ServiceSecond, merge_exemplars
from schemas.log_entry import Severity
from udfs.combine import merge_groups, most_severe
from udfs.ids import stable_hash

_MS = 1_000
_SECONDS_PER_MINUTE = 60


class AdmitState(WireModel):
    """What is known of one service.

    `minute` is the arrival minute (second // 60) in which `admitted` new fingerprints went on; `known` has the last
    arrival second of each fingerprint that went on.
    """

    minute: int = -1
    admitted: int = 0
    known: dict[str, int] = Field(default_factory=dict)


def admit_second(
    state: AdmitState, service: str, second: int, parts: Iterable[ServiceSecond], settings: TrackSettings
) -> tuple[AdmitState, list[ErrorGroup]]:
    """Return the groups of one complete arrival second that go on, sorted by fingerprint, and the new state.

    `parts` is read once and one by one, so a second may be larger than memory. Of too many new fingerprints those that
    sort first go on.
    """
    known = _still_known(state, second, settings)
    minute = second // _SECONDS_PER_MINUTE
    admitted = state.admitted if minute == state.minute else 0
    selection = _Selection(service, second, known.keys(), _room(admitted, len(known), settings))
    for group in _groups(parts):
        selection.add(group)
    new_state = AdmitState(
        minute=minute,
        admitted=admitted + selection.new_count,
        known=known | dict.fromkeys(selection.kept, second),
    )
    return new_state, selection.groups()


def admit_late(state: AdmitState, part: ServiceSecond, settings: TrackSettings) -> list[ErrorGroup]:
    """Return the groups, marked late, of a second that had been handled or could no longer be waited for.

    `state` is that of the seconds handled so far. A late group never makes a fingerprint known: one that is not known
    joins the overflow.
    """
    known = _still_known(state, part.second, settings)
    selection = _Selection(part.service, part.second, known.keys(), room=0)
    for group in part.groups:
        selection.add(group)
    return [group.model_copy(update={"late": True}) for group in selection.groups()]


def settles_at(second: int) -> int:
    """Return the arrival time, epoch milliseconds, at which a second is complete."""
    return (second + 1) * _MS - 1


def overflow_fingerprint(service: str) -> str:
    """Return the fingerprint of the group that stands for everything over the cap of a service."""
    return stable_hash("overflow", service)


def known_limit(settings: TrackSettings) -> int:
    """Return how many fingerprints of a service can be known at one time."""
    minutes = math.ceil(settings.resolve_after_seconds / _SECONDS_PER_MINUTE)
    return settings.new_fingerprints_per_minute * minutes


def _still_known(state: AdmitState, second: int, settings: TrackSettings) -> dict[str, int]:
    """Leave out what has been silent for so long that its incident is over, exactly as `udfs.track` sees it."""
    return {key: seen for key, seen in state.known.items() if second - seen < settings.resolve_after_seconds}


def _room(admitted: int, known: int, settings: TrackSettings) -> int:
    return max(0, min(settings.new_fingerprints_per_minute - admitted, known_limit(settings) - known))


def _groups(parts: Iterable[ServiceSecond]) -> Iterator[ErrorGroup]:
    for part in parts:
        yield from part.groups


class _Selection:
    """The groups of one second that are kept; memory is bounded by the known fingerprints and the room for new ones.

    A new fingerprint that has to go never comes back: the largest kept one only gets smaller. So what is kept in the
    end is complete, whatever the order.
    """

    def __init__(self, service: str, second: int, known: AbstractSet[str], room: int) -> None:
        self._known = known
        self._room = room
        self._new: list[str] = []
        self._overflow = _Overflow(service, second)
        self.kept: dict[str, ErrorGroup] = {}

    @property
    def new_count(self) -> int:
        return len(self._new)

    def add(self, group: ErrorGroup) -> None:
        held = self.kept.get(group.fingerprint)
        if held is not None:
            self.kept[group.fingerprint] = merge_groups(held, group)
        elif group.fingerprint in self._known:
            self.kept[group.fingerprint] = group
        else:
            self._add_new(group)

    def groups(self) -> list[ErrorGroup]:
        rest = [self._overflow.group()] if self._overflow.count else []
        return sorted([*self.kept.values(), *rest], key=lambda group: group.fingerprint)

    def _add_new(self, group: ErrorGroup) -> None:
        is_full = len(self._new) >= self._room
        if is_full and (not self._new or group.fingerprint > self._new[-1]):
            self._overflow.add(group)
            return
        if is_full:
            self._overflow.add(self.kept.pop(self._new.pop()))
        insort(self._new, group.fingerprint)
        self.kept[group.fingerprint] = group


class _Overflow:
    """One group in the making that stands for many different ones."""

    def __init__(self, service: str, second: int) -> None:
        self._service = service
        self._second = second
        self.count = 0
        self._severity = Severity.TRACE
        self._first_seen = 0
        self._last_seen = 0
        self._rules_version = ""
        self._exemplars: tuple[Exemplar, ...] = ()

    def add(self, group: ErrorGroup) -> None:
        self._first_seen = min(self._first_seen, group.first_seen) if self.count else group.first_seen
        self._last_seen = max(self._last_seen, group.last_seen)
        self.count += group.count
        self._severity = most_severe(self._severity, group.severity)
        self._rules_version = max(self._rules_version, group.rules_version)
        self._exemplars = merge_exemplars(self._exemplars, group.exemplars)

    def group(self) -> ErrorGroup:
        title = "More new kinds of error than the cap"
        return ErrorGroup(
            fingerprint=overflow_fingerprint(self._service),
            service=self._service,
            second=self._second,
            severity=self._severity,
            count=self.count,
            title=title,
            template=title,
            first_seen=self._first_seen,
            last_seen=self._last_seen,
            rules_version=self._rules_version,
            exemplars=self._exemplars,
            overflow=True,
        )
